"""Boxes, scores and average precision: pure functions of predictions and ground truth."""

from __future__ import annotations

from secondlook.detection.average_precision import MeanAveragePrecision, mean_average_precision
from secondlook.detection.bootstrap import PairedBootstrap, PairedDelta, paired_bootstrap
from secondlook.detection.box import Box, boxes_array, iou_matrix
from secondlook.detection.matching import ImageMatches, TruthBox, match
from secondlook.detection.prediction import Detection, Prediction

__all__ = [
    "Box",
    "Detection",
    "ImageMatches",
    "MeanAveragePrecision",
    "PairedBootstrap",
    "PairedDelta",
    "Prediction",
    "TruthBox",
    "boxes_array",
    "iou_matrix",
    "match",
    "mean_average_precision",
    "paired_bootstrap",
]
