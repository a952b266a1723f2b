"""A VOC folder as people really upload it."""

from __future__ import annotations

import io
from typing import Any

import pytest

from include.detector.recordio import read_records
from secondlook.operators.pack import VocFolderError


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
