"""What the night's reviews will take: how many, how much money, how much of people's time."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from secondlook.failures.exceptions import ReviewOutputError
from secondlook.review.limits import money
from secondlook.review.output import parse_output

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Forecast:
    """The reviews that are about to start.

    ``reviewers`` answer each image; ``image_cost`` is money for all of them, ``seconds_per_answer`` the
    median of recent answers, None when none is known. ``asked_before`` are images of the night whose reviews
    an earlier run has started: they are in none of the other numbers.
    """

    images: int
    reviewers: int
    image_cost: Decimal
    currency: str
    seconds_per_answer: float | None = None
    postponed: int = 0
    asked_before: int = 0

    @property
    def answers(self) -> int:
        """How many answers people will give."""
        return self.images * self.reviewers

    @property
    def cost(self) -> Decimal:
        """What they will cost."""
        return money(self.images * self.image_cost)

    @property
    def seconds(self) -> int | None:
        """How long people will work in all."""
        return None if self.seconds_per_answer is None else round(self.answers * self.seconds_per_answer)

    def __str__(self) -> str:
        each = f" by {self.reviewers} people each" if self.reviewers > 1 else ""
        parts = [f"{self.images} {'image' if self.images == 1 else 'images'} to review{each}"]
        if self.images and self.image_cost:
            parts.append(f"{self.cost} {self.currency}")
        if self.images:
            parts.append(self._work())
        if self.asked_before:
            parts.append(f"{self.asked_before} asked before")
        if self.postponed:
            parts.append(f"{self.postponed} postponed over budget")
        return ", ".join(parts)

    def _work(self) -> str:
        if self.seconds is None:
            return "no answers yet to tell how long"
        each = self.seconds_per_answer or 0.0
        shown = f"{each:.0f}" if each >= 1 else f"{each:.1f}" if each >= 0.1 else "less than 0.1"
        return f"{_duration(self.seconds)} of work at {shown} s an answer"

    def to_record(self) -> dict[str, Any]:
        """Return it for XCom."""
        return {
            "images": self.images,
            "answers": self.answers,
            "cost": str(self.cost),
            "currency": self.currency,
            "seconds": self.seconds,
            "postponed": self.postponed,
            "asked_before": self.asked_before,
            "text": f"{self}.",
        }


def typical_seconds(outputs: Iterable[bytes | None]) -> float | None:
    """Return the median time of the answers in the loops' output documents; unreadable ones do not count."""
    seconds = []
    for data in outputs:
        try:
            answers = parse_output(data).answers if data is not None else ()
        except ReviewOutputError:
            continue
        seconds += [answer.seconds for answer in answers if answer.seconds is not None]
    return median(seconds) if seconds else None


def _duration(seconds: int) -> str:
    hours, minutes = divmod(max(1, round(seconds / 60)), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
