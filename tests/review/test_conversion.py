"""Each ledger line ends in one manifest line or one rejection, whatever the loop left behind."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.review_desk.work.answers import MAX_BOXES
from secondlook.review import Outcome, Rejection, convert_answers, convert_loop, parse_output
from secondlook.review.consensus import MOST_BOXES
from secondlook.review.human_loops import HumanLoop
from secondlook.training import Annotation, ManifestLine, read_line, write_manifest
from tests.support.ledgers import (
    HEIGHT,
    LABELS,
    NIGHT,
    WIDTH,
    drawn,
    make_ledger_line,
    make_output,
    make_prediction,
)


def ended(line, status="Completed", **more) -> Outcome:
    return Outcome.of_loop(line.image, HumanLoop(line.loop, status, **more))


def converted(line, body, counts=None, outcome=None):
    return convert_loop(line, outcome or ended(line), body, LABELS, NIGHT, counts=counts)


def test_one_answer_becomes_one_line(line, body):
    result = converted(line, body([drawn(10, 20, 30, 40), drawn(100.4, 99.6, 50, 50, "WBC")]))
    assert result.to_record() == {
        "source-ref": line.image,
        "bounding-box": {
            "annotations": [
                {"class_id": 0, "left": 10, "top": 20, "width": 30, "height": 40},
                {"class_id": 1, "left": 100, "top": 100, "width": 50, "height": 50},
            ],
            "image_size": [{"width": 640, "height": 480, "depth": 3}],
        },
        "bounding-box-metadata": {
            "class-map": {"0": "RBC", "1": "WBC", "2": "Platelets"},
            "creation-date": "2026-11-22T00:00:00",
            "human-annotated": "yes",
            "job-name": f"a2i/{line.loop}",
            "objects": [{"confidence": 1.0}, {"confidence": 1.0}],
            "type": "groundtruth/object-detection",
        },
        "etag": "e1",
        "sha256": line.sha256,
    }


def test_same_answers_give_the_same_bytes_whoever_gave_them_and_when(line, body):
    first, second = [drawn(10, 20, 30, 40)], [drawn(12, 20, 30, 40), drawn(200, 200, 9, 9)]
    one = write_manifest([converted(line, body(first, second))])
    document = json.loads(body(second, first))
    for answer in document["humanAnswers"]:
        answer |= {"workerId": "somebody-else", "submissionTime": "2031-01-01T00:00:00.000Z"}
        del answer["acceptanceTime"], answer["timeSpentInSeconds"], answer["workerMetadata"]
    document["humanAnswers"][0]["answerContent"]["comment"] = {"text": "blurred"}
    assert write_manifest([converted(line, json.dumps(document).encode())]) == one
    assert b"worker" not in one


def test_box_at_the_border_is_kept_and_box_beyond_is_cut_and_counted(line, body):
    counts: Counter[str] = Counter()
    result = converted(
        line, body([drawn(600, 440, 40, 40), drawn(-5, 0, 25, 20), drawn(0, 470, 30, 11)]), counts
    )
    assert [(a.left, a.top, a.width, a.height) for a in result.annotations] == [
        (0, 0, 20, 20),
        (0, 470, 30, 10),
        (600, 440, 40, 40),
    ]
    assert counts == {"box-clamped": 2}


def test_single_bad_boxes_are_dropped_and_counted(line, body):
    bad = [
        drawn(10, 10, 0, 5),
        drawn(10, 10, 5, -5),
        drawn(640, 10, 5, 5),
        drawn(-50, -50, 5, 5),
        drawn("ten", 10, 5, 5),
        {"label": "RBC", "left": 1},
        "box",
        drawn(10, 10, None, 5),
        drawn(True, 10, 5, 5),
    ]
    counts: Counter[str] = Counter()
    result = converted(line, body([drawn(10, 20, 30, 40), *bad]), counts)
    assert result.annotations == (Annotation(10, 20, 30, 40, 0),)
    assert counts == {"zero-area": 2, "box-outside": 2, "box-malformed": 5}


@pytest.mark.parametrize(
    ("boxes", "code"),
    [
        ([drawn(10, 10, 0, 5)], "zero-area"),
        ([drawn(700, 10, 5, 5), drawn(800, 10, 5, 5), drawn(10, 10, 0, 5)], "box-outside"),
        ([{}], "box-malformed"),
        ([], "nothing-to-label"),
        ([drawn(10, 10, 5, 5, "Platlets")], "unknown-label"),
        ([drawn(10, 10, 5, 5, None)], "unknown-label"),
    ],
)
def test_answer_without_a_usable_box_is_rejected_with_its_code(line, body, boxes, code):
    result = converted(line, body(boxes))
    assert (result.code, result.image, result.loop) == (code, line.image, line.loop)
    assert result.reason.endswith(".")


def test_unknown_label_is_quoted_with_the_known_ones(line, body):
    reason = converted(line, body([drawn(10, 10, 5, 5, "Platlets")])).reason
    assert reason.startswith("The label 'Platlets' is not among RBC, WBC, Platelets")


def test_image_of_another_size_is_rejected_and_a_turned_one_explained(line, body):
    other = converted(line, body([drawn(10, 10, 5, 5)], size=(320, 240)))
    assert other.code == "image-size-mismatch"
    assert "320 x 240" in other.reason
    assert "640 x 480" in other.reason
    assert "EXIF" in converted(line, body([drawn(10, 10, 5, 5)], size=(HEIGHT, WIDTH))).reason


def test_more_boxes_than_the_desk_takes_are_rejected_with_the_number(line, body):
    boxes = [drawn(10, 20, 30, 40)] * (MAX_BOXES + 1)
    result = converted(line, body([drawn(10, 20, 30, 40)], boxes))
    assert result.code == "too-many-boxes"
    assert "1,001 boxes, more than the 1,000" in result.reason
    assert isinstance(converted(line, body(boxes[1:])), ManifestLine)
    assert MAX_BOXES == MOST_BOXES


def test_output_about_another_image_is_rejected(line, body):
    assert converted(line, body([], inputContent={"taskObject": "s3://b/other.jpg"})).code == "wrong-image"
    # The name that the member had in 2020.
    old = json.loads(body([drawn(10, 20, 30, 40)]))
    old["humanLoopInputContent"] = old.pop("inputContent")
    assert isinstance(converted(line, json.dumps(old).encode()), ManifestLine)


def test_grey_scale_image_keeps_its_depth(body):
    prediction = make_prediction("a.jpg", 0.9)
    line = make_ledger_line(dataclasses.replace(prediction, depth=1))
    result = converted(line, json.dumps(make_output(line, [drawn(1, 1, 5, 5)])).encode())
    assert result.depth == 1


def test_several_reviewers_must_agree_and_confidence_says_how_much(line, body):
    counts: Counter[str] = Counter()
    three = body([drawn(10, 20, 30, 40)], [drawn(12, 20, 30, 40), drawn(300, 300, 9, 9)], [])
    result = converted(line, three, counts)
    assert result.annotations == (Annotation(11, 20, 30, 40, 0, 0.6667),)
    assert counts == {"minority-box": 1}
    apart = converted(line, body([drawn(10, 20, 30, 40)], [drawn(300, 300, 9, 9)]))
    assert apart.code == "no-agreement"
    assert converted(line, body([drawn(10, 20, 30, 40)], [])).code == "no-agreement"
    assert converted(line, body([drawn(10, 20, 30, 40)], [], [])).code == "nothing-to-label"


def test_unreadable_answer_of_one_reviewer_leaves_the_others(line, body):
    document = json.loads(body([drawn(10, 20, 30, 40)], [drawn(10, 20, 30, 40)]))
    del document["humanAnswers"][0]["answerContent"]["annotatedResult"]
    counts: Counter[str] = Counter()
    assert isinstance(converted(line, json.dumps(document).encode(), counts), ManifestLine)
    assert counts == {"answer-unreadable": 1}
    del document["humanAnswers"][1]["answerContent"]["annotatedResult"]["inputImageProperties"]
    result = converted(line, json.dumps(document).encode())
    assert result.code == "unreadable-output"
    assert "Answer 1 of 2 cannot be read: it has no 'annotatedResult'" in result.reason


def test_every_end_of_a_loop_is_a_rejection_with_its_reason(line, body):
    failed = ended(line, "Failed", failure_code="ValidationError", failure_reason="no S3 URI")
    assert converted(line, None, outcome=failed).to_record() == {
        "image": line.image,
        "loop": line.loop,
        "code": "failed",
        "reason": "The loop failed: ValidationError: no S3 URI.",
    }
    assert converted(line, None, outcome=ended(line, "Failed", failure_code="Expired")).code == "expired"
    assert converted(line, None, outcome=ended(line, "Stopped")).code == "stopped"
    assert converted(line, None).code == "missing-output"
    assert convert_loop(line, None, None, LABELS, NIGHT).code == "no-answer"
    assert converted(line, body()).code == "no-answer"


def test_answer_that_came_while_the_loop_was_stopped_counts(line, body):
    result = converted(line, body([drawn(10, 20, 30, 40)]), outcome=ended(line, "Stopped"))
    assert isinstance(result, ManifestLine)


def test_convert_takes_a_parsed_output(line, body):
    assert isinstance(
        convert_answers(line, parse_output(body([drawn(1, 1, 5, 5)])), LABELS, NIGHT), ManifestLine
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
numbers = st.integers(-50, 700) | st.floats(-50, 700) | st.sampled_from([10**400, -1, 0, 1e308])
loose_boxes = st.builds(
    drawn, numbers, numbers, numbers, numbers, st.sampled_from([*LABELS, "Platlets", None])
)
fair_boxes = st.builds(
    drawn, numbers, numbers, st.integers(1, 300), st.integers(1, 300), st.sampled_from(LABELS)
)
loose_answers = st.lists(st.lists(loose_boxes | fair_boxes | json_values, max_size=5), max_size=4)


@given(loose_answers)
def test_whatever_reviewers_send_a_line_has_exactly_one_outcome(given_answers):
    line = make_ledger_line()
    body = json.dumps(make_output(line, *given_answers)).encode()
    result = converted(line, body)
    assert isinstance(result, ManifestLine) != isinstance(result, Rejection)
    if isinstance(result, ManifestLine):
        read = read_line(json.loads(write_manifest([result])), labels=LABELS)
        assert read == result
    assert converted(line, body) == result


@given(st.binary(max_size=40) | json_values.map(lambda v: json.dumps(v).encode()))
def test_output_of_any_other_form_is_a_rejection(data):
    result = converted(make_ledger_line(), data)
    assert result.code in {"unreadable-output", "no-answer"}


@given(
    st.dictionaries(
        st.sampled_from(["humanAnswers", "inputContent", "humanLoopName"]),
        st.lists(st.fixed_dictionaries({"answerContent": json_values}) | json_values, max_size=3)
        | json_values,
    )
)
def test_documents_with_the_right_members_and_wrong_contents_are_rejections(document):
    assert isinstance(converted(make_ledger_line(), json.dumps(document).encode()), Rejection)


@pytest.mark.parametrize(
    "spelling", ["Za\u0308hler rot", "Z\u00e4hler\u00a0rot", " Z\u00e4hler  rot", "Z\u00e4\u200bhler rot"]
)
def test_a_label_in_another_spelling_of_the_same_letters_is_the_label(line, body, spelling):
    labels = ("RBC", "Z\u00e4hler rot")
    answers = body([drawn(10, 20, 30, 40, spelling)], [drawn(10, 20, 30, 40, labels[1])])
    result = convert_loop(line, ended(line), answers, labels, NIGHT)
    # Both reviewers mean the same label, so they agree on it.
    assert [(a.class_id, a.confidence) for a in result.annotations] == [(1, 1.0)]
    assert result.labels == labels


def test_a_label_in_another_case_is_another_label(line, body):
    assert converted(line, body([drawn(10, 20, 30, 40, "rbc")])).code == "unknown-label"
