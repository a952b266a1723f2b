"""Mean average precision at one IoU threshold, all points (PASCAL VOC 2010 and later)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .anchors import intersection_over_union

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


def mean_average_precision(
    detections: Sequence[Floats], truths: Sequence[Floats], num_classes: int, overlap_threshold: float
) -> float:
    """Return the mean over the classes that have any true box; 0 when none has.

    Parameters
    ----------
    detections
        Per image (n, 6): class id, score, box.
    truths
        Per image (m, 5): class id, box.
    """
    values = []
    for class_id in range(num_classes):
        boxes = [truth[truth[:, 0] == class_id, 1:5] for truth in truths]
        total = sum(len(found) for found in boxes)
        if total:
            found = [rows[rows[:, 0] == class_id, 1:6] for rows in detections]
            values.append(_average_precision(found, boxes, total, overlap_threshold))
    return float(np.mean(values)) if values else 0.0


def _average_precision(
    detections: Sequence[Floats], boxes: Sequence[Floats], total: int, threshold: float
) -> float:
    scored = [_match(rows, truth, threshold) for rows, truth in zip(detections, boxes, strict=True)]
    scores = np.concatenate([score for score, _ in scored])
    hits = np.concatenate([hit for _, hit in scored])
    order = np.argsort(-scores, kind="stable")
    true_positives = np.cumsum(hits[order])
    recall = true_positives / total
    precision = true_positives / np.arange(1, len(order) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def _match(rows: Floats, truth: Floats, threshold: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Match best score first; a true box counts once, each detection tries its best box only."""
    rows = rows[np.argsort(-rows[:, 0], kind="stable")]
    hits = np.zeros(len(rows), dtype=bool)
    if len(truth) and len(rows):
        overlaps = intersection_over_union(rows[:, 1:5], truth)
        taken: set[int] = set()
        for index, best in enumerate(overlaps.argmax(axis=1).tolist()):
            if overlaps[index, best] >= threshold and best not in taken:
                taken.add(best)
                hits[index] = True
    return rows[:, 0], hits
