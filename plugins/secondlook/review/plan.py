"""Which images a night would ask about if the budget had room for all, and what becomes of those it has not.

The plan is written once, before anything is reserved. Plan and reservation, both settled once, determine
the ledger: however often a launch dies on the way, and however many run side by side, its bytes are the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from secondlook import jsonl
from secondlook.failures.exceptions import BudgetError, RecordError
from secondlook.names import digest
from secondlook.review.budget import month_of
from secondlook.review.choice import ReviewChoice
from secondlook.review.ledger import OVER_BUDGET, LedgerLine

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class ReviewPlan:
    """The candidates of a night, best-ranked first: its own, then those that earlier nights deferred.

    ``planned_on`` is the date (UTC) of the plan. Its calendar month pays, and from that day on what is
    deferred waits for a later night. ``chosen_by`` are the settings of the run that made it, None where that
    is not known.
    """

    planned_on: date
    lines: tuple[LedgerLine, ...]
    chosen_by: ReviewChoice | None = None

    @property
    def month(self) -> str:
        """The calendar month (``YYYY-MM``) whose budget pays."""
        return month_of(self.planned_on)

    @property
    def digest(self) -> str:
        """A hash of month and loops, by which a reservation knows the plan it was made for."""
        return digest(self.month, *(line.loop for line in self.lines), length=20)

    @property
    def taken_up(self) -> dict[str, list[str]]:
        """Loops that earlier nights deferred, by that night."""
        nights: dict[str, list[str]] = {}
        for line in self.lines:
            if line.from_night is not None:
                nights.setdefault(line.from_night, []).append(line.loop)
        return nights

    def settle(self, granted: Collection[str]) -> list[LedgerLine]:
        """Return the ledger: what was granted is asked, the night's own rest is deferred.

        What an earlier night deferred and is not granted stays that night's, ready for another.
        """
        return [
            line if line.loop in granted else replace(line, state="deferred", state_reason=OVER_BUDGET)
            for line in self.lines
            if line.loop in granted or line.from_night is None
        ]

    def to_json(self) -> bytes:
        """Return the document."""
        lines = [line.to_record() for line in self.lines]
        document: dict[str, Any] = {
            "month": self.month,
            "planned_on": self.planned_on.isoformat(),
            "lines": lines,
        }
        if self.chosen_by is not None:
            document["chosen_by"] = self.chosen_by.to_record()
        return jsonl.canonical(document).encode()

    @classmethod
    def from_json(cls, data: bytes, *, source: str) -> ReviewPlan:
        """Read the document.

        Raises
        ------
        BudgetError
            Naming the source when it is damaged.
        """
        try:
            document = jsonl.decode_object(data, source=source)
            lines = tuple(LedgerLine.from_record(record) for record in document["lines"])
            # Plans of an earlier version tell the month only.
            planned_on = document.get("planned_on") or f"{document['month']}-01"
            chosen_by = ReviewChoice.from_record(document.get("chosen_by"))
            return cls(date.fromisoformat(planned_on), lines, chosen_by)
        except (RecordError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise BudgetError(f"The plan {source} cannot be read ({error}): restore it.") from error


def take_up(
    own: Sequence[LedgerLine], deferred: Mapping[str, Sequence[LedgerLine]], room: int
) -> list[LedgerLine]:
    """Return the night's own lines, and after them up to ``room`` that earlier nights deferred.

    The nights come in their order and within a night the best-ranked; ranks go on counting after the own.

    Parameters
    ----------
    own
        The night's own selection.
    deferred
        Deferred lines of earlier nights, by the night whose ledger has them, the first to be taken up first.
    room
        Most lines to take up.
    """
    seen = {line.loop for line in own}
    lines = list(own)
    for night, waiting in deferred.items():
        for line in sorted(waiting, key=lambda line: line.rank):
            if len(lines) - len(own) >= room:
                return lines
            if line.loop not in seen:
                seen.add(line.loop)
                rank = len(lines) + 1
                lines.append(replace(line, state="asked", state_reason=None, from_night=night, rank=rank))
    return lines


def claim(claims: Mapping[str, str], loops: Sequence[str], key: str) -> dict[str, str]:
    """Return the claims on a night's deferred loops after ``key`` has claimed what is free of ``loops``."""
    return {**dict.fromkeys(loops, key), **claims}


def unclaim(claims: Mapping[str, str], loops: Collection[str], key: str) -> dict[str, str]:
    """Return the claims without those of ``key`` on ``loops``; what others claimed stays theirs."""
    return {loop: by for loop, by in claims.items() if loop not in loops or by != key}
