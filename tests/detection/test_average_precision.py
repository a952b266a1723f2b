"""Average precision against examples worked by hand and against a literal transcription of its definition."""

from __future__ import annotations

import random as stdlib_random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.detection import (
    Box,
    Detection,
    ImageMatches,
    Prediction,
    TruthBox,
    match,
    mean_average_precision,
)
from secondlook.failures.exceptions import EvaluationError


def predicted(image: str, *detections: tuple[int, float, Box]) -> Prediction:
    ordered = sorted((Detection(*d) for d in detections), key=Detection.sort_key)
    return Prediction(image, "e", 640, 480, 3, "m", tuple(ordered))


def square(left: float, top: float = 0, side: float = 10) -> Box:
    return Box.from_size(left, top, side, side)


def test_example_worked_by_hand():
    # Hit, miss, hit, miss, hit; 4 objects: precision 1/1, 1/2, 2/3, 2/4, 3/5 at recall .25, .25, .5, .5, .75.
    # The envelope is 1 up to .25, 2/3 up to .5, 3/5 up to .75, 0 beyond.
    rows = tuple(
        (0, score, hit) for score, hit in [(0.9, True), (0.8, False), (0.7, True), (0.6, False), (0.5, True)]
    )
    result = mean_average_precision([ImageMatches("a", rows, (0, 0, 0, 0))], 1)
    assert result.map50 == pytest.approx(0.25 * 1 + 0.25 * 2 / 3 + 0.25 * 3 / 5)


def test_object_found_twice_counts_once():
    prediction = predicted("a", (0, 0.9, square(0)), (0, 0.8, square(1)), (0, 0.7, square(50)))
    matches = match(prediction, [TruthBox(0, square(0)), TruthBox(0, square(50))])
    assert [hit for _, _, hit in matches.rows] == [True, False, True]
    assert mean_average_precision([matches], 1).map50 == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_overlap_of_exactly_one_half_counts():
    matches = match(predicted("a", (0, 0.9, Box(0, 0, 10, 5))), [TruthBox(0, square(0))])
    assert matches.rows == ((0, 0.9, True),)


def test_right_place_with_the_wrong_class_is_a_false_positive():
    matches = match(predicted("a", (1, 0.9, square(0))), [TruthBox(0, square(0))])
    result = mean_average_precision([matches], 3)
    assert result.per_class == (0.0, None, None)
    assert result.map50 == 0.0


def test_difficult_object_counts_neither_way():
    truth = [TruthBox(0, square(0)), TruthBox(0, square(50), difficult=True)]
    matches = match(predicted("a", (0, 0.95, square(50)), (0, 0.9, square(0))), truth)
    assert matches == ImageMatches("a", ((0, 0.9, True),), (0,))


def test_object_of_an_unknown_class_is_named_with_its_image():
    with pytest.raises(EvaluationError, match="a holds an object of class 2, but the detector has 2 classes"):
        mean_average_precision([ImageMatches("a", (), (2,))], 2)


def test_nothing_there_gives_no_number():
    result = mean_average_precision([match(predicted("a", (0, 0.9, square(0))), [])], 2)
    assert result.per_class == (None, None)
    assert result.map50 is None
    assert mean_average_precision([], 2).map50 is None


rows = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 99).map(lambda n: n / 100), st.booleans()), max_size=8
)


@st.composite
def image_matches(draw) -> list[ImageMatches]:
    images = []
    for index in range(draw(st.integers(1, 6))):
        found = draw(rows)
        hits = [class_id for class_id, _, hit in found if hit]
        missed = draw(st.lists(st.integers(0, 2), max_size=3))
        ordered = tuple(sorted(found, key=lambda row: (-row[1], row[0])))
        images.append(ImageMatches(f"s3://b/{index}", ordered, tuple(sorted(hits + missed))))
    return images


def literal_average_precision(images: list[ImageMatches], class_id: int) -> float | None:
    """The definition, step by step: for each recall level the best precision at that recall or beyond."""
    objects = sum(image.truths.count(class_id) for image in images)
    if not objects:
        return None
    ranked = [
        (-score, image.image, place, hit)
        for image in images
        for place, (row_class, score, hit) in enumerate(image.rows)
        if row_class == class_id
    ]
    points = []
    found = 0
    for seen, (*_, hit) in enumerate(sorted(ranked), start=1):
        found += hit
        points.append((found / objects, found / seen))
    area, recall_before = 0.0, 0.0
    for recall in sorted({recall for recall, _ in points}):
        area += (recall - recall_before) * max(precision for r, precision in points if r >= recall)
        recall_before = recall
    return area


@given(image_matches())
def test_equals_the_definition_step_by_step(images):
    result = mean_average_precision(images, 3)
    for class_id in range(3):
        expected = literal_average_precision(images, class_id)
        if expected is None:
            assert result.per_class[class_id] is None
        else:
            assert result.per_class[class_id] == pytest.approx(expected, abs=1e-12)


@given(image_matches(), st.randoms())
def test_order_of_images_and_scale_of_scores_do_not_matter(images, random):
    expected = mean_average_precision(images, 3)
    shuffled = list(images)
    random.shuffle(shuffled)
    assert mean_average_precision(shuffled, 3) == expected
    squeezed = [
        ImageMatches(m.image, tuple((c, score**2, hit) for c, score, hit in m.rows), m.truths) for m in images
    ]
    assert mean_average_precision(squeezed, 3) == expected


@given(image_matches())
def test_stays_between_none_and_all(images):
    for ap in mean_average_precision(images, 3).per_class:
        assert ap is None or 0.0 <= ap <= 1.0 + 1e-12


def test_perfect_detector_reaches_one():
    draw = stdlib_random.Random(3)
    images = []
    for index in range(20):
        truth = [TruthBox(draw.randrange(3), square(20 * place)) for place in range(draw.randint(1, 9))]
        prediction = predicted(f"s3://b/{index}", *((t.class_id, draw.random(), t.box) for t in truth))
        images.append(match(prediction, truth))
    assert mean_average_precision(images, 3).map50 == pytest.approx(1.0)
