"""The ledger of a night's reviews: written before a loop starts, so that a retry starts none twice."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from secondlook.failures.exceptions import RecordError, ReviewInputError
from secondlook.names import human_loop_name
from secondlook.review.loop_input import (
    DEFAULT_PREDRAW_SCORE,
    PredrawnBox,
    content_hash,
    input_content,
    predrawn_boxes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from secondlook.review.selection import SelectedImage

Reason = Literal["policy", "audit"]
State = Literal["asked", "postponed"]
OVER_BUDGET = "over budget"
# Written only where they say something, so that a night without a budget has the ledger it always had.
_DEFAULTS = {"state": "asked", "state_reason": None, "from_night": None}


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One image selected for review, and everything that its human loop is made of.

    ``etag`` is the version of the image's key, ``sha256`` that of its bytes; ``width`` and ``height`` are
    pixels of the file as stored, ``depth`` its channels, ``rank`` counts from 1, ``round`` from 1,
    ``input_sha256`` is the hash of the loop's InputContent. A ``postponed`` line has no loop
    yet, ``state_reason`` says why; ``from_night`` is the earlier night that postponed the image, None for an
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
        selection: SelectedImage,
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
            input_sha256=content_hash(content),
        )

    @property
    def asked(self) -> bool:
        """Whether people are asked about it; a postponed line waits for a later night."""
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
        if content_hash(content) != self.input_sha256:
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
