"""Reading A2I's output documents of several years, without reading who answered."""

from __future__ import annotations

import dataclasses
import json

import pytest

from secondlook.failures.exceptions import ReviewOutputError
from secondlook.review import Answer, DrawnBox, parse_output
from tests.support.ledgers import drawn


def test_full_answer_is_read_without_the_reviewer(body):
    output = parse_output(body([drawn(10, 20, 30, 40)]))
    assert output.answers == (Answer((DrawnBox("RBC", 10, 20, 30, 40),), 640, 480, seconds=40.543),)
    kept = json.dumps(dataclasses.asdict(output))
    assert "worker-1" not in kept
    assert "sub-1" not in kept
    assert "2026-11-22T08" not in kept


def test_answer_of_2020_without_times_and_with_another_input_name():
    document = {
        "humanAnswers": [
            {
                "answerContent": {
                    "annotatedResult": {
                        "boundingBoxes": [],
                        "initialValueModified": True,
                        "inputImageProperties": {"height": 480.0, "width": 640},
                    }
                }
            }
        ],
        "humanLoopInputContent": {"taskObject": "s3://b/a.jpg"},
    }
    output = parse_output(json.dumps(document).encode())
    assert output.image == "s3://b/a.jpg"
    assert output.loop is None
    assert output.answers == (Answer((), 640, 480, modified=True),)


def test_other_elements_of_the_template_are_ignored(body):
    document = json.loads(body([drawn(1, 2, 3, 4)]))
    content = document["humanAnswers"][0]["answerContent"]
    content["quality"] = {"blurred": True}
    assert len(parse_output(json.dumps(document).encode()).answers) == 1
    content["cells"] = content.pop("annotatedResult")
    output = parse_output(json.dumps(document).encode())
    assert output.faults == ("Answer 1 of 1 cannot be read: it has no 'annotatedResult'.",)


@pytest.mark.parametrize("data", [b"", b"[]", b"<Error/>", b"{}", b'{"humanAnswers": null}'])
def test_document_of_another_form_is_refused_in_a_sentence(data):
    with pytest.raises(ReviewOutputError, match="The output of the review"):
        parse_output(data)
