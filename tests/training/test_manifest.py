"""Augmented manifests: ours are byte-stable, foreign ones are read or refused line by line."""

from __future__ import annotations

import copy
import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook import jsonl
from secondlook.detection import Box
from secondlook.failures.exceptions import ManifestError, NightError, RecordError
from secondlook.training import Annotation, ManifestLine, read_line, read_manifest, write_manifest
from tests.support.manifests import LABELS, NIGHT, make_line

# A line in the form of Ground Truth's bounding box job output, with an attribute named after its job.
FOREIGN = {
    "source-ref": "s3://elsewhere/cells/1.png",
    "cells": {
        "image_size": [{"width": 500, "height": 400, "depth": 3}],
        "annotations": [
            {"class_id": 0, "left": 111, "top": 134, "width": 61, "height": 128},
            {"class_id": 2, "left": 439, "top": 350, "width": 61, "height": 50},
        ],
    },
    "cells-metadata": {
        "objects": [{"confidence": 0.8}, {"confidence": 0.9}],
        "class-map": {"0": "RBC", "2": "Platelets"},
        "type": "groundtruth/object-detection",
        "human-annotated": "yes",
        "creation-date": "2018-10-18T22:18:13.527256",
        "job-name": "cells",
    },
}


@st.composite
def lines(draw):
    boxes = []
    for _ in range(draw(st.integers(1, 5))):
        left, top = draw(st.integers(0, 639)), draw(st.integers(0, 479))
        width, height = draw(st.integers(1, 640 - left)), draw(st.integers(1, 480 - top))
        confidence = draw(st.sampled_from([1.0, 0.6667]))
        boxes.append(Annotation(left, top, width, height, draw(st.integers(0, 2)), confidence))
    part = draw(st.sampled_from([None, "clean"]))
    return ManifestLine(
        "s3://b/ä b.jpg", 640, 480, 3, tuple(boxes), LABELS, NIGHT, "a2i/x", "etag", part, "0" * 64
    )


@given(lines(), st.randoms())
def test_line_survives_its_file_and_same_boxes_give_the_same_bytes(line, random):
    data = write_manifest([line])
    assert read_manifest(data, source="m", labels=LABELS).lines == (line,)
    shuffled = random.sample(line.annotations, len(line.annotations))
    assert write_manifest([dataclasses.replace(line, annotations=tuple(shuffled))]) == data


def test_truth_of_a_line_is_its_boxes():
    truth = make_line("a.jpg", 2, 0).truth()
    assert [(t.class_id, t.box, t.difficult) for t in truth] == [
        (2, Box(0, 10, 20, 30), False),
        (0, Box(30, 10, 50, 30), False),
    ]


def test_line_of_another_house_is_read_under_its_attribute_name():
    read = read_manifest(jsonl.encode([FOREIGN]), source="s3://elsewhere/m", labels=LABELS, attribute="cells")
    assert read.faults == ()
    line = read.lines[0]
    assert (line.night, line.job_name, line.width) == ("2018-10-18", "cells", 500)
    assert [(a.class_id, a.confidence) for a in line.annotations] == [(0, 0.8), (2, 0.9)]
    written = json.loads(write_manifest([line]))
    assert written["bounding-box"]["image_size"] == FOREIGN["cells"]["image_size"]


def test_line_without_metadata_says_nothing_about_its_age():
    bare = {"source-ref": FOREIGN["source-ref"], "bounding-box": FOREIGN["cells"]}
    line = read_line(bare, labels=LABELS)
    assert line.night is None
    assert "creation-date" not in line.to_record()["bounding-box-metadata"]


def broken(*path, value):
    record = copy.deepcopy(FOREIGN)
    place = record
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return record


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        ({"source-ref": "s3://b/a.jpg"}, "misses 'cells'"),
        (broken("source-ref", value="/data/1.png"), "must be an s3:// address"),
        (broken("cells", "annotations", value=[]), "has no box"),
        (broken("cells", "annotations", 0, "class_id", value=7), "class 7, but there are 3 labels"),
        (broken("cells", "annotations", 0, "left", value=-1), "outside its 500 x 400 image"),
        (broken("cells", "annotations", 1, "width", value=62), "outside its 500 x 400 image"),
        (broken("cells", "annotations", 0, "height", value=0), "without area"),
        (broken("cells", "annotations", 0, "left", value=1.5), "left is 1.5 instead of a whole number"),
        (broken("cells", "annotations", 0, "left", value="1"), "instead of a whole number"),
        (broken("cells", "annotations", 0, value=[1, 2, 3, 4]), "is malformed"),
        (broken("cells", "image_size", value=[]), "is malformed"),
        (broken("cells", "image_size", 0, "depth", value=0), "measure the file again"),
        (broken("cells", value="text"), "is malformed"),
        (
            broken("cells-metadata", "class-map", "0", value="dog"),
            "calls class 0 'dog', but the labels say 'RBC'",
        ),
        (broken("cells-metadata", "class-map", "9", value="cat"), "there are 3 labels"),
        (broken("cells-metadata", "objects", 0, "confidence", value=1.5), "confidence of 1.5"),
        (broken("cells-metadata", "creation-date", value="yesterday"), "is not a date"),
    ],
)
def test_bad_line_is_one_sentence_with_its_number_and_stops_no_other(record, sentence):
    data = jsonl.encode([FOREIGN, record, broken("source-ref", value="s3://elsewhere/2.png")])
    read = read_manifest(data, source="s3://elsewhere/m", labels=LABELS, attribute="cells")
    assert [line.image[-5:] for line in read.lines] == ["1.png", "2.png"]
    assert len(read.faults) == 1
    assert "line 2 of s3://elsewhere/m" in read.faults[0]
    assert sentence in read.faults[0]


def with_boxes(number, *boxes):
    names = ("class_id", "left", "top", "width", "height")
    record = broken("source-ref", value=f"s3://elsewhere/{number}.png")
    record["cells"]["annotations"] = [dict(zip(names, box, strict=True)) for box in boxes]
    record["cells-metadata"]["objects"] = [{"confidence": 1} for _ in boxes]
    return record


@pytest.mark.parametrize(
    ("boxes", "cause"),
    [
        ([(0, 0.1, 0.2, 0.3, 0.4), (1, 0.5, 0.5, 0.2, 0.2)], "they look like ratios of the image"),
        ([(0, 300, 200, 480, 390), (2, 10, 20, 90, 80)], "they look like xmin, ymin, xmax, ymax"),
        ([(3, 10, 20, 90, 80), (1, 10, 20, 90, 80)], "these seem to count from 1; subtract 1 from each"),
        ([(0, 700, 20, 90, 80)], "has the box (700, 20, 90 x 80) outside its 500 x 400 image"),
        ([(0, 1e300, 20, 90, 80)], "1e+300"),
    ],
)
def test_a_manifest_whose_lines_share_a_fault_is_refused_with_its_cause(boxes, cause):
    records = [with_boxes(number, *boxes) for number in range(4)]
    with pytest.raises(ManifestError) as caught:
        read_manifest(jsonl.encode(records), source="s3://elsewhere/m", labels=LABELS, attribute="cells")
    assert str(caught.value).startswith("All lines of s3://elsewhere/m (4) cannot be used; the first of them")
    assert cause in str(caught.value)
    # Three of twenty are too many, two are not.
    honest = [broken("source-ref", value=f"s3://elsewhere/good{number}.png") for number in range(17)]
    with pytest.raises(ManifestError, match=r"^3 of 20 lines of m cannot be used"):
        read_manifest(jsonl.encode([*honest, *records[:3]]), source="m", labels=LABELS, attribute="cells")
    read = read_manifest(jsonl.encode([*honest, *records[:2]]), source="m", labels=LABELS, attribute="cells")
    assert (len(read.lines), len(read.faults)) == (17, 2)


def test_a_class_map_may_spell_the_same_letters_another_way():
    record = broken("cells-metadata", "class-map", "0", value="Za\u0308hler\u00a0rot")
    read = read_manifest(
        jsonl.encode([record]), source="m", labels=("Z\u00e4hler rot", *LABELS[1:]), attribute="cells"
    )
    assert read.faults == ()


def test_images_without_boxes_are_left_out_however_many():
    empty = [with_boxes(number) for number in range(9)]
    read = read_manifest(jsonl.encode(empty), source="m", labels=LABELS, attribute="cells")
    assert (read.lines, len(read.faults)) == ((), 9)


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from([0, 1, 2, 2, 3, -1, 0.5]),
                *[st.one_of(st.integers(-5, 520), st.sampled_from([0.25, 1e300]))] * 4,
            ),
            max_size=3,
        ),
        max_size=8,
    ),
    st.sampled_from([0, 60]),
)
def test_every_line_is_read_left_out_with_a_sentence_or_refused(drawn, honest):
    records = [with_boxes(number, *boxes) for number, boxes in enumerate(drawn)]
    records += [with_boxes(1000 + number, (0, 1, 2, 3, 4)) for number in range(honest)]
    try:
        read = read_manifest(jsonl.encode(records), source="m", labels=LABELS, attribute="cells")
    except ManifestError:
        return
    assert len(read.lines) + len(read.faults) == len(records)
    given_boxes = {f"s3://elsewhere/{number}.png": boxes for number, boxes in enumerate(drawn)}
    for line in read.lines:
        for box in given_boxes.get(line.image, ()):
            assert Annotation(*box[1:], class_id=box[0]) in line.annotations


def test_image_listed_twice_counts_once_and_names_both_lines():
    data = b"\n" + jsonl.encode([FOREIGN]) + b"\n" + jsonl.encode([FOREIGN])
    read = read_manifest(data, source="m", labels=LABELS, attribute="cells")
    assert len(read.lines) == 1
    assert read.faults[0].startswith("line 4 of m repeats s3://elsewhere/cells/1.png of line 2")


def test_file_that_is_no_json_is_refused_whole():
    with pytest.raises(RecordError, match="line 1 of m"):
        read_manifest(b"source-ref", source="m", labels=LABELS)


def test_line_that_would_break_the_training_is_never_made():
    with pytest.raises(ManifestError, match=r"a\.jpg has no box"):
        ManifestLine("s3://b/a.jpg", 640, 480, 3, (), LABELS, NIGHT, "a2i/x")
    with pytest.raises(NightError):
        make_line("a.jpg", night="22.11.2026")
