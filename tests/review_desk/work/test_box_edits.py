"""What became of the model's boxes: the counts add up, whatever people did to them."""

from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.review_desk.work.box_edits import Box, BoxEdits, count_answer, count_edits
from include.review_desk.worker_templates.crowd import find_elements

numbers = st.one_of(st.integers(0, 60), st.floats(0, 60).map(lambda value: round(value, 1)))
boxes = st.lists(
    st.builds(
        lambda label, x, y, w, h: Box(label, x, y, x + w, y + h),
        st.sampled_from(["RBC", "WBC", "<b>"]),
        *(numbers, numbers, numbers, numbers),
    ),
    max_size=12,
)


def cell(x: float, y: float, side: float = 20, label: str = "RBC") -> Box:
    return Box(label, x, y, x + side, y + side)


@given(boxes, boxes)
def test_every_box_has_one_fate(before: list[Box], after: list[Box]):
    edits = count_edits(before, after)
    kept = edits.accepted + edits.moved + edits.relabelled
    assert kept + edits.removed == len(before)
    assert kept + edits.added == len(after)


@given(boxes, st.randoms(use_true_random=False))
def test_untouched_boxes_are_accepted_in_any_order(before: list[Box], shuffler: random.Random):
    after = list(before)
    shuffler.shuffle(after)
    assert count_edits(before, after) == BoxEdits(accepted=len(before))


@given(boxes)
def test_boxes_under_another_label_are_relabelled(before: list[Box]):
    after = [dataclasses.replace(box, label="new") for box in before]
    assert count_edits(before, after) == BoxEdits(relabelled=len(before))


@given(boxes)
def test_nothing_left_is_removed_and_nothing_before_is_added(some: list[Box]):
    assert count_edits(some, []) == BoxEdits(removed=len(some))
    assert count_edits([], some) == BoxEdits(added=len(some))


@given(boxes, boxes)
def test_turned_round_removed_is_added(before: list[Box], after: list[Box]):
    there, back = count_edits(before, after), count_edits(after, before)
    assert there.removed - there.added == back.added - back.removed


@pytest.mark.parametrize(
    ("after", "edits"),
    [
        ([cell(0, 0), cell(50, 50)], BoxEdits(accepted=2)),
        ([cell(0.4, 0), cell(50, 50)], BoxEdits(accepted=2)),
        ([cell(5, 0), cell(50, 50)], BoxEdits(accepted=1, moved=1)),
        ([cell(0, 0, label="WBC"), cell(50, 50)], BoxEdits(accepted=1, relabelled=1)),
        ([cell(5, 0, label="WBC"), cell(50, 50)], BoxEdits(accepted=1, relabelled=1)),
        ([cell(50, 50)], BoxEdits(accepted=1, removed=1)),
        ([cell(0, 0), cell(50, 50), cell(0, 50)], BoxEdits(accepted=2, added=1)),
        # Too far away to be the same box: 2 of 20 columns overlap.
        ([cell(18, 0), cell(50, 50)], BoxEdits(accepted=1, removed=1, added=1)),
        # The same label is preferred to the closer box.
        ([cell(4, 0, label="WBC"), cell(6, 0), cell(50, 50)], BoxEdits(accepted=1, moved=1, added=1)),
        # What stayed where it was is the same box, though another of its new label is near.
        ([cell(0, 0, label="WBC")], BoxEdits(relabelled=1, removed=1)),
    ],
)
def test_what_people_do(after: list[Box], edits: BoxEdits):
    assert count_edits([cell(0, 0), cell(50, 50)], after) == edits


def test_numbers_that_no_picture_has_are_no_trouble():
    sides = {"left": 10**400, "top": -(10**400), "width": 1e308, "height": 10**400}
    page = (
        '<crowd-bounding-box name="a" initial-value="[{label: \'x\', left: 1, top: 1, width: 1, height: 1}]">'
    )
    answer = {"a": {"boundingBoxes": [sides | {"label": "x"}]}}
    assert count_answer(find_elements(page), answer) == BoxEdits(removed=1, added=1)


@pytest.mark.parametrize("initial", ["", 'initial-value="{"', 'initial-value="{}"', "initial-value"])
def test_without_boxes_of_a_model_nothing_is_counted(initial: str):
    elements = find_elements(f'<crowd-bounding-box name="a" {initial}></crowd-bounding-box>')
    assert count_answer(elements, {"a": {"boundingBoxes": []}}) is None


def test_a_model_that_found_nothing_counts():
    elements = find_elements('<crowd-bounding-box name="a" initial-value="[]"></crowd-bounding-box>')
    box = {"label": "x", "left": 0, "top": 0, "width": 1, "height": 1}
    assert count_answer(elements, {"a": {"boundingBoxes": [box]}}) == BoxEdits(added=1)


def test_thousands_of_boxes_on_one_spot_are_not_compared():
    before = [cell(number / 1000, 0) for number in range(1000)]
    after = [cell(number / 1000, 1) for number in range(1000)]
    assert count_edits(before, after) is None
    assert count_edits(before[:300], after[:300]) == BoxEdits(moved=300)
