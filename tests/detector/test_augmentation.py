"""However a training image is changed, its boxes stay on their objects."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from include.detector.augmentation import augment

SIDE = 96


@given(st.integers(0, 2**31), st.integers(0, 70), st.integers(0, 50), st.integers(25, 50))
def test_the_box_stays_on_its_object(seed, left, top, side):
    image = Image.new("RGB", (120, 100), (250, 250, 250))
    ImageDraw.Draw(image).rectangle((left, top, left + side - 1, top + side - 1), fill=(20, 20, 20))
    rows = np.array([[1, left / 120, top / 100, (left + side) / 120, (top + side) / 100]], dtype=np.float32)
    pixels = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    planes, moved = augment(pixels, image, rows, np.random.RandomState(seed))
    assert planes.shape == (3, SIDE, SIDE)
    assert planes.min() >= 0
    assert planes.max() <= 255
    for class_id, xmin, ymin, xmax, ymax in moved * [1, SIDE, SIDE, SIDE, SIDE]:
        assert class_id == 1
        dark = np.argwhere(planes.mean(axis=0) < 135)
        seen = [dark[:, 1].min(), dark[:, 0].min(), dark[:, 1].max() + 1, dark[:, 0].max() + 1]
        assert np.abs(np.array([xmin, ymin, xmax, ymax]) - seen).max() <= 1.5


@given(st.integers(0, 2**31))
def test_the_same_seed_gives_the_same_image(seed):
    image = Image.linear_gradient("L").resize((SIDE, SIDE)).convert("RGB")
    rows = np.zeros((0, 5), dtype=np.float32)
    first, _ = augment(np.asarray(image), image, rows, np.random.RandomState(seed))
    second, _ = augment(np.asarray(image), image, rows, np.random.RandomState(seed))
    assert np.array_equal(first, second)
