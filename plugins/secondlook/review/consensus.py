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
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from secondlook.detection.box import Box, boxes_array, iou_matrix
from secondlook.failures.exceptions import ReviewOutputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Overlap with the mean box from which on two boxes mean the same object.
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
        Share of the reviewers behind the box, above 0.5 and at most 1.
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
        Objects that a reviewer drew and no majority supported, or whose label was tied.
    """

    boxes: tuple[ConsensusBox, ...]
    reviewers: int
    empty_answers: int
    minority: int


@dataclass(slots=True)
class _Cluster:
    """Boxes of different reviewers that mean one object."""

    members: list[LabelledBox]

    def edges(self) -> NDArray[np.float64]:
        return np.array([member.box.as_tuple() for member in self.members])

    def label(self) -> str | None:
        """Return the label with most votes, None when two have the same."""
        (label, most), *others = Counter(member.label for member in self.members).most_common(2)
        return None if others and others[0][1] == most else label

    def consensus_box(self) -> Box:
        estimate = np.mean if len(self.members) < _MEDIAN_FROM else np.median
        box = Box(*estimate(self.edges(), axis=0).tolist())
        return box.rounded(_EDGE_DIGITS) or box


def consolidate(answers: Sequence[Sequence[LabelledBox]]) -> Consensus:
    """Find the boxes that more than half of the reviewers support, whatever the order of the answers.

    A reviewer gives at most one box to an object; objects are found regardless of label, and the label is
    voted.

    Parameters
    ----------
    answers
        Each reviewer's boxes; an empty answer is a vote for "nothing there".

    Raises
    ------
    ReviewOutputError
        When there is no answer.
    """
    if not answers:
        raise ReviewOutputError("There is no answer to find a consensus in; wait for the reviewers.")
    clusters: list[_Cluster] = []
    # The file lists answers by time of submission, which must not matter.
    for boxes in sorted(sorted(answer) for answer in answers):
        _join(clusters, boxes)
    kept = [box for cluster in clusters if (box := _agreed(cluster, len(answers))) is not None]
    return Consensus(
        boxes=tuple(sorted(kept, key=lambda box: (box.box, box.label))),
        reviewers=len(answers),
        empty_answers=sum(not answer for answer in answers),
        minority=len(clusters) - len(kept),
    )


def _join(clusters: list[_Cluster], boxes: Sequence[LabelledBox]) -> None:
    """Add one reviewer's boxes, each to the cluster it overlaps most, or to a new one."""
    free_boxes, free_clusters = set(range(len(boxes))), set(range(len(clusters)))
    for _, _, box, cluster in _pairs(clusters, boxes):
        if box in free_boxes and cluster in free_clusters:
            free_boxes.remove(box)
            free_clusters.remove(cluster)
            clusters[cluster].members.append(boxes[box])
    clusters.extend(_Cluster([boxes[index]]) for index in sorted(free_boxes))


def _pairs(clusters: Sequence[_Cluster], boxes: Sequence[LabelledBox]) -> list[tuple[float, bool, int, int]]:
    """Return the overlapping (box, cluster) pairs, the closest first, the same label before another."""
    if not clusters or not boxes:
        return []
    means = np.array([cluster.edges().mean(axis=0) for cluster in clusters])
    overlaps = iou_matrix(boxes_array([member.box for member in boxes]), means)
    labels = [cluster.label() for cluster in clusters]
    return sorted(
        (-float(overlaps[box, cluster]), boxes[box].label != labels[cluster], int(box), int(cluster))
        for box, cluster in np.argwhere(overlaps >= CLUSTER_IOU)
    )


def _agreed(cluster: _Cluster, reviewers: int) -> ConsensusBox | None:
    label = cluster.label()
    if 2 * len(cluster.members) <= reviewers or label is None:
        return None
    box = cluster.consensus_box()
    spread = statistics.fmean(member.box.iou(box) for member in cluster.members)
    return ConsensusBox(label, box, len(cluster.members) / reviewers, spread)
