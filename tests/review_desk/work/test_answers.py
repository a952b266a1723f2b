"""How much one answer may hold."""

from __future__ import annotations

import pytest

from include.review_desk.errors import BadAnswer
from include.review_desk.work.answers import MAX_BOXES, check_answer
from include.review_desk.worker_templates.crowd import BOUNDING_BOX, CrowdElement

ELEMENTS = [CrowdElement(BOUNDING_BOX, "annotatedResult", ("RBC",))]


def answer_of(boxes: int) -> dict:
    box = {"label": "RBC", "left": 1, "top": 2, "width": 3, "height": 4}
    size = {"width": 640, "height": 480}
    return {"annotatedResult": {"boundingBoxes": [box] * boxes, "inputImageProperties": size}}


def test_an_image_takes_as_many_boxes_as_a_consensus_compares():
    check_answer(answer_of(MAX_BOXES), ELEMENTS)
    with pytest.raises(BadAnswer, match="2,500 boxes, more than the 1,000 that are allowed for one image"):
        check_answer(answer_of(2500), ELEMENTS)
