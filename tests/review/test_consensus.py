"""Several reviewers, one set of boxes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.detection import Box
from secondlook.failures.exceptions import ReviewOutputError
from secondlook.review import LabelledBox, consolidate


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
