"""A night's batch transform: what goes in, what came out, and what is missing.

Everything lies in a folder whose name is a hash of the night's images and their versions, so an output there
is about exactly the version that is listed. A *round* is one manifest of images to transform: the first holds
the whole night, each further one what the round before left out. Images are read part by part.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondlook.detection import Prediction
from secondlook.errors import PredictionError, SecondLookError
from secondlook.hooks.image_files import SIGNATURE_BYTES, decoded_size, image_type
from secondlook.hooks.predictions import Counts
from secondlook.hooks.scoring import Quarantined, in_order, not_an_image, refused_by_size
from secondlook.hooks.store import ObjectChangedError, ObjectMissingError
from secondlook.hooks.transforms import OUTPUT_SUFFIX, ManifestWriter, output_root
from secondlook.names import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from secondlook.hooks.predictions import NightImages, NightPredictions
    from secondlook.hooks.store import ObjectStore, StoredObject
    from secondlook.layout import Layout
    from secondlook.shards import Shard

_COUNT = "images"


class NightChangedError(SecondLookError):
    """Images came, went or were replaced while the night was transformed; the next try begins anew."""

    passing = True


@dataclass(frozen=True)
class Round:
    """One manifest: its number (from 1), its key and how many images it names."""

    number: int
    manifest: str
    images: int


@dataclass(frozen=True)
class Collected:
    """What became of the night: counts of the parts that are written, and the images still missing."""

    counts: Counts
    missing: int = 0
    first: str = ""


class NightTransform:
    """One night, one model.

    :param concurrency: objects read at once.
    """

    def __init__(
        self,
        store: ObjectStore,
        layout: Layout,
        images: NightImages,
        predictions: NightPredictions,
        shards: Sequence[Shard],
        concurrency: int,
    ) -> None:
        self._store = store
        self._layout = layout
        self._images = images
        self._predictions = predictions
        self._shards = shards
        self._concurrency = concurrency

    def inputs(self) -> str:
        """Hash the night's images and versions, by one listing.

        Raises
        ------
        NoImagesError
            There are none.
        """
        hashes = self._part_hashes()
        if not hashes:
            raise self._images.none()
        return digest(*hashes, length=16)

    def output_folder(self, inputs: str) -> str:
        """Return the key of the output path of every round."""
        return f"{self._folder(inputs)}/out"

    def open_round(self, inputs: str) -> Round | None:
        """Return the last round, preparing the first; None when no image is left to transform."""
        if all(self._predictions.finished(number, images) for number, images in self._parts()):
            return None
        start = f"{self._folder(inputs)}/round-"
        numbers = [
            int(item.key.removeprefix(start).removesuffix(".manifest"))
            for item in self._store.list_objects(start)
        ]
        if not numbers:
            return self._first_round(inputs)
        manifest = self._manifest(inputs, max(numbers))
        head = self._store.head(manifest)
        return Round(max(numbers), manifest, int(head.metadata[_COUNT]) if head else 0)

    def collect(self, inputs: str, after: Round | None, *, refused: str | None = None) -> Collected:
        """Write every part that is complete, and a further round for the images that have no output.

        ``after`` is the last round; one that brought no output gets no further one. With ``refused``, the end
        of a sentence that begins with the image, images without output go to quarantine instead.

        Raises
        ------
        NightChangedError
            The night is not the one that was transformed.
        """
        expected = self._part_hashes()
        if digest(*expected, length=16) != inputs:
            raise self._changed()
        root = self._root(inputs)
        hashes, counts, missing, first = iter(expected), Counts(), 0, ""
        with self._new_manifest() as (manifest, write):
            for number, images in self._parts():
                if self._predictions.inputs(images) != next(hashes, None):
                    raise self._changed()
                written = self._predictions.finished(number, images)
                if written is None:
                    outcomes = list(
                        in_order(lambda item: self._outcome(root, item, refused), images, self._concurrency)
                    )
                    absent = [item for item, outcome in zip(images, outcomes, strict=True) if not outcome]
                    for item in absent:
                        manifest.add(self._name(item))
                        first = first or self._store.uri(item.key)
                    missing += len(absent)
                    if absent:
                        continue
                    written = self._predictions.write(number, images, filter(None, outcomes))
                counts += written
            if after is not None and 0 < missing < after.images:
                write(self._manifest(inputs, after.number + 1))
        return Collected(counts, missing, first)

    def decodes_nothing(self, inputs: str) -> bool:
        """Whether no image without output can be decoded here either; reads on to the first that can."""
        root = self._root(inputs)
        for number, images in self._parts():
            if self._predictions.finished(number, images) is None:
                for item in images:
                    if self._outcome(root, item, None) is None and self._decodes(item):
                        return False
        return True

    def _decodes(self, item: StoredObject) -> bool:
        try:
            return decoded_size(self._store.read(item.key)[0]) is not None
        except ObjectMissingError:
            return True  # nothing is known against it

    def _first_round(self, inputs: str) -> Round | None:
        key = self._manifest(inputs, 1)
        with self._new_manifest() as (manifest, write):
            for number, images in self._parts():
                if self._predictions.finished(number, images) is None:
                    for item, wanted in zip(
                        images, in_order(self._transformable, images, self._concurrency), strict=True
                    ):
                        if wanted:
                            manifest.add(self._name(item))
            if not manifest.names:
                return None
            write(key)
            return Round(1, key, manifest.names)

    def _transformable(self, item: StoredObject) -> bool:
        if refused_by_size(self._store.uri(item.key), item) is not None:
            return False
        try:
            return image_type(self._store.read_start(item.key, SIGNATURE_BYTES)) is not None
        except ObjectMissingError:
            return False

    def _outcome(self, root: str, item: StoredObject, refused: str | None) -> Prediction | Quarantined | None:
        image = self._store.uri(item.key)
        quarantined = refused_by_size(image, item)
        if quarantined is not None:
            return quarantined
        try:
            body, _ = self._store.read(root + self._name(item) + OUTPUT_SUFFIX)
        except ObjectMissingError:
            if not self._transformable(item):
                return not_an_image(image, item.etag)
            return Quarantined(image, item.etag, "unreadable", f"{image} {refused}") if refused else None
        try:
            return Prediction.from_response(image, item.etag, self._predictions.model, body)
        except PredictionError as error:
            return Quarantined(image, item.etag, "model-error", str(error))

    @contextmanager
    def _new_manifest(self) -> Iterator[tuple[ManifestWriter, Callable[[str], None]]]:
        """Give a manifest in a temporary file, and the way to upload it once it is complete."""
        with tempfile.TemporaryFile() as file:
            manifest = ManifestWriter(file, self._store.uri(self._images.folder))

            def write(key: str) -> None:
                manifest.close()
                try:
                    self._store.upload_if_absent(key, file, metadata={_COUNT: str(manifest.names)})
                except ObjectChangedError:
                    # Another run of the same night was faster; its manifest is the one that counts.
                    return

            yield manifest, write

    def _parts(self) -> Iterator[tuple[int, list[StoredObject]]]:
        for shard in self._shards:
            yield from self._predictions.parts(shard)

    def _part_hashes(self) -> list[str]:
        return [self._predictions.inputs(images) for _, images in self._parts()]

    def _folder(self, inputs: str) -> str:
        return self._layout.transform(self._images.night, self._predictions.model, inputs)

    def _root(self, inputs: str) -> str:
        folder = self._images.folder
        return output_root(
            self._store,
            self.output_folder(inputs) + "/",
            folder,
            lambda name: self._store.exists(folder + name),
        )

    def _manifest(self, inputs: str, number: int) -> str:
        return f"{self._folder(inputs)}/round-{number}.manifest"

    def _name(self, item: StoredObject) -> str:
        return item.key.removeprefix(self._images.folder)

    def _changed(self) -> NightChangedError:
        return NightChangedError(
            f"The images below {self._store.uri(self._images.folder)} have changed since their batch "
            "transform began: the next try transforms the night as it is then."
        )
