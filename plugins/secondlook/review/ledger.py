"""The ledger of a night's reviews: written before a loop starts, so that a retry asks nobody twice."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from secondlook import jsonl
from secondlook.failures.exceptions import LabelError, RecordError, ReviewInputError
from secondlook.names import human_loop_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from secondlook.detection import Prediction
    from secondlook.review.selection import Reason, Selection

DEFAULT_PREDRAW_SCORE = 0.25
# Amazon A2I, StartHumanLoop: HumanLoopInput.InputContent.
MAX_INPUT_BYTES = 3 * 1024 * 1024

Ending = Literal["completed", "failed", "expired", "stopped"]
State = Literal["asked", "deferred"]
OVER_BUDGET = "over budget"
# Written only where they say something, so that a night without a budget has the ledger it always had.
_DEFAULTS = {"state": "asked", "state_reason": None, "from_night": None}


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


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One image selected for review, and everything that its human loop is made of.

    ``etag`` is the version of the image's key, ``sha256`` that of its bytes; ``width`` and ``height`` are
    pixels of the file as stored, ``depth`` its channels, ``rank`` counts from 1, ``round`` from 1,
    ``input_sha256`` is the hash of the loop's InputContent. A ``deferred`` line has no loop
    yet, ``state_reason`` says why; ``from_night`` is the earlier night that deferred the image, None for an
    image of the ledger's own night.
    """

    image: str
    etag: str
    sha256: str
    width: int
    height: int
    depth: int
    model: str
    policy: str
    reason: Reason
    rank: int
    priority: float
    round: int
    loop: str
    predrawn: tuple[PredrawnBox, ...]
    input_sha256: str
    state: State = "asked"
    state_reason: str | None = None
    from_night: str | None = None

    @classmethod
    def from_selection(
        cls,
        selection: Selection,
        *,
        flow: str,
        policy: str,
        labels: Sequence[str],
        night: str,
        predraw_score: float = DEFAULT_PREDRAW_SCORE,
        round: int = 1,
    ) -> LedgerLine:
        """Make the line of a selected image.

        Parameters
        ----------
        selection
            The image and why it was chosen.
        flow
            Name or ARN of the flow definition; part of the loop's name.
        policy
            Name of the review policy.
        labels
            All labels, index = class id.
        night
            Night of the run, YYYY-MM-DD.
        predraw_score
            Detections from this score on are drawn for the reviewer.
        round
            1 for the first review of this content.

        Raises
        ------
        ReviewInputError
            The image's content is unknown, and with it which loop asks about it.
        """
        prediction = selection.prediction
        if prediction.sha256 is None:
            raise ReviewInputError(
                f"The SHA-256 of {prediction.image} is unknown, and its review is named by it: read it."
            )
        boxes = predrawn_boxes(prediction, labels, predraw_score)
        content = input_content(
            image=prediction.image,
            etag=prediction.etag,
            width=prediction.width,
            height=prediction.height,
            model=prediction.model,
            night=night,
            labels=labels,
            predrawn=boxes,
        )
        return cls(
            image=prediction.image,
            etag=prediction.etag,
            sha256=prediction.sha256,
            width=prediction.width,
            height=prediction.height,
            depth=prediction.depth,
            model=prediction.model,
            policy=policy,
            reason=selection.reason,
            rank=selection.rank,
            priority=selection.priority,
            round=round,
            loop=human_loop_name(flow, prediction.image, prediction.sha256, round),
            predrawn=boxes,
            input_sha256=_sha256(content),
        )

    @property
    def asked(self) -> bool:
        """Whether people are asked about it; a deferred line waits for a later night."""
        return self.state == "asked"

    def input_content(self, *, labels: Sequence[str], night: str) -> str:
        """Return the loop's InputContent, byte for byte what the ledger was written for.

        ``night`` is the ledger's; an image taken up from an earlier night asks what it would have asked then.

        Raises
        ------
        ReviewInputError
            When labels or night changed since: the loop would ask another question under the same name.
        """
        content = input_content(
            image=self.image,
            etag=self.etag,
            width=self.width,
            height=self.height,
            model=self.model,
            night=self.from_night or night,
            labels=labels,
            predrawn=self.predrawn,
        )
        if _sha256(content) != self.input_sha256:
            raise ReviewInputError(
                f"The review of {self.image} no longer asks what the ledger of {night} recorded"
                " (labels or night changed); restore them, or start a new review round."
            )
        return content

    def to_record(self) -> dict[str, Any]:
        """Return the line of ``ledger.jsonl``."""
        # Not asdict: it copies every value deeply, for thousands of lines.
        record = {field.name: getattr(self, field.name) for field in fields(self)}
        record["predrawn"] = [box.to_record() for box in self.predrawn]
        return {name: v for name, v in record.items() if name not in _DEFAULTS or v != _DEFAULTS[name]}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> LedgerLine:
        """Read the line of ``ledger.jsonl``.

        Raises
        ------
        RecordError
            Naming the image when a member is missing or unknown.
        """
        try:
            boxes = tuple(PredrawnBox(**box) for box in record["predrawn"])
            return cls(**{**record, "predrawn": boxes})
        except (KeyError, TypeError) as error:
            raise RecordError(
                f"The ledger line of {record.get('image', 'an unnamed image')} cannot be read ({error});"
                " restore the ledger."
            ) from error


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a human loop ended.

    ``status`` is the service's word (Completed, Failed, Stopped, or Deleted for a loop that is gone),
    ``outcome`` ours; ``output`` is the address of its output document, None when the service named none.
    """

    image: str
    loop: str
    status: str
    outcome: Ending
    failure_code: str | None = None
    failure_reason: str | None = None
    output: str | None = None

    @classmethod
    def of_loop(
        cls,
        *,
        image: str,
        loop: str,
        status: str,
        failure_code: str | None = None,
        failure_reason: str | None = None,
        output: str | None = None,
    ) -> Outcome:
        """Make the outcome of what DescribeHumanLoop says about an ended loop.

        A loop that nobody took in time is ``Failed`` with the code ``Expired``; a deleted one counts as
        stopped.
        """
        endings: dict[str, Ending] = {"Completed": "completed", "Stopped": "stopped", "Deleted": "stopped"}
        ending: Ending = "expired" if failure_code == "Expired" else endings.get(status, "failed")
        return cls(image, loop, status, ending, failure_code, failure_reason, output)

    def to_record(self) -> dict[str, Any]:
        """Return the line of ``outcomes.jsonl``."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Outcome:
        """Read the line of ``outcomes.jsonl``.

        Raises
        ------
        RecordError
            Naming the loop when a member is missing or unknown.
        """
        try:
            return cls(**record)
        except TypeError as error:
            raise RecordError(
                f"The outcome of loop {record.get('loop', 'without name')} cannot be read ({error});"
                " wait again."
            ) from error


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


def _sha256(content: str) -> str:
    return hashlib.sha256(content.encode("utf-8")).hexdigest()
