"""Average precision: the area under the monotone precision-recall curve (all points, PASCAL VOC 2010 on)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from secondlook.failures.exceptions import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from secondlook.detection.matching import ImageMatches

    FloatArray: TypeAlias = NDArray[np.float64]
    IntArray: TypeAlias = NDArray[np.int64]

# Bounds the memory of one step of the bootstrap to some tens of megabytes.
_BLOCK_CELLS = 4_000_000


@dataclass(frozen=True, slots=True)
class MeanAveragePrecision:
    """Average precision by class (None: no object of the class) and its mean over the classes that occur."""

    per_class: tuple[float | None, ...]

    @property
    def map50(self) -> float | None:
        """Mean over classes with at least one object, None when there is none at all."""
        present = [ap for ap in self.per_class if ap is not None]
        return float(np.mean(present)) if present else None


def mean_average_precision(matches: Sequence[ImageMatches], num_classes: int) -> MeanAveragePrecision:
    """Return average precision at the IoU the images were matched with, by class and on average.

    The order of ``matches`` does not matter: equal scores are ordered by image address.
    """
    curves = ClassCurves.build(matches, num_classes)
    once = np.ones((1, len(matches)))
    per_class = [curve.average_precision(once)[0] for curve in curves]
    return MeanAveragePrecision(tuple(None if np.isnan(ap) else float(ap) for ap in per_class))


@dataclass(frozen=True, slots=True)
class ClassCurves:
    """One class's detections of many images, sorted once, so that reweighting the images is cheap.

    Precision and recall change their envelope only at true positives, so detections are grouped into the
    stretches that end at each true positive; what follows the last one cannot change the area.

    Attributes
    ----------
    detection_images
        Image index of each detection, by falling score, up to the last true positive.
    stretch_starts
        Index of the first detection of each stretch.
    hit_images
        Image index of each true positive (one a stretch).
    truth_counts
        Number of objects of the class in each image.
    """

    detection_images: IntArray
    stretch_starts: IntArray
    hit_images: IntArray
    truth_counts: FloatArray

    @classmethod
    def build(cls, matches: Sequence[ImageMatches], num_classes: int) -> list[ClassCurves]:
        """Return one entry a class, images indexed as in ``matches``."""
        by_address = sorted(range(len(matches)), key=lambda index: matches[index].image)
        images: list[int] = []
        rows: list[tuple[int, float, bool]] = []
        for index in by_address:
            rows.extend(matches[index].rows)
            images.extend([index] * len(matches[index].rows))
        table = np.array(rows, dtype=np.float64).reshape(-1, 3)
        image_of_row = np.array(images, dtype=np.int64)
        truths = np.zeros((num_classes, len(matches)))
        for index, image in enumerate(matches):
            for class_id in image.truths:
                if not 0 <= class_id < num_classes:
                    raise EvaluationError(
                        f"{image.image} holds an object of class {class_id}, but the detector has"
                        f" {num_classes} classes; correct the holdout or the labels."
                    )
                truths[class_id, index] += 1
        order = np.argsort(-table[:, 1], kind="stable")
        table, image_of_row = table[order], image_of_row[order]
        return [
            cls._of_class(table[mine, 2] > 0, image_of_row[mine], truths[class_id])
            for class_id in range(num_classes)
            for mine in [table[:, 0] == class_id]
        ]

    @classmethod
    def _of_class(cls, hits: NDArray[np.bool_], images: IntArray, truth_counts: FloatArray) -> ClassCurves:
        positions = np.flatnonzero(hits)
        last = int(positions[-1]) + 1 if positions.size else 0
        starts = np.concatenate([[0], positions[:-1] + 1]) if positions.size else positions
        return cls(images[:last], starts.astype(np.int64), images[positions], truth_counts)

    def average_precision(self, weights: FloatArray) -> FloatArray:
        """Return the average precision when image ``i`` counts ``weights[s, i]`` times.

        Parameters
        ----------
        weights
            Shape ``(samples, images)``: how often each image was drawn.

        Returns
        -------
        array of shape ``(samples,)``; NaN where a sample holds no object of the class.
        """
        size = max(1, _BLOCK_CELLS // max(1, self.detection_images.size))
        parts = [self._of_block(weights[start : start + size]) for start in range(0, len(weights), size)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _of_block(self, weights: FloatArray) -> FloatArray:
        truths = weights @ self.truth_counts
        if not self.hit_images.size:
            return np.asarray(np.where(truths > 0, 0.0, np.nan))
        # (images, samples), so that picking an image copies one contiguous row.
        by_image = np.ascontiguousarray(weights.T)
        hits = by_image[self.hit_images]
        seen = np.add.reduceat(by_image[self.detection_images], self.stretch_starts, axis=0).cumsum(axis=0)
        found = hits.cumsum(axis=0)
        precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
        envelope = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        area = (envelope * hits).sum(axis=0)
        return np.asarray(np.divide(area, truths, out=np.full_like(area, np.nan), where=truths > 0))
