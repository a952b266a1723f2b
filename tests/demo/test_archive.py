"""The drawn archive: the same from the same seed, true to its annotations, with a night's usual accidents."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from include.demo.archive import ArchiveError
from include.demo.drawn import ODD_ONES, DrawnSizes, draw_archive
from include.demo.drift import clean_look, drifted_look
from include.demo.scenes import LABELS, draw_empty_scene, draw_scene
from include.demo.voc_folder import deal_folder
from include.formats.voc import parse_annotation

SMALL = DrawnSizes(bootstrap=12, night=140, holdout=4)
BCCD = Path(__file__).resolve().parents[3] / "shared" / "data" / "bccd"


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


def voc_folder(folder, stems, label="Cell"):
    for name in ("JPEGImages", "Annotations"):
        (folder / name).mkdir(parents=True)
    for stem in stems:
        Image.new("RGB", (20, 10), "pink").save(folder / "JPEGImages" / f"{stem}.jpg")
        (folder / "Annotations" / f"{stem}.xml").write_text(
            "<annotation><size><width>20</width><height>10</height><depth>3</depth></size><object>"
            f"<name>{label}</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>5</xmax><ymax>6</ymax></bndbox>"
            "</object><object><name>cell</name><bndbox><xmin>3</xmin><ymin>3</ymin><xmax>3</xmax>"
            "<ymax>9</ymax>"
            "</bndbox></object></annotation>"
        )


def test_a_voc_folder_is_dealt_without_overlap(tmp_path):
    voc_folder(tmp_path / "voc", [f"p{number:03d}" for number in range(60)])
    (tmp_path / "voc" / "JPEGImages" / "torn.jpg").write_bytes(b"\xff\xd8 torn")
    (tmp_path / "voc" / "Annotations" / "torn.xml").write_text("<annotation>")
    (tmp_path / "voc" / "JPEGImages" / "lonely.jpg").write_bytes(b"")
    archive, dealt = deal_folder(tmp_path / "voc", tmp_path / "archive", seed=0)
    assert (dealt.bootstrap, dealt.nights, dealt.holdout) == (16, (11, 11, 10), 12)
    assert [sentence.split()[0] for sentence in dealt.left_out] == ["lonely.jpg", "torn.xml"]
    names = [path.name for path in archive.files() if path.suffix == ".jpg"]
    assert len(names) == len(set(names)) == 60
    assert archive.labels == ("Cell", "cell")
    assert {box.label for boxes in archive.truth.values() for box in boxes} == {"Cell"}
    again, _ = deal_folder(tmp_path / "voc", tmp_path / "again", seed=0)
    assert again.truth == archive.truth


def test_a_folder_that_is_no_voc_folder_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(ArchiveError, match="not a PASCAL VOC folder: it has no JPEGImages folder"):
        deal_folder(tmp_path, tmp_path / "archive", seed=0)
    voc_folder(tmp_path / "few", ["one", "two"])
    with pytest.raises(ArchiveError, match="holds 2 annotated pictures; the demo needs at least 40"):
        deal_folder(tmp_path / "few", tmp_path / "archive", seed=0)


if BCCD.is_dir():

    def test_real_blood_cell_photos_keep_their_test_list_as_holdout(tmp_path):
        archive, dealt = deal_folder(BCCD, tmp_path, seed=0)
        assert (dealt.bootstrap, dealt.nights, dealt.holdout) == (97, (65, 65, 65), 72)
        assert dealt.left_out == ()
        assert archive.labels == ("RBC", "WBC", "Platelets")
        test = set((BCCD / "ImageSets/Main/test.txt").read_text().split())
        assert {Path(image.key).stem for image in archive.holdout} == test
