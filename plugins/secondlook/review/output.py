"""Reading what Amazon A2I writes when a loop ends: ``output.json`` with the answers of all its reviewers.

The form is that of the SageMaker Developer Guide, "Amazon A2I Output Data" and "crowd-bounding-box". Who
answered, and when, is personal data and is not read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondlook import jsonl
from secondlook.failures.exceptions import RecordError, ReviewOutputError

if TYPE_CHECKING:
    from collections.abc import Mapping

# The crowd element's name in the worker template; other named elements are ignored.
CROWD_ELEMENT = "annotatedResult"


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """A box as the browser sent it: pixels of the displayed image, label None when it has none."""

    label: str | None
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Answer:
    """One reviewer's answer.

    ``image_width`` and ``image_height`` are what the browser measured; ``bad_boxes`` counts boxes without
    four numbers; ``modified`` says whether the reviewer changed the drawn boxes, None when the element does
    not tell.
    """

    boxes: tuple[DrawnBox, ...]
    image_width: int
    image_height: int
    bad_boxes: int = 0
    modified: bool | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ReviewOutput:
    """The answers of one loop; ``faults`` has a sentence for each answer that could not be read."""

    loop: str | None
    image: str | None
    answers: tuple[Answer, ...]
    faults: tuple[str, ...] = ()


def parse_output(data: bytes) -> ReviewOutput:
    """Read the output document of a loop, the bytes of ``output.json``.

    Raises
    ------
    ReviewOutputError
        When the document as a whole cannot be read; a single bad answer becomes a fault instead.
    """
    try:
        document = jsonl.decode_object(data, source="The output of the review")
    except RecordError as error:
        raise ReviewOutputError(str(error)) from error
    given = document.get("humanAnswers")
    if not isinstance(given, list):
        raise ReviewOutputError(
            "The output of the review has no list humanAnswers; look at the loop in the console."
        )
    answers, faults = [], []
    for number, answer in enumerate(given, start=1):
        try:
            answers.append(_read_answer(answer))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            detail = f"it has no {error.args[0]!r}" if isinstance(error, KeyError) else str(error)
            faults.append(f"Answer {number} of {len(given)} cannot be read: {detail}.")
    # Outputs of 2020 call it humanLoopInputContent.
    content = document.get("inputContent") or document.get("humanLoopInputContent")
    image = content.get("taskObject") if isinstance(content, dict) else None
    return ReviewOutput(_text(document.get("humanLoopName")), _text(image), tuple(answers), tuple(faults))


def _read_answer(answer: Mapping[str, Any]) -> Answer:
    result = answer["answerContent"][CROWD_ELEMENT]
    size = result["inputImageProperties"]
    given = result["boundingBoxes"]
    if not isinstance(given, list):
        raise ValueError("boundingBoxes is no list")
    boxes = [box for entry in given if (box := _read_box(entry)) is not None]
    modified = result.get("initialValueModified")
    seconds = answer.get("timeSpentInSeconds")
    return Answer(
        boxes=tuple(boxes),
        image_width=int(_number(size["width"])),
        image_height=int(_number(size["height"])),
        bad_boxes=len(given) - len(boxes),
        modified=modified if isinstance(modified, bool) else None,
        seconds=float(seconds)
        if isinstance(seconds, int | float) and not isinstance(seconds, bool)
        else None,
    )


def _read_box(entry: object) -> DrawnBox | None:
    if not isinstance(entry, dict):
        return None
    try:
        left, top, width, height = (_number(entry[name]) for name in ("left", "top", "width", "height"))
    except (KeyError, ValueError, OverflowError):
        return None
    return DrawnBox(_text(entry.get("label")), left, top, width, height)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
