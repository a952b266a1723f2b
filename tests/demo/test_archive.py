"""The drawn archive: the same from the same seed, true to its annotations, with a night's usual accidents."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from include.demo.drawn import ODD_ONES, DrawnSizes, draw_archive
from include.demo.drift import clean_look, drifted_look
from include.demo.scenes import LABELS, draw_empty_scene, draw_scene
from include.formats.voc import parse_annotation

SMALL = DrawnSizes(bootstrap=12, night=140, holdout=4)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return draw_archive(tmp_path_factory.mktemp("archive"), seed=7, sizes=SMALL)


def night_file(archive, night, kind):
    number = next(number for number, odd in ODD_ONES.items() if odd == kind)
    key = f"images/{archive.nights[night]}/scan-{number:04d}.jpg"
    return key, (archive.root / key).read_bytes()


def test_the_same_seed_draws_the_same_bytes(tmp_path):
    tiny = DrawnSizes(bootstrap=3, night=2, holdout=1)
    first = draw_archive(tmp_path / "first", 3, tiny)
    second = draw_archive(tmp_path / "second", 3, DrawnSizes(bootstrap=3, night=2, holdout=1, processes=2))
    other = draw_archive(tmp_path / "other", 4, tiny)

    def contents(drawn):
        return {drawn.key(path): path.read_bytes() for path in drawn.files()}

    assert contents(first) == contents(second)
    assert first.truth == second.truth
    assert contents(first) != contents(other)


def test_annotations_say_where_the_objects_are(archive):
    annotations = sorted((archive.root / "bootstrap/voc/Annotations").iterdir())
    assert len(annotations) == SMALL.bootstrap
    for path in annotations:
        annotation = parse_annotation(path.read_bytes(), LABELS, path.name)
        truth = archive.truth[f"bootstrap/voc/JPEGImages/{path.stem}.jpg"]
        with Image.open(archive.root / f"bootstrap/voc/JPEGImages/{path.stem}.jpg") as image:
            assert image.size == (annotation.width, annotation.height)
        assert annotation.faults == ()
        assert [(o.label, o.xmin, o.ymin, o.xmax - o.xmin, o.ymax - o.ymin) for o in annotation.objects] == [
            (box.label, box.left, box.top, box.width, box.height) for box in truth
        ]


def test_every_night_has_its_broken_and_its_odd_files(archive):
    for night in range(3):
        key, truncated = night_file(archive, night, "truncated")
        assert key not in archive.truth
        with pytest.raises(OSError, match="truncated"):
            Image.open(io.BytesIO(truncated)).load()

        key, text = night_file(archive, night, "text")
        assert key not in archive.truth
        with pytest.raises(OSError, match="cannot identify"):
            Image.open(io.BytesIO(text))

        key, empty = night_file(archive, night, "empty")
        assert archive.truth[key] == ()
        Image.open(io.BytesIO(empty)).load()

        key, grey = night_file(archive, night, "grey")
        assert Image.open(io.BytesIO(grey)).mode == "L"
        assert archive.truth[key]


def test_the_turned_picture_has_its_truth_in_the_stored_frame(archive):
    key, data = night_file(archive, 0, "turned")
    image = Image.open(io.BytesIO(data))
    assert image.getexif()[0x0112] == 6
    pixels = np.asarray(image.convert("RGB")).astype(int)
    inside = np.zeros(pixels.shape[:2], bool)
    for box in archive.truth[key]:
        assert 0 <= box.left < box.left + box.width <= image.width
        assert 0 <= box.top < box.top + box.height <= image.height
        inside[box.top : box.top + box.height, box.left : box.left + box.width] = True
    # Cells let less green light through than plasma does; the boxes of the upright frame would miss them.
    assert pixels[..., 1][inside].mean() < pixels[..., 1][~inside].mean() - 20


def test_the_last_night_and_half_of_the_holdout_drift(archive):
    def colour(prefix):
        files = [
            p
            for p in archive.files()
            if archive.key(p).startswith(prefix) and archive.key(p) in archive.truth
        ]
        return np.mean(
            [np.asarray(Image.open(p).convert("RGB")).mean(axis=(0, 1)) for p in files[:12]], axis=0
        )

    first, last = (colour(f"images/{archive.nights[night]}/") for night in (0, 2))
    clean, drifted = (colour(f"holdout/v1/images/{name}-") for name in ("clean", "drifted"))
    assert np.abs(first - last).max() > 40
    assert np.abs(clean - drifted).max() > 40
    assert np.abs(last - drifted).max() < 40
    assert {image.slice_name for image in archive.holdout} == {"clean", "drifted"}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), drifted=st.booleans())
def test_any_scene_has_boxes_with_an_area_inside_the_picture(seed, drifted):
    rng = np.random.default_rng(seed)
    scene = draw_scene(rng, (drifted_look if drifted else clean_look)(rng))
    height, width, depth = scene.pixels.shape
    assert 128 <= width <= 320
    assert 128 <= height <= 320
    assert depth == 3
    assert scene.boxes
    for box in scene.boxes:
        assert box.label in LABELS
        assert 0 <= box.left < box.left + box.width <= width
        assert 0 <= box.top < box.top + box.height <= height


def test_an_empty_scene_is_empty():
    rng = np.random.default_rng(0)
    assert draw_empty_scene(rng, clean_look(rng)).boxes == ()
