"""The waves of a night's batch transform: which images go into one, and when another one is of use."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from secondlook.hooks.s3 import ObjectChangedError
from secondlook.records.transforms import MAX_NAME_BYTES, ManifestWriter, last_name
from secondlook.scoring.evidence import ENOUGH_REFUSALS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secondlook.hooks.s3 import ObjectStore
    from secondlook.layout import TransformFolder

_IMAGES, _REFUSALS, _CONTROLS = "images", "refusals", "controls"


@dataclass(frozen=True)
class Wave:
    """One manifest of images to transform.

    Attributes
    ----------
    number
        From 1.
    manifest
        Its key.
    images
        How many images it holds; the control is not counted.
    control
        Name of an image that has been answered about before. Its second answer is not used: it tells whether
        the model answers at all, so that a job that broke off is not taken for one whose model refused the
        images. None in the first wave, before anything was answered.
    refusals
        In how many earlier waves the model has refused all these images.
    """

    number: int
    manifest: str
    images: int
    control: str | None = None
    refusals: int = 0

    def leads_on(self, missing: int, refusals: int) -> bool:
        """Whether a further wave is of use for the images that are still missing.

        It is if this one brought an output, or was a refusal (then ``refusals`` counts it), and the images
        were not refused often enough. More images than it held cannot be missing for its sake.
        """
        if refusals >= ENOUGH_REFUSALS:
            return False
        return 0 < missing < self.images or (missing == self.images and refusals > self.refusals)


class NewWave:
    """A wave that is being put together, image by image.

    :param file: open for writing, at its start.
    :param inputs: address of the folder of all images, ``s3://bucket/folder``.
    """

    def __init__(self, store: ObjectStore, number: int, key: str, file: BinaryIO, inputs: str) -> None:
        self._store = store
        self._number = number
        self._key = key
        self._file = file
        self._manifest = ManifestWriter(file, inputs)

    @property
    def images(self) -> int:
        """How many images it holds by now."""
        return self._manifest.names

    def add(self, name: str) -> None:
        """Add an image."""
        self._manifest.add(name)

    def write(self, *, control: str | None = None, refusals: int = 0) -> Wave:
        """Upload the manifest, once it is complete, and return its wave.

        If another run of the same night was faster, its manifest is the one that counts.
        """
        made = Wave(self._number, self._key, self._manifest.names, control, refusals)
        if control is not None:
            # Last, so that a job that breaks off half-way hardly ever comes to it.
            self._manifest.add(control)
        self._manifest.close()
        said = {_IMAGES: made.images, _REFUSALS: refusals, _CONTROLS: int(control is not None)}
        try:
            metadata = {name: str(value) for name, value in said.items()}
            self._store.upload_if_absent(self._key, self._file, metadata=metadata)
        except ObjectChangedError:
            pass
        return made


class Waves:
    """The waves' manifests, each written once.

    :param folder: the night's transform.
    :param inputs: key of the folder of all images; a *name* is what follows it and a slash.
    """

    def __init__(self, store: ObjectStore, folder: TransformFolder, inputs: str) -> None:
        self._store = store
        self._folder = folder
        self._inputs = inputs

    def last(self) -> Wave | None:
        """Return the last wave that was written."""
        listed = self._store.list_objects(self._folder.waves())
        number = max((self._folder.wave_number(item.key) for item in listed), default=None)
        if number is None:
            return None
        key = self._folder.wave(number)
        head = self._store.head(key)
        said = head.metadata if head else {}
        control = None
        if said.get(_CONTROLS, "0") != "0":
            control = last_name(self._store.read_end(key, MAX_NAME_BYTES))
        return Wave(number, key, int(said.get(_IMAGES, "0")), control, int(said.get(_REFUSALS, "0")))

    @contextmanager
    def new(self, number: int) -> Iterator[NewWave]:
        """Give an empty wave; it exists once it is written."""
        with tempfile.TemporaryFile() as file:
            yield NewWave(self._store, number, self._folder.wave(number), file, self._store.uri(self._inputs))
