"""What a human loop is started with: the image, its labels and the boxes that the reviewer finds drawn."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from secondlook import jsonl
from secondlook.failures.exceptions import LabelError, ReviewInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from secondlook.detection import Prediction

DEFAULT_PREDRAW_SCORE = 0.25
# Amazon A2I, StartHumanLoop: HumanLoopInput.InputContent.
MAX_INPUT_BYTES = 3 * 1024 * 1024


@dataclass(frozen=True, slots=True, order=True)
class PredrawnBox:
    """A box that the reviewer finds drawn, in whole pixels."""

    label: str
    left: int
    top: int
    width: int
    height: int

    def to_record(self) -> dict[str, Any]:
        """Return the box in the form of ``crowd-bounding-box``'s initial value."""
        return asdict(self)


def predrawn_boxes(
    prediction: Prediction, labels: Sequence[str], score: float = DEFAULT_PREDRAW_SCORE
) -> tuple[PredrawnBox, ...]:
    """Return the detections from ``score`` on as boxes in whole pixels inside the image, the surest first.

    Raises
    ------
    LabelError
        When the model knows more classes than there are labels.
    """
    boxes = []
    for detection in prediction.detections:
        if detection.score < score:
            continue
        if not 0 <= detection.class_id < len(labels):
            raise LabelError(
                f"Model {prediction.model} found class {detection.class_id} in {prediction.image}, but the"
                f" settings name {len(labels)} labels; give the labels the model was trained with."
            )
        place = detection.box.to_pixels(prediction.width, prediction.height)
        if place is not None:
            boxes.append(PredrawnBox(labels[detection.class_id], *place))
    return tuple(boxes)


def input_content(
    *,
    image: str,
    etag: str,
    width: int,
    height: int,
    model: str,
    night: str,
    labels: Sequence[str],
    predrawn: Iterable[PredrawnBox],
) -> str:
    """Return a loop's InputContent as canonical JSON: a retry sends the same bytes.

    Raises
    ------
    ReviewInputError
        When it exceeds the 3 MiB that StartHumanLoop accepts.
    """
    content = jsonl.canonical(
        {
            "taskObject": image,
            "labels": list(labels),
            "initialValue": [box.to_record() for box in predrawn],
            "imageEtag": etag,
            "imageWidth": width,
            "imageHeight": height,
            "model": model,
            "night": night,
        }
    )
    size = len(content.encode("utf-8"))
    if size > MAX_INPUT_BYTES:
        raise ReviewInputError(
            f"The review of {image} would send {size} bytes and Amazon A2I accepts {MAX_INPUT_BYTES};"
            " raise predraw_score."
        )
    return content


def example_content(image: str, labels: Sequence[str]) -> str:
    """Return an InputContent with one box, to try a worker template with."""
    box = PredrawnBox(label=labels[0], left=32, top=24, width=64, height=48)
    return input_content(
        image=image,
        etag="example",
        width=320,
        height=240,
        model="example",
        night="2000-01-01",
        labels=labels,
        predrawn=[box],
    )


def content_hash(content: str) -> str:
    """Return the SHA-256 of an InputContent, by which a ledger line knows its question."""
    return hashlib.sha256(content.encode("utf-8")).hexdigest()
