"""Turns samples into batches: decodes once, then augments from memory in a thread of its own."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from .augmentation import augment
from .errors import ImageError, TrainingDataError
from .images import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from .channels import Sample

    Floats = NDArray[np.float32]

# For crops, training images are kept a little larger than the net's input as well.
_CROP_SCALE = 1.25
_MAX_UNREADABLE_SHARE = 0.1


@dataclass(frozen=True)
class LabelledImages:
    """Decoded images of one channel: uint8 (side, side, 3) each, and the objects of each as (n, 5).

    ``enlarged`` holds the images of a training channel once more, larger.
    """

    pixels: list[NDArray[np.uint8]]
    rows: list[Floats]
    enlarged: list[Image.Image]


@dataclass(frozen=True)
class Batch:
    """One step's input: (batch, 3, side, side), and the objects of each image."""

    data: Floats
    rows: list[Floats]


def load_images(
    samples: Sequence[Sample], side: int, *, training: bool, warn: Callable[[str], None]
) -> LabelledImages:
    """Decode all samples; a few unreadable ones are left out with a warning each.

    Raises
    ------
    TrainingDataError
        More than a tenth cannot be decoded.
    """
    images = LabelledImages([], [], [])
    faults = []
    for sample in samples:
        try:
            pixels = decode(sample.image, side).pixels
        except ImageError as error:
            faults.append(f"The image of {sample.source} is left out: {error}")
            warn(faults[-1])
            continue
        images.pixels.append(pixels)
        images.rows.append(np.asarray(sample.rows, dtype=np.float32).reshape(-1, 5))
        if training:
            enlarged = decode(sample.image, round(side * _CROP_SCALE)).pixels
            images.enlarged.append(Image.fromarray(enlarged))
    if len(faults) > _MAX_UNREADABLE_SHARE * len(samples):
        raise TrainingDataError(f"{len(faults)} of {len(samples)} images are unusable. {faults[0]}")
    return images


class BatchLoader:
    """Yields augmented batches, epoch after epoch, prepared one ahead by a background thread.

    Order and augmentation come from one seeded generator, so the same input gives the same batches.
    """

    def __init__(self, images: LabelledImages, *, batch_size: int, epochs: int, seed: int) -> None:
        self._images = images
        self._batch_size = batch_size
        self._epochs = epochs
        self._seed = seed
        self.batches_per_epoch = -(-len(images.pixels) // batch_size)

    def __iter__(self) -> Iterator[Batch]:
        prepared: queue.Queue[Batch | BaseException | None] = queue.Queue(maxsize=4)
        finished = threading.Event()
        thread = threading.Thread(target=self._fill, args=(prepared, finished), name="loader", daemon=True)
        thread.start()
        try:
            while (batch := prepared.get()) is not None:
                if isinstance(batch, BaseException):
                    raise batch
                yield batch
        finally:
            finished.set()
            while thread.is_alive():
                _drain(prepared)
                thread.join(timeout=0.05)

    def _fill(self, prepared: queue.Queue[Batch | BaseException | None], finished: threading.Event) -> None:
        random = np.random.RandomState(self._seed)
        try:
            for _ in range(self._epochs):
                for chosen in self._order(random):
                    if finished.is_set():
                        return
                    prepared.put(self._batch(chosen, random))
            prepared.put(None)
        except BaseException as error:  # Passed to the training thread, which raises it.
            prepared.put(error)

    def _order(self, random: np.random.RandomState) -> list[NDArray[np.int64]]:
        """Return the batches of one epoch; the last is filled up from the front of the same order."""
        order = random.permutation(len(self._images.pixels))
        filled = np.resize(order, self.batches_per_epoch * self._batch_size)
        return np.split(filled, self.batches_per_epoch)

    def _batch(self, chosen: NDArray[np.int64], random: np.random.RandomState) -> Batch:
        images = self._images
        views = [
            augment(images.pixels[index], images.enlarged[index], images.rows[index], random)
            for index in chosen
        ]
        return Batch(np.stack([pixels for pixels, _ in views]), [rows for _, rows in views])


def _drain(prepared: queue.Queue[Batch | BaseException | None]) -> None:
    try:
        while True:
            prepared.get_nowait()
    except queue.Empty:
        return
