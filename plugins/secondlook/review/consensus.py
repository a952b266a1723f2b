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
    from collections.abc import Iterator, Sequence, Sized

    from numpy.typing import NDArray

MOST_BOXES = 1_000
"""The most boxes of one answer. The Review Desk takes no more either; a test holds the two together."""
MOST_BOXES_IN_ALL = 5_000
"""The most boxes of all answers to one image: what five people may draw; Amazon A2I asks three at most."""

# Overlap with the mean box from which on two boxes mean the same object.
CLUSTER_IOU = 0.4
# The mean is the better estimate of an edge up to three boxes, the median resists outliers from four on.
_MEDIAN_FROM = 4
_EDGE_DIGITS = 2
# How many pairs are looked at together: enough for numpy to be quick, few enough to be small in memory.
_PAIRS_AT_ONCE = 50_000


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
    voted. Boxes are compared with those only that they can overlap, side by side. In the worst case, three
    answers with as many boxes as are allowed and all in one spot, that is two million pairs: about a second,
    and about 70 MB.

    Parameters
    ----------
    answers
        Each reviewer's boxes; an empty answer is a vote for "nothing there".

    Raises
    ------
    ReviewOutputError
        When there is no answer, or one of more than ``MOST_BOXES`` boxes, or more than ``MOST_BOXES_IN_ALL``.
    """
    if not answers:
        raise ReviewOutputError("There is no answer to find a consensus in; wait for the reviewers.")
    excess = too_many_boxes(answers)
    if excess is not None:
        raise ReviewOutputError(excess)
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


def too_many_boxes(answers: Sequence[Sized]) -> str | None:
    """Return the sentence for answers with more boxes than are compared; None when they may be compared."""
    most, in_all = max(map(len, answers), default=0), sum(map(len, answers))
    if most > MOST_BOXES:
        excess = f"An answer has {most:,} boxes, more than the {MOST_BOXES:,} that are allowed"
    elif in_all > MOST_BOXES_IN_ALL:
        excess = f"The answers have {in_all:,} boxes, more than the {MOST_BOXES_IN_ALL:,} that are allowed"
    else:
        return None
    return f"{excess} for one image: look at what the worker template sends, and ask again."


def _join(clusters: list[_Cluster], boxes: Sequence[LabelledBox]) -> None:
    """Add one reviewer's boxes, each to the cluster it overlaps most, or to a new one."""
    joined = dict(_matches(clusters, boxes))
    for box, cluster in joined.items():
        clusters[cluster].members.append(boxes[box])
    clusters.extend(_Cluster([box]) for index, box in enumerate(boxes) if index not in joined)


def _matches(clusters: Sequence[_Cluster], boxes: Sequence[LabelledBox]) -> Iterator[tuple[int, int]]:
    """Yield (box, cluster), each at most once: of all pairs the closest, then of the rest, and so on.

    Equally close pairs go by label, the same before another, then by the boxes' and the clusters' order.
    """
    pairs = _pairs(clusters, boxes)
    # Stable: pairs are in the boxes' and the clusters' order already.
    order = np.lexsort((pairs.other_label, -pairs.overlap))
    free_box = np.ones(len(boxes), dtype=bool)
    free_cluster = np.ones(len(clusters), dtype=bool)
    for start in range(0, len(order), _PAIRS_AT_ONCE):
        part = order[start : start + _PAIRS_AT_ONCE]
        part = part[free_box[pairs.box[part]] & free_cluster[pairs.cluster[part]]]
        for box, cluster in zip(pairs.box[part].tolist(), pairs.cluster[part].tolist(), strict=True):
            if free_box[box] and free_cluster[cluster]:
                free_box[box] = free_cluster[cluster] = False
                yield box, cluster


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Boxes and clusters that overlap enough, as columns of the same length, by box and then by cluster."""

    overlap: NDArray[np.float64]
    other_label: NDArray[np.bool_]
    box: NDArray[np.int32]
    cluster: NDArray[np.int32]


def _pairs(clusters: Sequence[_Cluster], boxes: Sequence[LabelledBox]) -> _Pairs:
    """Find the pairs by a sweep from left to right: a box meets the clusters that begin before it ends."""
    means = np.array([cluster.edges().mean(axis=0) for cluster in clusters]).reshape(-1, 4)
    labels = np.array([cluster.label() for cluster in clusters], dtype=object)
    by_left = np.argsort(means[:, 0], kind="stable")
    lefts = means[by_left, 0]
    widest = float((means[:, 2] - means[:, 0]).max(initial=0.0))
    found: list[_Pairs] = []
    for index, box in enumerate(boxes):
        first = np.searchsorted(lefts, box.box.xmin - widest, side="left")
        last = np.searchsorted(lefts, box.box.xmax, side="right")
        near = np.sort(by_left[first:last])
        overlaps = iou_matrix(boxes_array([box.box]), means[near])[0]
        enough = overlaps >= CLUSTER_IOU
        near = near[enough].astype(np.int32)
        found.append(
            _Pairs(overlaps[enough], labels[near] != box.label, np.full(len(near), index, np.int32), near)
        )
    return _Pairs(
        overlap=np.concatenate([np.empty(0), *(pairs.overlap for pairs in found)]),
        other_label=np.concatenate([np.empty(0, bool), *(pairs.other_label for pairs in found)]).astype(bool),
        box=np.concatenate([np.empty(0, np.int32), *(pairs.box for pairs in found)]),
        cluster=np.concatenate([np.empty(0, np.int32), *(pairs.cluster for pairs in found)]),
    )


def _agreed(cluster: _Cluster, reviewers: int) -> ConsensusBox | None:
    label = cluster.label()
    if 2 * len(cluster.members) <= reviewers or label is None:
        return None
    box = cluster.consensus_box()
    spread = statistics.fmean(member.box.iou(box) for member in cluster.members)
    return ConsensusBox(label, box, len(cluster.members) / reviewers, spread)
