"""What a detector said about one image version."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondlook import jsonl
from secondlook.detection.box import Box
from secondlook.errors import BoxError, PredictionError, RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Below this an answer of the built-in algorithm is noise: up to 400 rows an image, most of them near zero.
MIN_SCORE = 0.01
SCORE_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Detection:
    """One detected object: class index (from 0), score in [0, 1], box in pixels."""

    class_id: int
    score: float
    box: Box

    def sort_key(self) -> tuple[float, int, tuple[float, float, float, float]]:
        """Order detections from sure to unsure, the rest by class and place."""
        return (-self.score, self.class_id, self.box.as_tuple())


@dataclass(frozen=True, slots=True)
class Prediction:
    """All detections of one model in one image version, the surest first.

    ``width`` and ``height`` are pixels of the file as stored, ``depth`` its number of channels. ``etag`` is
    the version of the image's key, ``sha256`` what its content is; None when the bytes were not read.
    """

    image: str
    etag: str
    width: int
    height: int
    depth: int
    model: str
    detections: tuple[Detection, ...]
    sha256: str | None = None

    @property
    def top_score(self) -> float:
        """The highest score; an image without any detection counts as 0."""
        return self.detections[0].score if self.detections else 0.0

    @classmethod
    def from_response(
        cls, image: str, etag: str, model: str, body: bytes, *, sha256: str | None = None
    ) -> Prediction:
        """Read an ``application/json;annotation=1`` answer (SageMaker Developer Guide, Object Detection).

        Rows come unsorted and may slightly leave the image: they are sorted and clamped. Rows without area
        inside the image and rows with a score below 0.01 are dropped.

        Raises
        ------
        PredictionError
            When the answer has another form.
        """
        try:
            answer = jsonl.decode_object(body, source=f"The answer of model {model} about {image}")
            width, height, depth = _image_size(answer)
            rows = answer["annotations"]
            detections = [d for row in rows if (d := _annotation_row(row, width, height)) is not None]
        except RecordError as error:
            raise PredictionError(str(error)) from error
        except _MALFORMED as error:
            raise PredictionError(
                f"The answer of model {model} about {image} is not in the form application/json;annotation=1"
                f" ({_fault(error)}); check that the endpoint serves the object detection algorithm."
            ) from error
        return cls(image, etag.strip('"'), width, height, depth, model, _in_order(detections), sha256)

    def to_record(self) -> dict[str, Any]:
        """Return the line of a predictions file."""
        rows = [[d.class_id, d.score, *d.box.as_tuple()] for d in self.detections]
        return {
            "image": self.image,
            "etag": self.etag,
            "sha256": self.sha256,
            "width": self.width,
            "height": self.height,
            "depth": self.depth,
            "model": self.model,
            "detections": rows,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Prediction:
        """Read the line of a predictions file.

        Raises
        ------
        PredictionError
            Naming the image when a member is missing or malformed.
        """
        try:
            detections = [
                Detection(int(class_id), float(score), Box(*map(float, edges)))
                for class_id, score, *edges in record["detections"]
            ]
            return cls(
                image=str(record["image"]),
                etag=str(record["etag"]),
                width=int(record["width"]),
                height=int(record["height"]),
                depth=int(record["depth"]),
                model=str(record["model"]),
                detections=_in_order(detections),
                sha256=record.get("sha256"),
            )
        except (*_MALFORMED, BoxError) as error:
            raise PredictionError(
                f"The prediction of {record.get('image', 'an unnamed image')} cannot be read"
                f" ({_fault(error)}); score the night again."
            ) from error


_MALFORMED = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError)


def _fault(error: Exception) -> str:
    return f"no {error.args[0]!r}" if isinstance(error, KeyError) else str(error)


def _in_order(detections: list[Detection]) -> tuple[Detection, ...]:
    return tuple(sorted(detections, key=Detection.sort_key))


def _image_size(answer: Mapping[str, Any]) -> tuple[int, int, int]:
    size = answer["image_size"][0]
    width, height, depth = int(size["width"]), int(size["height"]), int(size.get("depth", 3))
    if width < 1 or height < 1:
        raise ValueError(f"an image of {width} x {height} pixels")
    return width, height, depth


def _annotation_row(row: Mapping[str, Any], width: int, height: int) -> Detection | None:
    class_id, score = int(row["class_id"]), float(row["score"])
    # The default form marks unused rows with class -1.
    if class_id < 0:
        return None
    if math.isnan(score) or not -1e-6 <= score <= 1 + 1e-6:
        raise ValueError(f"a score of {score}")
    score = round(min(max(score, 0.0), 1.0), SCORE_DIGITS)
    edges = (float(row["left"]), float(row["top"]), float(row["width"]), float(row["height"]))
    try:
        box = Box.from_size(*edges).clamped(width, height)
    except BoxError:
        return None
    box = box.rounded() if box is not None else None
    return Detection(class_id, score, box) if box is not None and score >= MIN_SCORE else None
