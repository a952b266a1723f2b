"""Which images a night would ask about if the budget had room for all, and what becomes of those it has not.

The selection is written once, before anything is reserved. Selection and reservation, both decided once,
determine the ledger: however often a launch dies on the way, and however many run side by side, its bytes are
the same.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import PlainSerializer

from secondlook.json_document import JsonDocument
from secondlook.names import digest
from secondlook.review.budget import month_of
from secondlook.review.ledger import OVER_BUDGET, LedgerLine
from secondlook.review.selection_settings import SelectionSettings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


class NightSelection(JsonDocument):
    """A night's images for review, best-ranked first: its own, then those that earlier nights postponed.

    ``selected_on`` is the date (UTC) of the selection. Its calendar month pays, and from that day on what is
    postponed waits for a later night. ``chosen_by`` are the settings of the run that made it; None when it
    completes a ledger that was written without a budget.
    """

    remedy: ClassVar[str] = "restore it"

    selected_on: date
    lines: tuple[Annotated[LedgerLine, PlainSerializer(LedgerLine.to_record)], ...]
    chosen_by: SelectionSettings | None = None

    @property
    def month(self) -> str:
        """The calendar month (``YYYY-MM``) whose budget pays."""
        return month_of(self.selected_on)

    @property
    def digest(self) -> str:
        """A hash of month and loops, by which a reservation knows the selection it was made for."""
        return digest(self.month, *self.loops, length=20)

    @property
    def loops(self) -> list[str]:
        """The human loops of its lines."""
        return [line.loop for line in self.lines]

    @property
    def taken_up(self) -> dict[str, list[str]]:
        """Loops that earlier nights postponed, by that night."""
        nights: dict[str, list[str]] = {}
        for line in self.lines:
            if line.from_night is not None:
                nights.setdefault(line.from_night, []).append(line.loop)
        return nights

    def ledger(self, granted: Collection[str]) -> list[LedgerLine]:
        """Return the ledger: what was granted is asked, the night's own rest is postponed.

        What an earlier night postponed and is not granted stays that night's, ready for another.
        """
        return [
            line if line.loop in granted else replace(line, state="postponed", state_reason=OVER_BUDGET)
            for line in self.lines
            if line.loop in granted or line.from_night is None
        ]


def take_up(
    own: Sequence[LedgerLine], postponed: Mapping[str, Sequence[LedgerLine]], room: int
) -> tuple[LedgerLine, ...]:
    """Return the night's own lines, and after them up to ``room`` that earlier nights postponed.

    The nights come in their order and within a night the best-ranked; ranks go on counting after the own.

    Parameters
    ----------
    own
        The night's own selection.
    postponed
        Postponed lines of earlier nights, by the night whose ledger has them, the first to be taken up first.
    room
        Most lines to take up.
    """
    lines = {line.loop: line for line in own}
    waiting = (
        (night, line)
        for night, postponed_lines in postponed.items()
        for line in sorted(postponed_lines, key=lambda line: line.rank)
    )
    for night, line in waiting:
        if len(lines) - len(own) >= room:
            break
        if line.loop not in lines:
            lines[line.loop] = replace(
                line, state="asked", state_reason=None, from_night=night, rank=len(lines) + 1
            )
    return tuple(lines.values())
