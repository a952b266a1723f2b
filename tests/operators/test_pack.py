"""A VOC folder as people really upload it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from include.formats.recordio import read_records
from include.formats.voc import VocError
from secondlook import jsonl
from secondlook.failures.exceptions import VocFolderError
from secondlook.failures.retry_policy import SecondLookRetryPolicy
from secondlook.operators.pack import PackVocOperator
from tests.support.shapes import annotation_xml, draw


def test_faults_are_listed_and_the_rest_goes_on(project: Any, context: dict[str, Any]) -> None:
    layout, voc = project.layout, project.layout.bootstrap_voc()
    project.upload_voc(voc, range(30))
    annotations, images = f"{voc}/Annotations", f"{voc}/JPEGImages"
    good = project.get(f"{annotations}/shape0010.xml")
    project.put(f"{annotations}/shape0000.xml", b"<annotation><size>")
    circles = good.replace(b"<name>square", b"<name>circle").replace(b"<name>bar", b"<name>circle")
    project.put(f"{annotations}/shape0001.xml", circles)
    project.put(f"{annotations}/shape0002.xml", good.replace(b"<width>96", b"<width>640"))
    project.put(f"{images}/shape0003.jpg", project.get(f"{images}/shape0003.jpg")[:400])
    project.s3.delete_object(Bucket=project.bucket, Key=f"{annotations}/shape0004.xml")
    project.s3.delete_object(Bucket=project.bucket, Key=f"{images}/shape0005.jpg")
    flat = b"<bndbox><xmin>5</xmin><ymin>5</ymin><xmax>5</xmax><ymax>50</ymax></bndbox>"
    extra = b"<object><name>bar</name>" + flat + b"</object></annotation>"
    with_extra = project.get(f"{annotations}/shape0006.xml").replace(b"</annotation>", extra)
    project.put(f"{annotations}/shape0006.xml", with_extra)

    result = project.pack().execute(context)

    assert result["train"] + result["validation"] + result["rejected"] == 30
    rejected = project.lines(layout.bootstrap_rejected())
    faults = {
        line["image"].rsplit("/", 1)[1].split(".")[0]: line for line in rejected if line["code"] != "box"
    }
    assert {name: line["code"] for name, line in faults.items()} == {
        "shape0000": "bad-annotation",
        "shape0001": "nothing-to-label",
        "shape0002": "image-size-mismatch",
        "shape0003": "unreadable",
        "shape0004": "no-annotation",
        "shape0005": "no-image",
    }
    assert "not well-formed XML" in faults["shape0000"]["reason"]
    assert all("\n" not in line["reason"] for line in rejected)
    assert any("has no area" in line["reason"] for line in rejected if line["code"] == "box")
    assert any("none of square, bar" in line["reason"] for line in rejected if line["code"] == "box")
    for split in ("train", "validation"):
        records = list(read_records(io.BytesIO(project.get(layout.bootstrap_recordio(split)))))
        assert len(records) == len(project.lines(layout.bootstrap_manifest(split))) == result[split]


def test_the_same_folder_gives_the_same_bytes(project: Any, context: dict[str, Any]) -> None:
    project.upload_voc(project.layout.bootstrap_voc(), range(12))
    project.pack().execute(context)
    keys = [key for key in project.keys("shapes/bootstrap/") if "/voc/" not in key]
    before = {key: project.get(key) for key in keys}
    project.pack().execute(context)
    assert {key: project.get(key) for key in keys} == before


def test_image_sets_decide_and_the_test_set_is_left_alone(project: Any, context: dict[str, Any]) -> None:
    voc = project.layout.bootstrap_voc()
    project.upload_voc(voc, range(12))
    names = [f"shape{seed:04d}" for seed in range(12)]
    for split, part in (("train", names[:6]), ("val", names[6:9]), ("test", names[9:])):
        project.put(f"{voc}/ImageSets/Main/{split}.txt", "\n".join(part).encode())
    assert project.pack().execute(context) == {"train": 6, "validation": 3, "rejected": 0, "holdout": 0}


def test_the_holdout_is_frozen_and_its_images_are_never_trained_on(
    project: Any, context: dict[str, Any]
) -> None:
    layout = project.layout
    project.upload_voc(layout.bootstrap_voc(), range(20))
    project.upload_voc(f"{layout.holdout('v1')}/voc/clean", range(18, 24))
    result = project.pack().execute(context)
    # 18 and 19 are in both folders: the same bytes under another name.
    assert (result["rejected"], result["holdout"]) == (2, 6)
    assert {line["code"] for line in project.lines(layout.bootstrap_rejected())} == {"in-holdout"}
    frozen = project.get(layout.holdout_manifest("v1"))
    assert {line["slice"] for line in project.lines(layout.holdout_manifest("v1"))} == {"clean"}
    project.upload_voc(f"{layout.holdout('v1')}/voc/clean", range(24, 30))
    project.pack().execute(context)
    assert project.get(layout.holdout_manifest("v1")) == frozen


def test_an_empty_folder_says_what_to_upload(project: Any, context: dict[str, Any]) -> None:
    with pytest.raises(VocFolderError, match="upload a PASCAL VOC folder with JPEGImages and Annotations"):
        project.pack().execute(context)


def big_images() -> dict[str, bytes]:
    """Images that every viewer opens and no model takes, and one that is just small enough."""
    jpeg, pixels = draw(1).data, io.BytesIO()
    Image.new("L", (8001, 8000)).save(pixels, "JPEG", quality=10)
    return {
        "bytes.jpg": jpeg + bytes(6 * 1024 * 1024 + 1 - len(jpeg)),
        "pixels.jpg": pixels.getvalue(),
        "fits.jpg": jpeg + bytes(6 * 1024 * 1024 - len(jpeg)),
    }


def test_the_holdout_takes_nothing_that_no_model_takes(project: Any, context: dict[str, Any]) -> None:
    layout = project.layout
    holdout = f"{layout.holdout('v1')}/voc/clean"
    project.upload_voc(layout.bootstrap_voc(), range(12))
    project.upload_voc(holdout, range(20, 23))
    for name, data in big_images().items():
        stem = name.removesuffix(".jpg")
        project.put(f"{holdout}/JPEGImages/{name}", data)
        project.put(f"{holdout}/Annotations/{stem}.xml", annotation_xml(draw(1)))
    bare = project.get(f"{holdout}/JPEGImages/shape0020.jpg")
    project.s3.delete_object(Bucket=project.bucket, Key=f"{holdout}/JPEGImages/shape0020.jpg")
    project.put(f"{holdout}/JPEGImages/shape0020", bare)
    project.put(f"{holdout}/JPEGImages/web.webp", b"RIFF\0\0\0\0WEBPVP8 ")
    project.put(f"{holdout}/Annotations/web.xml", annotation_xml(draw(1)))
    project.put(f"{layout.holdout('v1')}/voc/.DS_Store", b"x")
    assert project.pack().execute(context)["holdout"] == 4
    rejected = project.lines(f"{layout.holdout('v1')}/rejected.jsonl")
    assert {line["image"].rsplit("/", 1)[1]: line["code"] for line in rejected} == {
        "bytes.jpg": "too-large",
        "pixels.jpg": "too-large",
        "web.webp": "not-an-image",
    }
    frozen = project.lines(layout.holdout_manifest("v1"))
    assert len(frozen) == 4
    for line in frozen:
        head = project.s3.head_object(Bucket=project.bucket, Key=layout.key_of(line["source-ref"]))
        assert line["etag"] == head["ETag"].strip('"')


def test_a_frozen_holdout_from_elsewhere_can_be_judged_by(project: Any, context: dict[str, Any]) -> None:
    layout = project.layout
    holdout = f"{layout.holdout('v1')}/voc/clean"
    project.upload_voc(layout.bootstrap_voc(), range(12))
    project.upload_voc(holdout, range(20, 24))
    assert project.pack().execute(context)["holdout"] == 4
    lines = project.lines(layout.holdout_manifest("v1"))
    without = [
        {name: value for name, value in line.items() if name not in ("sha256", "etag")} for line in lines
    ]
    project.put(layout.holdout_manifest("v1"), jsonl.encode(without))
    project.put(f"{holdout}/JPEGImages/shape0021.jpg", big_images()["bytes.jpg"])
    project.put(f"{holdout}/JPEGImages/shape0022.jpg", draw(22).data[:400])
    assert project.pack().execute(context)["holdout"] == 2


def test_a_holdout_that_gives_nothing_is_no_silent_matter(project: Any, context: dict[str, Any]) -> None:
    layout = project.layout
    project.upload_voc(layout.bootstrap_voc(), range(12))
    # Without a slice's folder.
    project.upload_voc(f"{layout.holdout('v1')}/voc", range(20, 23))
    with pytest.raises(VocFolderError, match="each slice is a folder of its own with JPEGImages"):
        project.pack().execute(context)
    assert not project.keys(layout.holdout_manifest("v1"))


def ratios(seed: int) -> bytes:
    """An annotation whose tool wrote ratios of the image where pixels belong."""
    box = "<bndbox><xmin>0.1</xmin><ymin>0.25</ymin><xmax>0.5</xmax><ymax>0.75</ymax></bndbox>"
    start = annotation_xml(draw(seed)).decode().split("<object>")[0]
    return f"{start}<object><name>bar</name>{box}</object></annotation>".encode()


@pytest.mark.parametrize("place", ["bootstrap", "holdout"])
def test_boxes_in_ratios_fail_at_once_with_their_likely_cause(
    project: Any, context: dict[str, Any], place: str
) -> None:
    layout = project.layout
    folder = {"bootstrap": layout.bootstrap_voc(), "holdout": f"{layout.holdout('v1')}/voc/clean"}[place]
    project.upload_voc(layout.bootstrap_voc(), range(12))
    project.upload_voc(folder, range(20, 30))
    for seed in (*range(12), *range(20, 30)) if place == "bootstrap" else range(20, 29):
        project.put(f"{folder}/Annotations/shape{seed:04d}.xml", ratios(seed))
    with pytest.raises(
        VocFolderError, match=r"look like ratios of the image from 0 to 1; export them in pixels"
    ):
        project.pack().execute(context)
    # A holdout with wrong boxes must not be frozen, because it could never be corrected.
    assert not project.keys(layout.holdout_manifest("v1"))


def test_a_list_that_contradicts_another_is_not_tried_again(project: Any, context: dict[str, Any]) -> None:
    voc = project.layout.bootstrap_voc()
    project.upload_voc(voc, range(4))
    project.put(f"{voc}/ImageSets/Main/train.txt", b"shape0000\nshape0001")
    project.put(f"{voc}/ImageSets/Main/Test.txt", "SHAPE0001.JPG".encode("utf-16"))
    with pytest.raises(VocError, match="shape0001 is in the train set") as caught:
        project.pack().execute(context)
    decision = SecondLookRetryPolicy().evaluate(caught.value, 1, 3)
    assert decision.action.name == "FAIL"


def test_when_nothing_is_left_the_sentence_says_why(project: Any, context: dict[str, Any]) -> None:
    voc = project.layout.bootstrap_voc()
    for seed in range(4):
        project.put(f"{voc}/JPEGImages/shape{seed:04d}.jpg", draw(seed).data)
        project.put(f"{voc}/Annotations/shape{seed:04d}.xml", annotation_xml(draw(seed), width=48, height=48))
    with pytest.raises(
        VocFolderError, match=r"Most frequent is image-size-mismatch \(4\), for example: .* has 96x96"
    ):
        project.pack().execute(context)


class Log:
    """Keeps what a task says."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def info(self, event: str, *args: Any) -> None:
        self.told.append(event % args)

    warning = info


def test_the_log_accounts_for_every_file(
    project: Any, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    voc = project.layout.bootstrap_voc()
    project.upload_voc(voc, range(10))
    project.put(f"{voc}/ImageSets/Main/Train.txt", b"".join(b"shape%04d\n" % seed for seed in range(4)))
    project.put(f"{voc}/ImageSets/Main/valid.txt", b"shape0004\nshape0005.jpg\nshape0099")
    project.put(f"{voc}/ImageSets/Main/TEST.TXT", b"shape0006")
    project.put(f"{voc}/ImageSets/Main/trn.txt", b"shape0007")
    project.put(f"{voc}/JPEGImages/.ipynb_checkpoints/shape0000-checkpoint.jpg", draw(0).data)
    project.put(f"{voc}/SegmentationClass/shape0000.png", b"x")
    project.put(f"{voc}/JPEGImages/shape0000.png", b"not a picture")
    log = Log()
    monkeypatch.setattr(PackVocOperator, "log", log)

    assert project.pack().execute(context) == {"train": 4, "validation": 2, "rejected": 2, "holdout": 0}
    told = log.told
    account = next(line for line in told if ": of " in line)
    assert account.endswith(
        "of 27 files 12 used, 2 left out with a reason, 2 kept for testing by a list, 6 of images in no "
        "list that is read, 4 in ImageSets, 1 skipped."
    )
    assert any("Not read, 1 of the files in ImageSets: ImageSets/Main/trn.txt" in line for line in told)
    assert any(
        "Skipped 1 files that editors and systems leave behind: .ipynb_checkpoints (1)" in t for t in told
    )
    assert any("6 files are of images in no list" in line for line in told)
    codes = [line["code"] for line in project.lines(project.layout.bootstrap_rejected())]
    assert sorted(codes) == ["no-image", "not-an-image", "not-read"]
