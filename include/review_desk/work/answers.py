"""Checking a worker's answer against the crowd elements of the template that asked for it.

Only what the element itself guarantees on Amazon A2I is checked (SageMaker Developer Guide,
crowd-bounding-box). Whether a box makes sense is judged where answers are turned into labels.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from include.review_desk.errors import BadAnswer
from include.review_desk.worker_templates.crowd import BOUNDING_BOX, CrowdElement

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ANSWER_BYTES = 1_048_576
# What the next step, finding a consensus of several answers, takes; no person draws as many.
MAX_BOXES = 1_000
_SIDES = ("left", "top", "width", "height")


def check_answer(content: Any, elements: Sequence[CrowdElement]) -> None:
    """Raise BadAnswer with one sentence unless ``content`` (answerContent) fits ``elements``."""
    # Empty is an answer too: nothing was required, and crowd-input is silent without input.
    if not isinstance(content, dict):
        raise BadAnswer(
            "answerContent must be an object with one member for each named element of the template."
        )
    for element in elements:
        if element.tag == BOUNDING_BOX:
            _check_bounding_box(content, element)


def canonical_answer(content: Any) -> str:
    """The answer as it is stored and compared: sorted keys, no spaces.

    Raises
    ------
    BadAnswer
        Larger than 1 MiB, or text that is not Unicode (a lone surrogate).
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise BadAnswer("answerContent holds text that is not valid Unicode.") from None
    if size > MAX_ANSWER_BYTES:
        raise BadAnswer(f"The answer has {size} bytes, more than the {MAX_ANSWER_BYTES} that are allowed.")
    return text


def _check_bounding_box(content: dict[str, Any], element: CrowdElement) -> None:
    value = content.get(element.name)
    if not isinstance(value, dict):
        raise BadAnswer(
            f'answerContent must have an object "{element.name}": the template asks for boxes there.'
        )
    boxes = value.get("boundingBoxes")
    if not isinstance(boxes, list):
        raise BadAnswer(
            f'"{element.name}" must have a list "boundingBoxes", empty when there is nothing to label.'
        )
    if len(boxes) > MAX_BOXES:
        raise BadAnswer(
            f'"{element.name}" has {len(boxes):,} boxes, more than the {MAX_BOXES:,} that are allowed for '
            "one image: remove those that are not needed."
        )
    for index, box in enumerate(boxes):
        _check_box(box, f'Box {index} of "{element.name}"', element.labels)
    _check_image_properties(value.get("inputImageProperties"), element.name)


def _check_box(box: Any, where: str, labels: tuple[str, ...] | None) -> None:
    if not isinstance(box, dict):
        raise BadAnswer(f"{where} must be an object with height, label, left, top and width.")
    for side in _SIDES:
        if not _is_number(box.get(side)):
            raise BadAnswer(f'{where} must have a number "{side}" in pixels.')
    if box["width"] < 0 or box["height"] < 0:
        raise BadAnswer(f"{where} has a negative width or height.")
    label = box.get("label")
    if not isinstance(label, str):
        raise BadAnswer(f'{where} must have a text "label".')
    if labels is not None and label not in labels:
        raise BadAnswer(f"{where} has the label {label[:100]!r}, which is none of the template's labels.")


def _check_image_properties(value: Any, name: str) -> None:
    if not isinstance(value, dict):
        raise BadAnswer(f'"{name}" must have "inputImageProperties" with the height and width of the image.')
    for side in ("height", "width"):
        if not _is_number(value.get(side)) or value[side] <= 0:
            raise BadAnswer(
                f'"inputImageProperties" of "{name}" must have a positive number "{side}" in pixels.'
            )


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) or math.isfinite(value)
