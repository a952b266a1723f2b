"""One set of boxes from several reviewers.

Amazon A2I writes the answers of all reviewers side by side and leaves the consensus to its caller. The
method is that of SageMaker Ground Truth's box consolidation (boxes of different workers that overlap are
one object, their edges are averaged), with a looser overlap: people differ most on small objects. Measured
on pedestrian boxes of seven paid workers an image against an expert's, loose clusters and a majority beat
weighted box fusion for every number of workers; compare Branson, Van Horn and Perona, "Lean Crowdsourcing",
CVPR 2017.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from secondlook.detection.box import Box, boxes_array, iou_matrix
from secondlook.failures.exceptions import ReviewOutputError

if TYPE_CHECKING:
    from collections.abc import Sequence

CLUSTER_IOU = 0.4
# The mean is the better estimate of an edge up to three boxes, the median resists outliers from four on.
_MEDIAN_FROM = 4
_EDGE_DIGITS = 2


@dataclass(frozen=True, slots=True, order=True)
class LabelledBox:
    """One reviewer's box."""

    box: Box
    label: str


@dataclass(frozen=True, slots=True)
class ConsensusBox:
    """A box that most reviewers support.

    Attributes
    ----------
    label, box
        The winning label; the mean (from four boxes on the median) of the edges.
    support
        Share of the reviewers' weight behind the box, above 0.5 and at most 1.
    spread
        Mean IoU of the reviewers' boxes with the consensus: 1 when all drew the same.
    """

    label: str
    box: Box
    support: float
    spread: float


@dataclass(frozen=True, slots=True)
class Consensus:
    """What the reviewers of one image agree on.

    Attributes
    ----------
    boxes
        The agreed boxes, by place.
    reviewers
        Number of answers.
    empty_answers
        Number of answers without any box.
    minority
        Objects that somebody drew and no majority supported, or whose label was tied.
    """

    boxes: tuple[ConsensusBox, ...]
    reviewers: int
    empty_answers: int
    minority: int


@dataclass(slots=True)
class _Cluster:
    members: list[tuple[LabelledBox, float]]

    def mean(self) -> tuple[float, ...]:
        edges = np.array([member.box.as_tuple() for member, _ in self.members])
        return tuple(edges.mean(axis=0).tolist())

    def weight(self) -> float:
        return sum(weight for _, weight in self.members)

    def label(self) -> str | None:
        """Return the label with most weight, None when two have the same."""
        votes: dict[str, float] = defaultdict(float)
        for member, weight in self.members:
            votes[member.label] += weight
        best = max(votes.values())
        winners = [label for label, vote in votes.items() if vote >= best - 1e-9]
        return winners[0] if len(winners) == 1 else None

    def consensus_box(self) -> Box:
        edges = list(zip(*(member.box.as_tuple() for member, _ in self.members), strict=True))
        weights = [weight for _, weight in self.members]
        if len(self.members) < _MEDIAN_FROM:
            estimate = [float(np.average(values, weights=weights)) for values in edges]
        else:
            estimate = [_weighted_median(values, weights) for values in edges]
        box = Box(*estimate)
        return box.rounded(_EDGE_DIGITS) or box


def consolidate(
    answers: Sequence[Sequence[LabelledBox]],
    *,
    iou_threshold: float = CLUSTER_IOU,
    weights: Sequence[float] | None = None,
) -> Consensus:
    """Find the boxes that more than half of the reviewers support, whatever the order of the answers.

    A reviewer gives at most one box to an object; objects are found regardless of label, and the label is
    voted.

    Parameters
    ----------
    answers
        Each reviewer's boxes; an empty answer is a vote for "nothing there".
    iou_threshold
        Overlap with the mean box from which on two boxes mean the same object.
    weights
        Trust in each reviewer, above 0; all equal by default.

    Raises
    ------
    ReviewOutputError
        When there is no answer, or the weights do not fit.
    """
    if not answers:
        raise ReviewOutputError("There is no answer to find a consensus in; wait for the reviewers.")
    trust = [1.0] * len(answers) if weights is None else list(weights)
    if len(trust) != len(answers) or min(trust) <= 0:
        raise ReviewOutputError(f"{len(answers)} answers need as many weights above 0, not {trust}.")
    # The file lists answers by time of submission, which must not matter.
    ordered = sorted(zip((sorted(answer) for answer in answers), trust, strict=True))
    clusters: list[_Cluster] = []
    for boxes, weight in ordered:
        _join(clusters, boxes, weight, iou_threshold)
    total = sum(trust)
    kept = [box for cluster in clusters if (box := _agreed(cluster, total)) is not None]
    return Consensus(
        boxes=tuple(sorted(kept, key=lambda box: (box.box, box.label))),
        reviewers=len(answers),
        empty_answers=sum(not answer for answer in answers),
        minority=len(clusters) - len(kept),
    )


def _join(
    clusters: list[_Cluster], boxes: Sequence[LabelledBox], weight: float, iou_threshold: float
) -> None:
    """Add one reviewer's boxes, each to the cluster it overlaps most, or to a new one."""
    free_boxes, free_clusters = set(range(len(boxes))), set(range(len(clusters)))
    for _, _, box, cluster in _pairs(clusters, boxes, iou_threshold):
        if box in free_boxes and cluster in free_clusters:
            free_boxes.remove(box)
            free_clusters.remove(cluster)
            clusters[cluster].members.append((boxes[box], weight))
    clusters.extend(_Cluster([(boxes[index], weight)]) for index in sorted(free_boxes))


def _pairs(
    clusters: Sequence[_Cluster], boxes: Sequence[LabelledBox], iou_threshold: float
) -> list[tuple[float, bool, int, int]]:
    """Return the overlapping (box, cluster) pairs, the closest first, the same label before another."""
    if not clusters or not boxes:
        return []
    means = np.array([cluster.mean() for cluster in clusters])
    overlaps = iou_matrix(boxes_array([member.box for member in boxes]), means)
    labels = [cluster.label() for cluster in clusters]
    return sorted(
        (-float(overlaps[box, cluster]), boxes[box].label != labels[cluster], int(box), int(cluster))
        for box, cluster in np.argwhere(overlaps >= iou_threshold)
    )


def _agreed(cluster: _Cluster, total_weight: float) -> ConsensusBox | None:
    support = cluster.weight() / total_weight
    label = cluster.label()
    # A hair above one half, so that rounding of weights does not break a tie.
    if support <= 0.5 + 1e-9 or label is None:
        return None
    box = cluster.consensus_box()
    spread = statistics.fmean(member.box.iou(box) for member, _ in cluster.members)
    return ConsensusBox(label, box, min(support, 1.0), spread)


def _weighted_median(values: Sequence[float], weights: Sequence[float]) -> float:
    """Return the value with half of the weight on either side, the middle of two when they share it."""
    order = np.argsort(values, kind="stable")
    sorted_values = np.asarray(values)[order]
    share = np.cumsum(np.asarray(weights)[order]) / np.sum(weights)
    low = int(np.searchsorted(share, 0.5 - 1e-9))
    high = int(np.searchsorted(share, 0.5 + 1e-9))
    return float((sorted_values[low] + sorted_values[min(high, len(values) - 1)]) / 2)
