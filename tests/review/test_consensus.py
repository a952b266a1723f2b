"""Several reviewers, one set of boxes."""

from __future__ import annotations

import tracemalloc
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.detection import Box, boxes_array, iou_matrix
from secondlook.failures.exceptions import ReviewOutputError
from secondlook.review import LabelledBox, consensus, consolidate
from secondlook.review.consensus import CLUSTER_IOU, MOST_BOXES, MOST_BOXES_IN_ALL


def box(left, top, width=40, height=40, label="RBC") -> LabelledBox:
    return LabelledBox(Box.from_size(left, top, width, height), label)


labelled = st.builds(
    box,
    st.integers(0, 300),
    st.integers(0, 300),
    st.integers(1, 200),
    st.integers(1, 200),
    st.sampled_from(["RBC", "WBC"]),
)
answers = st.lists(st.lists(labelled, max_size=6), min_size=1, max_size=5)

# Many on one spot, with edges that are often the same: ties everywhere.
crowded = st.builds(
    box,
    st.integers(0, 6),
    st.integers(0, 2),
    st.sampled_from([20, 21, 40]),
    st.sampled_from([20, 24]),
    st.sampled_from(["RBC", "WBC"]),
)
crowds = st.lists(st.lists(crowded, max_size=12), min_size=1, max_size=5)


@given(st.lists(labelled, max_size=8, unique=True), st.integers(1, 7))
def test_identical_answers_are_their_own_consensus(boxes, reviewers):
    result = consolidate([boxes] * reviewers)
    assert sorted(LabelledBox(b.box, b.label) for b in result.boxes) == sorted(boxes)
    assert all(b.support == 1.0 and b.spread == pytest.approx(1.0) for b in result.boxes)
    assert result.minority == 0


@given(answers, st.randoms())
def test_order_of_answers_and_of_boxes_does_not_matter(given_answers, random):
    expected = consolidate(given_answers)
    shuffled = [random.sample(answer, len(answer)) for answer in given_answers]
    random.shuffle(shuffled)
    assert consolidate(shuffled) == expected


@given(answers)
def test_consensus_has_a_majority_behind_each_box_and_lies_within_what_was_drawn(given_answers):
    result = consolidate(given_answers)
    everything = [b for answer in given_answers for b in answer]
    assert len(result.boxes) <= max(len(answer) for answer in given_answers) * 2
    for agreed in result.boxes:
        assert 0.5 < agreed.support <= 1
        assert 0 < agreed.spread <= 1
        assert min(b.box.xmin for b in everything) <= agreed.box.xmin < agreed.box.xmax
        assert agreed.box.xmax <= max(b.box.xmax for b in everything)


def test_three_reviewers_are_averaged_and_the_odd_box_is_outvoted():
    result = consolidate([[box(10, 10)], [box(12, 10)], [box(14, 13), box(200, 200)]])
    assert len(result.boxes) == 1
    assert result.boxes[0].box == Box(12, 11, 52, 51)
    assert result.boxes[0].support == 1.0
    assert result.minority == 1


def test_from_four_on_a_sloppy_box_does_not_move_the_median():
    close = [[box(10, 10)], [box(10, 10)], [box(11, 10)], [box(11, 11)]]
    result = consolidate([*close, [box(16, 14)]])
    assert result.boxes[0].box == Box(11, 10, 51, 50)
    assert result.boxes[0].support == 1.0


def test_class_is_voted_inside_the_object():
    result = consolidate([[box(10, 10)], [box(11, 10, label="WBC")], [box(10, 11)]])
    assert [b.label for b in result.boxes] == ["RBC"]
    assert result.boxes[0].support == 1.0


def test_two_who_disagree_decide_nothing():
    assert consolidate([[box(10, 10)], []]).boxes == ()
    tied = consolidate([[box(10, 10)], [box(10, 10, label="WBC")]])
    assert (tied.boxes, tied.minority) == ((), 1)


def test_majority_of_empty_answers_is_an_answer():
    result = consolidate([[], [], [box(1, 1)]])
    assert (result.boxes, result.empty_answers, result.reviewers) == ((), 2, 3)


def test_one_reviewer_never_counts_twice_for_one_object():
    # Two overlapping boxes of one person: two objects to him, and the other confirms only one.
    result = consolidate([[box(10, 10), box(14, 10)], [box(10, 10)], []])
    assert len(result.boxes) == 1
    assert result.minority == 1


def test_no_answer_is_refused():
    with pytest.raises(ReviewOutputError, match="no answer"):
        consolidate([])


def clusters_by_comparing_all(answers):
    """The clusters as the rule says them: of all pairs the closest first, each box and each cluster once."""
    clusters: list[list[LabelledBox]] = []
    for boxes in sorted(sorted(answer) for answer in answers):
        pairs = []
        for b, drawn in enumerate(boxes):
            for c, members in enumerate(clusters):
                mean = boxes_array([member.box for member in members]).mean(axis=0)
                overlap = iou_matrix(boxes_array([drawn.box]), mean)[0, 0]
                if overlap >= CLUSTER_IOU:
                    pairs.append((-overlap, drawn.label != most_votes(members), b, c))
        joined: dict[int, int] = {}
        for _, _, b, c in sorted(pairs):
            if b not in joined and c not in joined.values():
                joined[b] = c
        for b, drawn in enumerate(boxes):
            if b in joined:
                clusters[joined[b]].append(drawn)
            else:
                clusters.append([drawn])
    return clusters


def most_votes(members):
    votes = Counter(member.label for member in members).most_common()
    return None if len(votes) > 1 and votes[0][1] == votes[1][1] else votes[0][0]


@given(answers | crowds)
def test_the_sweep_finds_what_comparing_all_with_all_finds(given_answers):
    expected = clusters_by_comparing_all(given_answers)
    agreed = [
        members
        for members in expected
        if 2 * len(members) > len(given_answers) and most_votes(members) is not None
    ]
    result = consolidate(given_answers)
    assert result.minority == len(expected) - len(agreed)
    assert sorted((b.label, b.support) for b in result.boxes) == sorted(
        (most_votes(members), len(members) / len(given_answers)) for members in agreed
    )
    edges = sorted(boxes_array([member.box for member in members]).mean(axis=0)[0] for members in agreed)
    if len(given_answers) < 4:
        assert sorted(b.box.xmin for b in result.boxes) == pytest.approx(edges, abs=0.005)


def on_one_spot(top, height, *, count=MOST_BOXES, left=0.0):
    return [box(left + index / 1000, top, 100, height) for index in range(count)]


def test_the_most_boxes_on_one_spot_stay_small_in_memory():
    """Two million pairs: each of the third answer's boxes overlaps each of the 2,000 others by half."""
    worst = [on_one_spot(0, 100), on_one_spot(100, 100), on_one_spot(5, 190, left=2)]
    tracemalloc.start()
    try:
        result = consolidate(worst)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (len(result.boxes), result.minority) == (MOST_BOXES, MOST_BOXES)
    assert peak < 120_000_000


def test_boxes_that_are_apart_are_not_compared(monkeypatch):
    compared = []

    def counted(first, second):
        compared.append(len(first) * len(second))
        return iou_matrix(first, second)

    monkeypatch.setattr(consensus, "iou_matrix", counted)
    row = [box(50 * index, 0) for index in range(MOST_BOXES)]
    assert len(consolidate([row, row]).boxes) == MOST_BOXES
    assert sum(compared) <= 3 * MOST_BOXES


def test_more_boxes_than_a_person_draws_are_refused():
    row = [box(50 * index, 0) for index in range(2500)]
    with pytest.raises(ReviewOutputError, match="An answer has 2,500 boxes, more than the 1,000"):
        consolidate([row, row])
    many = [row[: MOST_BOXES_IN_ALL // 10]] * 11
    with pytest.raises(ReviewOutputError, match="The answers have 5,500 boxes, more than the 5,000"):
        consolidate(many)
    assert len(consolidate(many[:10]).boxes) == len(many[0])
