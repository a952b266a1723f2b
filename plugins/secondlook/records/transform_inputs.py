"""What a night's batch transforms read: its images and their versions, in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondlook.failures.exceptions import SecondLookError
from secondlook.names import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from secondlook.hooks.s3 import ObjectStore, StoredObject
    from secondlook.layout import Layout
    from secondlook.records.predictions import NightImages, NightPredictions
    from secondlook.scoring.shards import Shard

    Part = tuple[int, list[StoredObject]]

# Part of the hash of a night's inputs: a change of what lies in its folder makes what lies there stale.
WAVE_FORM = "waves-1"


class NightChangedError(SecondLookError):
    """Images came, went or were replaced while the night was transformed; the next try begins again."""

    passing = True


class TransformInputs:
    """The images of a night, of one model, in parts. Each method lists them again."""

    def __init__(
        self,
        store: ObjectStore,
        layout: Layout,
        images: NightImages,
        predictions: NightPredictions,
        shards: Sequence[Shard],
    ) -> None:
        self._store = store
        self._layout = layout
        self._images = images
        self._predictions = predictions
        self._shards = shards

    def parts(self) -> Iterator[Part]:
        """Yield number and images of each part, one part at a time."""
        for shard in self._shards:
            yield from self._predictions.parts(shard)

    def missing(self) -> Iterator[Part]:
        """Yield the parts whose predictions are not written."""
        for number, images in self.parts():
            if self._predictions.finished(number, images) is None:
                yield number, images

    def current(self) -> str:
        """Hash the images and versions; a number follows after answers that were of no use.

        Raises
        ------
        NoImagesError
            There are none.
        """
        hashes = self._hashes()
        if not hashes:
            raise self._images.none()
        base = inputs = self._hash(hashes)
        attempt = 1
        while self._store.exists(
            self._layout.transform(self._images.night, self._predictions.model, inputs).rejected()
        ):
            attempt += 1
            inputs = f"{base}-{attempt}"
        return inputs

    def parts_of(self, inputs: str) -> Iterator[Part]:
        """Yield the parts like :meth:`parts`, as long as they are those of the hash.

        Raises
        ------
        NightChangedError
            They are not, or no longer.
        """
        expected = self._hashes()
        if self._hash(expected) != inputs.partition("-")[0]:
            raise self._changed()
        hashes = iter(expected)
        for number, images in self.parts():
            if self._predictions.inputs(images) != next(hashes, None):
                raise self._changed()
            yield number, images

    def _hashes(self) -> list[str]:
        return [self._predictions.inputs(images) for _, images in self.parts()]

    def _hash(self, hashes: list[str]) -> str:
        return digest(WAVE_FORM, *hashes, length=16)

    def _changed(self) -> NightChangedError:
        return NightChangedError(
            f"The images below {self._store.uri(self._images.folder)}/ have changed since their batch "
            "transform began: the next try transforms the night as it is then."
        )
