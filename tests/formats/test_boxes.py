"""Labelled boxes: each is taken, clamped or counted with its fault, and what all share is named."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.formats.boxes import FATAL, MOST_LEFT_OUT, BoxSet, GivenBox

LABELS = 3
SIZE = (640.0, 480.0)


def ratios(*numbers: float, class_id: float = 0) -> GivenBox:
    return GivenBox("record 4 of a.rec", class_id, numbers)  # type: ignore[arg-type]


def pixels(*numbers: float, class_id: float = 0) -> GivenBox:
    return GivenBox("b.json", class_id, numbers, SIZE)  # type: ignore[arg-type]


def corners(count: int, seed: int = 1) -> list[tuple[float, float, float, float]]:
    """Honest boxes in pixels of an image of SIZE, all over it: xmin, ymin, xmax, ymax."""
    chance = random.Random(seed)
    boxes = []
    for _ in range(count):
        left, top = chance.uniform(2, 560), chance.uniform(2, 400)
        boxes.append((left, top, left + chance.uniform(8, 80), top + chance.uniform(8, 80)))
    return boxes


def refusal(boxes: list[GivenBox]) -> str:
    sentence = BoxSet.of(boxes, LABELS).refusal("channel train")
    assert sentence is not None
    assert sentence.endswith(".")
    assert "\n" not in sentence
    # SageMaker keeps 1,024 characters of a job's reason.
    assert len(sentence) < 600
    return sentence


numbers = st.one_of(
    st.floats(-0.5, 1.5), st.floats(0, 1), st.floats(-1000, 1000), st.sampled_from([0.0, 1.0, 2.0, -1.0])
)
wild = st.one_of(numbers, st.sampled_from([math.nan, math.inf, -math.inf, 1e308, -1e308]))
classes = st.one_of(st.integers(-2, LABELS + 1), st.sampled_from([0.5, math.nan, math.inf, 1e300]))
sizes = st.one_of(st.none(), st.tuples(st.floats(1, 5000), st.floats(1, 5000)))
boxes = st.builds(GivenBox, st.just("x"), classes, st.tuples(wild, wild, wild, wild), sizes)


@given(st.lists(boxes, max_size=12))
def test_every_box_is_taken_clamped_or_counted_and_none_vanishes(given_boxes):
    judged = BoxSet.of(given_boxes, LABELS)
    assert len(judged.verdicts) == len(given_boxes)
    taken = [verdict for verdict in judged.verdicts if verdict.row is not None]
    assert all((verdict.row is None) == (verdict.fault is not None) for verdict in judged.verdicts)
    assert len(taken) + sum(judged.faults.values()) == len(given_boxes)
    for box, verdict in zip(judged.boxes, judged.verdicts, strict=True):
        if verdict.row is None:
            continue
        class_id, *edges = verdict.row
        assert class_id == box.class_id
        assert 0 <= edges[0] < edges[2] <= 1
        assert 0 <= edges[1] < edges[3] <= 1
        assert verdict.clamped == (tuple(edges) != box.corners())
        assert edges == [min(max(value, 0.0), 1.0) for value in box.corners()]
    # What is not refused says how many are gone, and it is never many.
    if judged.refusal("x") is None:
        assert sum(judged.faults.values()) <= MOST_LEFT_OUT * len(given_boxes)
        assert not any(judged.faults[fault] for fault in FATAL)
        assert len(judged.notes("x")) == len(judged.faults) + bool(judged.clamped)


@given(st.lists(st.tuples(st.integers(0, LABELS - 1), st.data()), max_size=9))
def test_honest_boxes_are_taken_as_they_are(drawn):
    honest = []
    for class_id, data in drawn:
        xmin, ymin = data.draw(st.floats(0, 0.9)), data.draw(st.floats(0, 0.9))
        xmax, ymax = data.draw(st.floats(xmin + 0.01, 1)), data.draw(st.floats(ymin + 0.01, 1))
        honest.append(ratios(xmin, ymin, xmax, ymax, class_id=class_id))
    judged = BoxSet.of(honest, LABELS)
    assert [verdict.row for verdict in judged.verdicts] == [(box.class_id, *box.numbers) for box in honest]
    assert judged.refusal("channel train") is None
    assert judged.notes("channel train") == []


@pytest.mark.parametrize(
    ("given_boxes", "count", "cause"),
    [
        (
            [ratios(*box) for box in corners(20)],
            "All boxes of channel train (20) lie outside their image by more than its own size",
            "they look like pixels, but RecordIO takes ratios of the image from 0 to 1",
        ),
        (
            [pixels(a / 640, b / 480, (c - a) / 640, (d - b) / 480) for a, b, c, d in corners(20)],
            "All boxes of channel train (20) are smaller than a pixel",
            "they look like ratios of the image, but this form takes pixels",
        ),
        (
            [ratios(a / 640, b / 480, (c - a) / 640, (d - b) / 480) for a, b, c, d in corners(20)],
            " boxes of channel train are inverted",
            "they look like left, top (or the center), width and height",
        ),
        (
            [
                ratios((a + c) / 1280, (b + d) / 960, (c - a) / 640, (d - b) / 480)
                for a, b, c, d in corners(20)
            ],
            "are inverted",
            "they look like left, top (or the center), width and height",
        ),
        (
            [pixels(*box) for box in corners(20)],
            "boxes of channel train reach beyond their image",
            "they look like xmin, ymin, xmax, ymax, but this form takes left, top, width, height",
        ),
        (
            [ratios(c / 640, d / 480, a / 640, b / 480) for a, b, c, d in corners(20)],
            "All boxes of channel train (20) are inverted",
            "minimum and maximum seem to be swapped",
        ),
        (
            [ratios(0.1, 0.1, 0.5, 0.5, class_id=class_id) for class_id in (1, 2, 3, 3)],
            "2 of 4 boxes of channel train have a class id that is not one of the labels",
            "ids are whole numbers from 0 to 2, and these seem to count from 1; subtract 1 from each",
        ),
        (
            [ratios(0.1, 0.1, 0.5, 0.5, class_id=0.25)] * 4,
            "All boxes of channel train (4) have a class id",
            "the class id is the first number of an object; check the order of the numbers",
        ),
        (
            [ratios(0.1, 0.1, 0.5, 0.5, class_id=-1), ratios(0.1, 0.1, 0.5, 0.5)],
            "for example class -1, (0.1, 0.1, 0.5, 0.5) in record 4 of a.rec",
            "correct them, or num_classes and the list of labels",
        ),
        (
            [ratios(math.nan, 0.1, 0.5, 0.5), *[ratios(0.1, 0.1, 0.5, 0.5)] * 99],
            "1 of 100 boxes of channel train hold a number that is not finite",
            "an image size of 0 or an empty cell of a table",
        ),
        (
            [ratios(0.1, 0.1, 0.1, 0.5)],
            "All boxes of channel train (1) have no area",
            "correct or remove them",
        ),
        ([pixels(700, 10, 20, 20)], "(1) lie outside their image, for", "correct or remove them"),
    ],
    ids=[
        "pixels for ratios",
        "ratios for pixels",
        "left top width height for corners",
        "center and size for corners",
        "corners for sizes",
        "swapped",
        "ids from one",
        "fractional ids",
        "negative id",
        "one NaN",
        "no area",
        "outside",
    ],
)
def test_a_set_that_cannot_be_used_is_refused_with_its_likely_cause(given_boxes, count, cause):
    sentence = refusal(given_boxes)
    assert count in sentence
    assert cause in sentence


def test_a_few_bad_boxes_among_many_are_left_out_and_counted():
    honest = [ratios(0.1, 0.1, 0.5, 0.5)] * 40
    bad = [ratios(10, 20, 60, 90), ratios(0.5, 0.5, 0.1, 0.1), ratios(0.2, 0.2, 0.2, 0.4)]
    judged = BoxSet.of([*bad, *honest, ratios(-0.1, 0.1, 0.5, 1.02)], LABELS)
    assert judged.refusal("channel train") is None
    assert judged.notes("channel train") == [
        "1 of 44 boxes of channel train lie outside their image by more than its own size and were left out, "
        "for example class 0, (10, 20, 60, 90) in record 4 of a.rec.",
        "1 of 44 boxes of channel train are inverted, with a minimum above the maximum and were left out, "
        "for example class 0, (0.5, 0.5, 0.1, 0.1) in record 4 of a.rec.",
        "1 of 44 boxes of channel train have no area and were left out, "
        "for example class 0, (0.2, 0.2, 0.2, 0.4) in record 4 of a.rec.",
        "1 of 44 boxes of channel train reached beyond their image and were clamped to it.",
    ]
    assert sum(judged.faults.values()) == 3
    assert BoxSet.of([*bad, *honest[:20]], LABELS).refusal("channel train") is not None


def test_a_box_of_one_pixel_in_the_corner_is_a_box():
    judged = BoxSet.of([pixels(0, 0, 1, 1)], LABELS)
    assert judged.verdicts[0].row == (0, 0.0, 0.0, 1 / 640, 1 / 480)
    assert judged.refusal("channel train") is None


def test_large_boxes_that_reach_the_border_are_not_taken_for_corners():
    """Whole-image photos: left and top near 0, so that either reading fits."""
    judged = BoxSet.of([pixels(2, 3, 637, 476), pixels(0, 0, 640, 480), pixels(5, 1, 634, 478)], LABELS)
    assert judged.refusal("channel train") is None
