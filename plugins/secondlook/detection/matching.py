"""Match detections to ground truth, image by image, as the PASCAL VOC development kit does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondlook.detection.box import Box, boxes_array, iou_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondlook.detection.prediction import Detection, Prediction

IOU_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class TruthBox:
    """A ground-truth object; a ``difficult`` one counts neither for nor against a detector."""

    class_id: int
    box: Box
    difficult: bool = False


@dataclass(frozen=True, slots=True)
class ImageMatches:
    """What one image contributes to average precision; images can be pooled and resampled afterwards.

    Attributes
    ----------
    image
        Address of the image.
    rows
        ``(class_id, score, is_true_positive)`` for each detection that counts, highest score first.
    truths
        Class of each object that counts.
    """

    image: str
    rows: tuple[tuple[int, float, bool], ...]
    truths: tuple[int, ...]


def match(
    prediction: Prediction, truth: Sequence[TruthBox], *, iou_threshold: float = IOU_THRESHOLD
) -> ImageMatches:
    """Decide which detections of one image are true positives.

    Each detection, highest score first, is compared with the object of its class that it overlaps most. With
    an IoU of at least ``iou_threshold`` it is a true positive if the object is still unmatched and a false
    positive otherwise; a detection of a difficult object is left out (Everingham et al., "The PASCAL Visual
    Object Classes Challenge", 2010).
    """
    rows: list[tuple[int, float, bool]] = []
    for class_id in sorted({d.class_id for d in prediction.detections}):
        detections = [d for d in prediction.detections if d.class_id == class_id]
        objects = [t for t in truth if t.class_id == class_id]
        rows.extend(_match_class(detections, objects, iou_threshold))
    rows.sort(key=lambda row: (-row[1], row[0]))
    truths = sorted(t.class_id for t in truth if not t.difficult)
    return ImageMatches(prediction.image, tuple(rows), tuple(truths))


def _match_class(
    detections: Sequence[Detection], objects: Sequence[TruthBox], iou_threshold: float
) -> list[tuple[int, float, bool]]:
    if not objects:
        return [(d.class_id, d.score, False) for d in detections]
    overlaps = iou_matrix(boxes_array([d.box for d in detections]), boxes_array([t.box for t in objects]))
    nearest = overlaps.argmax(axis=1)
    found: set[int] = set()
    rows = []
    for detection, row, index in zip(detections, overlaps, nearest.tolist(), strict=True):
        hit = bool(row[index] >= iou_threshold)
        if hit and objects[index].difficult:
            continue
        rows.append((detection.class_id, detection.score, hit and index not in found))
        if hit:
            found.add(index)
    return rows
