"""The ledger: what people are asked is fixed before the first loop starts."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook import jsonl
from secondlook.detection import Box, Detection, Prediction
from secondlook.failures.exceptions import LabelError, RecordError, ReviewInputError
from secondlook.review import LedgerLine, Outcome, PredrawnBox, input_content, predrawn_boxes
from secondlook.review.human_loops import HumanLoop
from tests.support.ledgers import LABELS, NIGHT, make_ledger_line, make_prediction


def test_line_survives_its_file_and_names_the_loop_after_what_it_asks(line):
    assert LedgerLine.from_record(jsonl.decode(jsonl.encode([line.to_record()]))[0]) == line
    assert line == make_ledger_line()
    assert line.loop.startswith("second-look-")
    assert make_ledger_line(make_prediction("a.jpg", 0.9, 0.4, content=2)).loop != line.loop
    # Nor are the same bytes, uploaded again.
    assert make_ledger_line(make_prediction("a.jpg", 0.9, 0.4, etag="e2")).loop == line.loop
    # Another model's opinion about the same image version is no reason to pay twice.
    assert make_ledger_line(make_prediction("a.jpg", 0.3)).loop == line.loop


def test_a_line_without_a_budget_has_the_bytes_it_always_had(line):
    loop = "second-look-e7a80ea77f26e6a67fe2229a4829ac44a97d28f7"
    content = "cf17476f0368821a040d87a9de392ee757c6a4b90bba5db551e5a3214186030f"
    written = (
        '{"depth":3,"etag":"e1","height":480,"image":"s3://b/images/2026-11-22/a.jpg",'
        f'"input_sha256":"{content}","loop":"{loop}","model":"m-1","policy":"uncertainty_sum",'
        '"predrawn":[{"height":12,"label":"RBC","left":0,"top":10,"width":15},'
        '{"height":12,"label":"RBC","left":20,"top":10,"width":15}],'
        '"priority":0.33,"rank":1,"reason":"policy","round":1,'
        f'"sha256":"{line.sha256}","width":640}}\n'
    )
    assert jsonl.encode([line.to_record()]) == written.encode()


def test_a_postponed_line_says_so_and_why_and_one_taken_up_from_where(line):
    postponed = dataclasses.replace(line, state="postponed", state_reason="over budget")
    taken_up = dataclasses.replace(line, from_night="2026-11-20")
    told = {"state": "postponed", "state_reason": "over budget"}
    assert postponed.to_record() == line.to_record() | told
    assert taken_up.to_record() == line.to_record() | {"from_night": "2026-11-20"}
    assert (line.asked, postponed.asked, taken_up.asked) == (True, False, True)
    for changed in (postponed, taken_up):
        assert LedgerLine.from_record(changed.to_record()) == changed


def test_input_content_is_rebuilt_byte_for_byte_or_refused(line):
    content = line.input_content(labels=LABELS, night=NIGHT)
    assert hashlib.sha256(content.encode()).hexdigest() == line.input_sha256
    asked = json.loads(content)
    assert asked["taskObject"] == line.image
    assert asked["labels"] == list(LABELS)
    assert asked["initialValue"] == [
        {"label": "RBC", "left": 0, "top": 10, "width": 15, "height": 12},
        {"label": "RBC", "left": 20, "top": 10, "width": 15, "height": 12},
    ]
    assert (asked["imageEtag"], asked["imageWidth"], asked["imageHeight"]) == ("e1", 640, 480)
    with pytest.raises(ReviewInputError, match="new review round"):
        line.input_content(labels=("RBC", "WBC"), night=NIGHT)


def test_only_boxes_from_the_score_on_are_drawn_and_lie_in_the_image():
    prediction = make_prediction("a.jpg", 0.9, 0.25, 0.24)
    assert len(predrawn_boxes(prediction, LABELS, 0.25)) == 2
    border = dataclasses.replace(
        prediction,
        detections=(
            Detection(2, 0.9, Box(600.4, 400.6, 640.0, 480.0)),
            Detection(1, 0.8, Box(9, 9, 9.2, 9.3)),
        ),
    )
    assert predrawn_boxes(border, LABELS, 0.25) == (
        PredrawnBox("Platelets", 600, 401, 40, 79),
        PredrawnBox("WBC", 9, 9, 1, 1),
    )


edges = st.tuples(st.floats(0, 99), st.floats(0, 99), st.floats(0.01, 60), st.floats(0.01, 60))


@given(st.lists(edges, max_size=5))
def test_drawn_boxes_always_have_area_inside_the_image(places):
    boxes = [Box.from_size(*place).clamped(100, 100) for place in places]
    detections = tuple(Detection(0, 0.5, box) for box in boxes if box is not None)
    prediction = Prediction("s3://b/a.jpg", "e", 100, 100, 3, "m", detections)
    drawn = predrawn_boxes(prediction, LABELS, 0.0)
    assert len(drawn) == len(detections)
    for box in drawn:
        assert min(box.width, box.height) >= 1
        assert min(box.left, box.top) >= 0
        assert max(box.left + box.width, box.top + box.height) <= 100


def test_class_without_label_is_refused_naming_model_and_image():
    with pytest.raises(LabelError, match=r"m-1 found class 3 in s3://b/.*a\.jpg"):
        predrawn_boxes(make_prediction("a.jpg", 0.9, class_id=3), LABELS)


def test_input_beyond_three_megabytes_is_refused_before_the_service_does():
    boxes = [PredrawnBox("x" * 4000, 0, 0, 1, 1)] * 800
    with pytest.raises(ReviewInputError, match="raise predraw_score"):
        input_content(
            image="s3://b/a.jpg",
            etag="e",
            width=1,
            height=1,
            model="m",
            night=NIGHT,
            labels=LABELS,
            predrawn=boxes,
        )


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        ("Completed", None, "completed"),
        ("Failed", "Expired", "expired"),
        ("Failed", "ValidationError", "failed"),
        ("Stopped", None, "stopped"),
        ("Deleted", None, "stopped"),
    ],
)
def test_every_end_of_a_loop_has_an_outcome(status, code, outcome):
    end = Outcome.of_loop("s3://b/a", HumanLoop("l", status, failure_code=code))
    assert end.outcome == outcome
    assert Outcome.from_record(end.to_record()) == end


def test_damaged_ledger_names_the_image(line):
    record = line.to_record()
    for damaged in (record | {"predrawn": [{"left": 1}]}, record | {"colour": "red"}, {"image": line.image}):
        with pytest.raises(RecordError, match=r"ledger line of s3://b/.*a\.jpg"):
            LedgerLine.from_record(damaged)
    with pytest.raises(RecordError, match="outcome of loop x"):
        Outcome.from_record({"loop": "x"})
