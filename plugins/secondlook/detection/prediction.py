"""A detector's prediction for one image version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondlook import jsonl
from secondlook.detection.answer import MALFORMED, MIN_SCORE, read_answer
from secondlook.detection.box import Box
from secondlook.failures.exceptions import BoxError, PredictionError, RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from secondlook.detection.answer import Row, Size

SCORE_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Detection:
    """One detected object: class index (from 0), score in [0, 1], box in pixels."""

    class_id: int
    score: float
    box: Box

    def sort_key(self) -> tuple[float, int, tuple[float, float, float, float]]:
        """Order detections by falling score, then by class and position."""
        return (-self.score, self.class_id, self.box.as_tuple())


@dataclass(frozen=True, slots=True)
class Prediction:
    """All detections of one model in one image version, highest score first.

    ``width`` and ``height`` are pixels of the file as stored, ``depth`` its number of channels. ``etag`` is
    the version of the image's key, ``sha256`` identifies its content; None when the bytes were not read.
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
        """The highest score; 0 for an image without detections."""
        return self.detections[0].score if self.detections else 0.0

    @classmethod
    def from_response(
        cls,
        image: str,
        etag: str,
        model: str,
        body: bytes,
        *,
        sha256: str | None = None,
        file_size: Callable[[], Size | None] = lambda: None,
        labels: int | None = None,
    ) -> Prediction:
        """Read an answer to ``Accept: application/json;annotation=1``, in each form of ``detection.answer``.

        Rows arrive unsorted and may extend slightly beyond the image: they are sorted and clamped. Rows
        without area inside the image and rows with a score below 0.01 are dropped.

        Parameters
        ----------
        file_size
            Gives the size of the image file; called when the answer holds ratios and no size.
        labels
            How many labels there are; None: not checked.

        Raises
        ------
        PredictionError
            The answer has another form, or cannot be about this image.
        """
        try:
            answer = jsonl.decode_object(body, source=f"The answer of model {model} about {image}")
            (width, height, depth), rows = read_answer(answer, file_size, labels)
            detections = [d for row in rows if (d := _detection(row, width, height)) is not None]
        except RecordError as error:
            raise PredictionError(str(error)) from error
        except MALFORMED as error:
            raise PredictionError(
                f"The answer of model {model} about {image} is in no form of the object detection algorithm "
                f"({_fault(error)}): check that its container is that algorithm's."
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
        except (*MALFORMED, BoxError) as error:
            raise PredictionError(
                f"The prediction of {record.get('image', 'an unnamed image')} cannot be read"
                f" ({_fault(error)}); score the night again."
            ) from error


def _fault(error: Exception) -> str:
    return f"no {error.args[0]!r}" if isinstance(error, KeyError) else str(error)


def _in_order(detections: list[Detection]) -> tuple[Detection, ...]:
    return tuple(sorted(detections, key=Detection.sort_key))


def _detection(row: Row, width: int, height: int) -> Detection | None:
    score = round(min(max(row.score, 0.0), 1.0), SCORE_DIGITS)
    try:
        box = Box.from_size(*row.edges).clamped(width, height)
    except BoxError:
        return None
    box = box.rounded() if box is not None else None
    return Detection(row.class_id, score, box) if box is not None and score >= MIN_SCORE else None
