"""Boxes, overlaps and clamping."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.detection import Box, boxes_array, iou_matrix
from secondlook.failures.exceptions import BoxError

coordinates = st.floats(-50, 700, allow_nan=False).map(lambda value: round(value, 2))
extents = st.floats(0.5, 400).map(lambda value: round(value, 2))
boxes = st.builds(Box.from_size, coordinates, coordinates, extents, extents)


@given(boxes, boxes)
def test_overlap_is_symmetric_and_between_none_and_all(first, second):
    assert first.iou(second) == second.iou(first)
    assert 0.0 <= first.iou(second) <= 1.0
    assert first.iou(first) == pytest.approx(1.0)


@given(boxes, boxes, st.integers(-1000, 1000), st.sampled_from([0.25, 0.5, 2, 4]))
def test_overlap_survives_moving_and_scaling_the_picture(first, second, shift, scale):
    def moved(box):
        return Box(*((edge + shift) * scale for edge in box.as_tuple()))

    assert moved(first).iou(moved(second)) == pytest.approx(first.iou(second), abs=1e-9)


def test_half_covered_boxes_overlap_by_a_third():
    assert Box(0, 0, 10, 10).iou(Box(5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert Box(0, 0, 10, 10).iou(Box(10, 0, 20, 10)) == 0.0


def test_overlap_of_no_boxes_is_an_empty_table():
    assert iou_matrix(boxes_array([]), boxes_array([Box(0, 0, 1, 1)])).shape == (0, 1)
    assert iou_matrix(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0.0]]


@given(boxes, st.integers(1, 640), st.integers(1, 480))
def test_clamped_box_lies_in_the_image_and_clamping_twice_changes_nothing(box, width, height):
    inside = box.clamped(width, height)
    if inside is None:
        assert box.xmax <= 0 or box.ymax <= 0 or box.xmin >= width or box.ymin >= height
        return
    assert 0 <= inside.xmin < inside.xmax <= width
    assert 0 <= inside.ymin < inside.ymax <= height
    assert inside.clamped(width, height) == inside


@given(boxes, st.integers(1, 640), st.integers(1, 480))
def test_whole_pixels_lie_in_the_image_and_near_the_box(box, width, height):
    place = box.to_pixels(width, height)
    inside = box.clamped(width, height)
    if inside is None:
        assert place is None
        return
    left, top, box_width, box_height = place
    assert all(isinstance(value, int) for value in place)
    assert box_width >= 1
    assert box_height >= 1
    assert left >= 0
    assert top >= 0
    assert left + box_width <= width
    assert top + box_height <= height
    assert abs(left - inside.xmin) <= 1
    assert abs(left + box_width - inside.xmax) <= 1


def test_box_on_the_border_keeps_reaching_the_border():
    assert Box.from_size(1039, 628, 2872, 1775).to_pixels(3911, 2608) == (1039, 628, 2872, 1775)
    assert Box(639.9, 0, 640, 0.2).to_pixels(640, 480) == (639, 0, 1, 1)


@pytest.mark.parametrize("edges", [(0, 0, 0, 5), (5, 0, 4, 5), (math.nan, 0, 1, 1), (0, 0, math.inf, 1)])
def test_box_without_area_is_refused_in_a_sentence(edges):
    with pytest.raises(BoxError, match="The box"):
        Box(*edges)
