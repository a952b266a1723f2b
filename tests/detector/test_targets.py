"""Anchors, target assignment, loss and mAP: the numbers behind a training step."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.detector.anchors import TargetAssigner, TargetRules, anchor_sizes, intersection_over_union
from include.detector.evaluation import mean_average_precision
from include.detector.losses import ssd_loss


def test_targets_are_those_of_mxnet(run_script):
    """The same anchors become positive, with the same classes and offsets; the same negatives are mined."""
    result = json.loads(run_script("compare_targets.py"))
    assert result["images"] == 60
    assert result["positives"] > 400
    assert result["class_differences"] <= 2  # ties between equally hard negatives
    assert result["positive_differences"] == 0
    assert result["largest_offset_difference"] < 1e-4


sides = st.floats(0.01, 0.99)
rows = st.lists(st.tuples(st.integers(0, 3), sides, sides, sides, sides), max_size=30)


@given(rows)
def test_anchor_sizes_grow_from_level_to_level_and_stay_inside_the_image(rows):
    boxes = [(c, min(a, b), min(d, e), max(a, b), max(d, e)) for c, a, b, d, e in rows]
    sizes = [size for level in anchor_sizes(boxes, 4) for size in level]
    assert len(sizes) == 8
    assert all(0 < size <= 1 for size in sizes)
    assert sizes == sorted(sizes)
    assert anchor_sizes(boxes, 4) == anchor_sizes(boxes, 4)


def test_a_rare_class_of_small_objects_gets_anchors_of_its_own():
    large = [(0, 0.1, 0.1, 0.5, 0.5)] * 1000
    assert anchor_sizes([*large, (1, 0.1, 0.1, 0.15, 0.15)] * 2, 4)[0][0] < 0.1 < anchor_sizes(large, 4)[0][0]


def test_an_image_without_objects_teaches_a_few_hard_negatives():
    chance = np.random.RandomState(0)
    anchors = np.sort(chance.uniform(size=(100, 2, 2)), axis=1).reshape(100, 4).astype(np.float32)
    logits = chance.normal(size=(3, 100)).astype(np.float32)
    targets = TargetAssigner(anchors, TargetRules()).assign(np.zeros((0, 5), np.float32), logits)
    assert set(targets.classes.tolist()) == {-1.0, 0.0}
    assert int((targets.classes == 0).sum()) == 15
    assert not targets.mask.any()


def test_the_gradient_is_that_of_the_loss():
    chance = np.random.RandomState(0)
    logits, offsets = chance.normal(size=(2, 3, 5)), chance.normal(size=(2, 20)) * 2
    classes = np.array([[1, 0, -1, 2, 0], [0, -1, -1, 1, 0]], dtype=np.float32)
    mask = np.repeat((classes > 0)[:, :, None], 4, axis=2).astype(np.float32)
    targets = chance.normal(size=mask.shape) * mask

    def value(logits, offsets):
        loss = ssd_loss(logits, offsets, classes, targets, mask)
        return (loss.cross_entropy_sum + loss.smooth_l1_sum) / 3  # positives

    loss = ssd_loss(logits, offsets, classes, targets, mask)
    assert loss.valid == 7
    for array, gradient in ((logits, loss.logits_gradient), (offsets, loss.offsets_gradient)):
        for place in np.ndindex(array.shape):
            kept = array[place]
            array[place] = kept + 1e-5
            above = value(logits, offsets)
            array[place] = kept - 1e-5
            below = value(logits, offsets)
            array[place] = kept
            assert gradient[place] == pytest.approx((above - below) / 2e-5, abs=1e-4)


def test_overlap_of_boxes():
    first = np.array([[0, 0, 1, 1], [0, 0, 0.5, 1]], dtype=np.float32)
    second = np.array([[0.5, 0, 1, 1], [2, 2, 3, 3]], dtype=np.float32)
    assert intersection_over_union(first, second).tolist() == [[0.5, 0.0], [0.0, 0.0]]


def test_mean_average_precision_by_hand():
    truths = [
        np.array([[0, 0, 0, 0.5, 0.5], [1, 0.5, 0.5, 1, 1]], dtype=np.float32),
        np.zeros((0, 5), np.float32),
    ]
    perfect = [
        np.array([[0, 0.9, 0, 0, 0.5, 0.5], [1, 0.8, 0.5, 0.5, 1, 1]], np.float32),
        np.zeros((0, 6), np.float32),
    ]
    assert mean_average_precision(perfect, truths, 3, 0.5) == 1.0
    twice = [np.repeat(perfect[0], 2, axis=0), perfect[1]]
    assert mean_average_precision(twice, truths, 3, 0.5) == 1.0
    false_first = [perfect[0], np.array([[0, 0.95, 0, 0, 1, 1]], np.float32)]
    assert mean_average_precision(false_first, truths, 3, 0.5) == pytest.approx(0.75)
    assert mean_average_precision([perfect[1], perfect[1]], truths, 3, 0.5) == 0.0
