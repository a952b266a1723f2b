"""PASCAL VOC folders come from many tools; what cannot be used gets a sentence."""

from __future__ import annotations

import re
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.formats.voc import BoxFault, BoxTally, VocError, annotation_labels, parse_annotation

LABELS = ("RBC", "WBC", "Platelets")
BCCD = Path(__file__).resolve().parents[3] / "shared/data/bccd"


def box(label="RBC", xmin="11", ymin="21", xmax="50", ymax="60", extra="") -> str:
    return (
        f"<object><name>{escape(str(label))}</name>{extra}<bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin>"
        f"<xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox></object>"
    )


def annotation(
    *objects: str, size="<size><width>100</width><height>80</height><depth>3</depth></size>"
) -> bytes:
    return f"<annotation><filename>a.jpg</filename>{size}{''.join(objects)}</annotation>".encode()


def test_a_box_counted_from_one_with_both_ends_becomes_pixels_from_zero():
    parsed = parse_annotation(annotation(box(extra="<difficult>1</difficult>")), LABELS, "a.xml")
    (found,) = parsed.objects
    assert (found.xmin, found.ymin, found.xmax, found.ymax) == (10, 20, 50, 60)
    assert (found.class_id, found.label, found.difficult) == (0, "RBC", True)
    assert (parsed.filename, parsed.width, parsed.height, parsed.depth) == ("a.jpg", 100, 80, 3)
    assert parsed.faults == ()
    assert parsed.rows() == [(0.0, 0.1, 0.25, 0.5, 0.75)]


def test_a_box_over_the_whole_image_is_the_whole_image():
    parsed = parse_annotation(annotation(box("WBC", 1, 1, 100, 80)), LABELS, "a.xml")
    assert parsed.rows() == [(1.0, 0.0, 0.0, 1.0, 1.0)]
    assert parsed.faults == ()


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (box("Monocyte"), "a.xml: object 1 ('Monocyte') has a label that is none of RBC, WBC, Platelets"),
        (box(xmin=50, xmax=11), "a.xml: object 1 ('RBC') is inverted, (50, 21, 11, 60)"),
        (box(xmin=50), "a.xml: object 1 ('RBC') has no area, (50, 21, 50, 60)"),
        (
            box(xmin=300, xmax=320),
            "a.xml: object 1 ('RBC') lies outside the image of 100x80 px, (300, 21, 320, 60)",
        ),
        (box(xmin="left"), "a.xml: object 1 ('RBC') has no number in <xmin> (found 'left')"),
        (box(ymax="nan"), "a.xml: object 1 ('RBC') has no finite number in <ymax> (found 'nan')"),
        (box(ymax="1e999"), "a.xml: object 1 ('RBC') has no finite number in <ymax> (found '1e999')"),
        (box(xmin="1_1"), "a.xml: object 1 ('RBC') has no number in <xmin> (found '1_1')"),
        (box(xmin="11,5"), "a.xml: object 1 ('RBC') has no number in <xmin> (found '11,5')"),
        (box("0.5"), "a.xml: object 1 ('0.5') has a label that is none of RBC, WBC, Platelets"),
        (
            box(xmin=0.11, ymin=0.21, xmax=0.5, ymax=0.6),
            "a.xml: object 1 ('RBC') seems to be in ratios of the image, (0.11, 0.21, 0.5, 0.6), not in",
        ),
        (
            box(xmin=90, xmax=130),
            "a.xml: object 1 ('RBC') lies mostly outside the image of 100x80 px, (90, 21, 130, 60)",
        ),
        ("<object><name>RBC</name></object>", "a.xml: object 1 ('RBC') has no number in <xmin> (found '')"),
    ],
)
def test_a_bad_box_is_left_out_with_a_sentence_and_the_good_ones_stay(fault, sentence):
    parsed = parse_annotation(annotation(fault, box("WBC")), LABELS, "a.xml")
    assert [found.label for found in parsed.objects] == ["WBC"]
    assert len(parsed.faults) == 1
    assert parsed.faults[0].startswith(sentence)
    assert parsed.faults[0].endswith(" left out.")


def test_a_box_that_reaches_beyond_the_image_is_clamped_and_told():
    parsed = parse_annotation(annotation(box(xmin=80, xmax=110, ymin=-4)), LABELS, "a.xml")
    (found,) = parsed.objects
    assert (found.xmin, found.ymin, found.xmax, found.ymax) == (79, 0, 100, 60)
    assert parsed.faults == (
        "a.xml: object 1 ('RBC') reaches beyond the image of 100x80 px and was clamped to it.",
    )


def test_the_same_box_twice_counts_once():
    parsed = parse_annotation(annotation(box(), box()), LABELS, "a.xml")
    assert len(parsed.objects) == 1
    assert "repeats an earlier box" in parsed.faults[0]


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", ""),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "UTF-16LE"),
        ("utf-16-be", ""),
        ("utf-32", "utf-32"),
        ("latin-1", "ISO-8859-1"),
        ("latin-1", ""),
        ("cp1252", "utf-8"),
        ("gb18030", "gb2312"),
        ("shift_jis", "Shift_JIS"),
        ("cp1251", "windows-1251"),
        ("utf-8", "utf-16"),
        ("utf-8", "no-such-code"),
    ],
)
def test_xml_is_read_in_whatever_encoding_a_tool_writes_it(encoding, declared):
    label = {"gb18030": "细胞", "shift_jis": "細胞", "cp1251": "клетка"}.get(encoding, "Größe")
    start = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    xml = (start + annotation(box(label)).decode()).encode(encoding)
    parsed = parse_annotation(xml, (label,), "a.xml")
    assert [found.label for found in parsed.objects] == [label]
    assert annotation_labels(xml, "a.xml") == (label,)


@pytest.mark.parametrize(
    ("label", "encoding"),
    [("红细胞", "gb2312"), ("клетка", "cp1251"), ("Größe", "mac-roman")],
)
@pytest.mark.parametrize("start", ["", '<?xml version="1.0" encoding="utf-8"?>'])
def test_a_label_in_an_encoding_that_nothing_tells_is_not_guessed(label, encoding, start):
    xml = (start + annotation(box(label), box("cell")).decode()).encode(encoding)
    with pytest.raises(VocError, match=r"has letters in an encoding that the file does not declare; save"):
        annotation_labels(xml, "a.xml")
    parsed = parse_annotation(xml, ("cell", label), "a.xml")
    assert [found.label for found in parsed.objects] == ["cell"]
    assert "in an encoding that the file does not declare" in parsed.faults[0]


def test_an_encoding_that_nothing_tells_and_that_cannot_be_guessed_is_named():
    with pytest.raises(
        VocError, match=r"a\.xml is in an encoding that it does not declare; save the file as"
    ):
        annotation_labels(annotation(box("cell")).replace(b"cell", "細胞".encode("shift_jis")), "a.xml")


def test_a_label_is_the_same_however_its_accents_and_spaces_are_stored():
    decomposed = "Gro\u0308\u00dfe  2"
    parsed = parse_annotation(annotation(box(decomposed)), ("Gr\u00f6\u00dfe 2",), "a.xml")
    assert [found.class_id for found in parsed.objects] == [0]


def test_what_most_boxes_of_a_set_share_is_named_once():
    def cause(*objects):
        tally = BoxTally()
        tally.add(parse_annotation(annotation(*objects), LABELS, "a.xml"))
        return tally.cause()

    ratios = [box(xmin=f"0.{n}", ymin="0.2", xmax="0.5", ymax="0.6") for n in range(1, 5)]
    assert cause(*ratios, box()).startswith(
        "4 of 5 boxes cannot be used for the same reason: the coordinates"
    )
    assert "export them in pixels" in cause(*ratios)
    assert "left, top, width and height" in cause(*(box(xmin=60 + n, xmax=9) for n in range(5)))
    assert "larger copies" in cause(*(box(xmin=400 + n, xmax=500) for n in range(5)))
    labels = cause(*(box("cell", xmin=n) for n in range(5)), box("dog"))
    assert "labels in the settings are not those of the annotations" in labels
    assert labels.endswith("left out: 'cell' (5), 'dog' (1).")
    # Somebody may want one label of many, and a slip of the hand is no fault of the set.
    assert cause(*(box("cell", xmin=n) for n in range(5)), box()) is None
    assert cause(*(box(xmin=n) for n in range(1, 6)), ratios[0]) is None
    assert cause(ratios[0]).startswith("the only box cannot be used")
    assert cause() is None


def test_every_kind_of_fault_names_a_likely_cause():
    assert all(" " in fault.value for fault in BoxFault)


BOMB = b'<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]><annotation>&y;</annotation>'


@pytest.mark.parametrize(
    ("xml", "sentence"),
    [
        (BOMB, "a.xml declares a DOCTYPE"),
        (BOMB.decode().encode("utf-16"), "a.xml declares a DOCTYPE"),
        (b"", "a.xml is not well-formed XML"),
        (b"<annotation><size>", "a.xml is not well-formed XML"),
        (b"\xff\xd8\xff\xe0 a picture", "a.xml is not well-formed XML"),
        (b"<html/>", "a.xml is not a PASCAL VOC annotation: its root element is <html>"),
        (annotation(box(), size=""), "a.xml gives no usable image width in <size> (found '')"),
        (
            annotation(size="<size><width>9</width><height>0</height></size>"),
            "a.xml gives no usable image height in <size> (found '0')",
        ),
        (b"<annotation>" + b" " * (17 << 20) + b"</annotation>", "a.xml has 17825"),
    ],
)
def test_an_unusable_file_is_one_sentence(xml, sentence):
    with pytest.raises(VocError, match="^" + re.escape(sentence)) as caught:
        parse_annotation(xml, LABELS, "a.xml")
    assert str(caught.value).count("\n") == 0


numbers = st.one_of(
    st.integers(-200, 300).map(str), st.floats(-200, 300).map(str), st.text(max_size=4).map(escape)
)
labels = st.one_of(st.sampled_from(LABELS), st.text(alphabet="abc<&", max_size=4))


@given(st.lists(st.builds(box, labels, numbers, numbers, numbers, numbers), max_size=5))
def test_whatever_the_boxes_say_those_kept_lie_inside_the_image(objects):
    xml = annotation(*objects)
    try:
        parsed = parse_annotation(xml, LABELS, "a.xml")
    except VocError:
        return  # characters that XML does not allow
    left_out = [fault for fault in parsed.faults if fault.endswith("left out.")]
    assert len(parsed.objects) + len(left_out) == len(objects)
    for found in parsed.objects:
        assert 0 <= found.xmin < found.xmax <= 100
        assert 0 <= found.ymin < found.ymax <= 80
        assert LABELS[found.class_id] == found.label


@given(st.binary(max_size=200))
def test_bytes_that_are_no_xml_never_crash(junk):
    with pytest.raises(VocError):
        parse_annotation(junk, LABELS, "junk.xml")


if BCCD.is_dir():

    def test_real_blood_cell_annotations_have_exactly_their_known_faults():
        faults, boxes = [], 0
        for path in sorted((BCCD / "Annotations").glob("*.xml")):
            parsed = parse_annotation(path.read_bytes(), LABELS, path.stem)
            faults.extend(parsed.faults)
            boxes += len(parsed.objects)
        without_area = [fault for fault in faults if "has no area" in fault]
        assert [fault[:16] for fault in without_area] == ["BloodImage_00338", "BloodImage_00343"]
        left_out = [fault for fault in faults if fault.endswith("left out.")]
        assert boxes + len(left_out) == 4888
