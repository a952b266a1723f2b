"""Budgets of reviews in S3: reserved by compare-and-swap, released only for loops that never started.

A launch under a budget goes through four documents, each written once or swapped, so that it may die after
any of them and run any number of times side by side:

1. ``reviews/<night>/selection-<round>.json``: the images for review if the budget had room for all, and the
   month that pays. Written once.
2. ``reviews/<earlier night>/taken-up.json``: which later night may ask what that night postponed. Swapped;
   see :mod:`secondlook.records.postponed`.
3. ``budgets/<month>.json``: which of the selected loops the month has room for. Swapped, decided once for a
   selection.
4. ``reviews/<night>/ledger.jsonl``: follows from 1 and 3. Written once; loops start only after it.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from secondlook.failures.exceptions import BudgetError
from secondlook.records.document import Document
from secondlook.records.months import MonthBudgets
from secondlook.records.postponed import PostponedReviews
from secondlook.review import Limits, NightSelection, month_of, take_up

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from decimal import Decimal

    from secondlook.hooks.s3 import ObjectStore
    from secondlook.layout import Layout
    from secondlook.review import LedgerLine, PricedLimits, SelectionSettings
    from secondlook.runtime.pace import Timing
    from secondlook.settings import ReviewSettings


class OverBudgetError(BudgetError):
    """The ledger has a review that the budget has no room for any more."""


class ReviewBudget:
    """What one night and round may ask, and the budget documents behind it.

    Parameters
    ----------
    night
        The night whose reviews are launched, YYYY-MM-DD.
    review
        Its review round, the limits, and for how many days later nights take up what is postponed.
    image_cost
        Returns what an image costs; called only when there is something to reserve.
    timing
        Its clock decides which calendar month pays, and since when postponed images wait.
    """

    def __init__(
        self,
        store: ObjectStore,
        layout: Layout,
        night: str,
        review: ReviewSettings,
        *,
        image_cost: Callable[[], Decimal],
        timing: Timing,
    ) -> None:
        self._store = store
        self._layout = layout
        self._night = night
        self._image_cost = image_cost
        self._now = timing.now
        wait, round = timing.after_lost_swap, review.round
        self.limits = Limits.of(review)
        self.key = f"{night}/{round}"
        self._postponed = PostponedReviews(
            store, layout, night, self.key, days=review.postponed_nights, wait=wait
        )
        self._selection = Document(
            store, layout.review_selection(night, review.round), NightSelection, wait=wait
        )
        self._months = MonthBudgets(store, layout, self.key, wait=wait)
        self.selection_uri = self._selection.uri

    @cached_property
    def priced(self) -> PricedLimits:
        """The limits, and what an image costs."""
        return self.limits.priced(self._image_cost())

    def in_use(self) -> bool:
        """Say whether there is a limit, or was one in an earlier month that may have postponed images."""
        if self.limits.limited:
            return True
        return next(iter(self._store.list_objects(self._layout.budgets() + "/")), None) is not None

    def read_selection(self) -> NightSelection | None:
        """Return the night's selection, or None when it was launched without a budget or not yet."""
        return self._selection.read()

    def select(
        self,
        own: Sequence[LedgerLine],
        limit: int,
        asks_the_same: Callable[[LedgerLine, str], bool],
        chosen_by: SelectionSettings,
    ) -> NightSelection:
        """Write the night's selection, unless there is one: then that is followed.

        Parameters
        ----------
        own
            The night's own images, best-ranked first.
        limit
            Most images of the night; what its own leave of it is free for postponed ones.
        asks_the_same
            Says whether a postponed line of a night can still be launched.
        chosen_by
            What the own images were selected by.
        """
        today = self._now().date()
        # Another night may have taken up an image of this one when a person has it selected again.
        claims = self._postponed.claims(self._night)
        own = [line for line in own if claims.free_for(line.loop, self.key)]
        room = self._months.of(month_of(today)).room(self.key, self.priced)
        free = (limit if room is None else min(limit, room)) - len(own)
        loops = {line.loop for line in own}
        waiting = self._postponed.waiting(today, free, asks_the_same, loops) if free > 0 else {}
        lines = take_up(own, waiting, free)
        return self._selection.write_once(NightSelection(selected_on=today, lines=lines, chosen_by=chosen_by))

    def reserve(self, selection: NightSelection, *, again: bool = False) -> list[LedgerLine]:
        """Reserve what the month has room for, and return the ledger that follows from it.

        ``again``: what had no room for this selection before may have it now.
        """
        if not selection.lines:
            return []
        claimed = {
            loop
            for night, loops in selection.taken_up.items()
            for loop in self._postponed.claim(night, loops)
        }
        wanted = [line.loop for line in selection.lines if line.from_night is None or line.loop in claimed]
        reservation = self._months.reserve(selection, wanted, self.priced, again=again)
        lines = selection.ledger(reservation.decided)
        if any(not line.asked for line in lines):
            self._postponed.mark(selection.selected_on)
        self._give_back(selection, lines)
        return lines

    def reserve_more(self, new: Sequence[LedgerLine], waiting: Collection[str]) -> list[LedgerLine]:
        """Return the lines that choosing again adds to a ledger; nothing of earlier nights is taken up.

        They follow from the selection alone, so a launch that dies on the way comes to the same.

        Parameters
        ----------
        new
            Lines that the ledger does not ask, best-ranked first.
        waiting
            Loops that the ledger has postponed: those that a later night has claimed are left out.
        """
        again = [line.loop for line in new if line.loop in waiting]
        mine = frozenset(self._postponed.claim(self._night, again) if again else ())
        lines = [line for line in new if line.loop not in waiting or line.loop in mine]
        if lines and self.in_use():
            # The same images may have been selected before, when there was no room.
            lines = self.reserve(self._replace_selection(lines), again=True)
        self._postponed.unclaim(
            self._night, [line.loop for line in lines if line.loop in mine and not line.asked]
        )
        return lines

    def give_up(
        self, lines: Sequence[LedgerLine], waiting: Collection[str], ledger: Sequence[LedgerLine]
    ) -> None:
        """Leave what :meth:`reserve_more` reserved and the ledger does not ask: another run was first."""
        asked = {line.loop for line in ledger if line.asked}
        lost = [line.loop for line in lines if line.asked and line.loop not in asked]
        selection = self.read_selection()
        if selection is not None and lost:
            self._months.release(selection, lost, still_asked=False)
        self._postponed.unclaim(self._night, [loop for loop in lost if loop in waiting])

    def selection_of(self, asked: Sequence[LedgerLine], existing: Collection[str]) -> NightSelection | None:
        """Return the night's selection; None when nothing of an existing ledger has to be reserved.

        A ledger that was written without a budget gets one of what it has still to start. Its month pays, so
        that a retry in another month reserves nothing twice.
        """
        selection = self.read_selection()
        missing = tuple(line for line in asked if line.loop not in existing)
        if selection is None and missing and self.limits.limited:
            today = self._now().date()
            selection = self._selection.write_once(NightSelection(selected_on=today, lines=missing))
        return selection

    def reserved(
        self, selection: NightSelection | None, lines: Sequence[LedgerLine], existing: Collection[str]
    ) -> frozenset[str] | None:
        """Return which loops of a ledger may start; None when there is no budget.

        The ledger is fixed, so what had no place once, or gave it back, gets one as soon as there is room.

        Parameters
        ----------
        selection
            The night's; its month pays.
        lines
            The ledger.
        existing
            Loops that were started before.
        """
        if selection is None:
            # With a limit and without a selection all loops exist; one that vanishes now has no place.
            return frozenset() if self.limits.limited else None
        self._give_back(selection, lines)
        selected = set(selection.loops)
        wanted = [
            line.loop for line in lines if line.asked and (line.loop in selected or line.loop not in existing)
        ]
        if not wanted:
            return frozenset()
        return frozenset(self._months.reserve(selection, wanted, self.priced, again=True).loops)

    def release(self, selection: NightSelection | None, loop: str) -> None:
        """Give back what is reserved for a loop of the ledger that surely never started."""
        if selection is not None:
            self._months.release(selection, [loop], still_asked=True)

    def describe(self, selection: NightSelection, currency: str) -> str:
        """Say how much of the month that pays is reserved."""
        return self._months.of(selection.month).describe(self.limits, currency)

    def _give_back(self, selection: NightSelection, lines: Sequence[LedgerLine]) -> None:
        """Leave to other nights what the selection meant to take up and the ledger does not ask."""
        asked = {line.loop for line in lines if line.asked}
        for night, loops in selection.taken_up.items():
            self._postponed.unclaim(night, [loop for loop in loops if loop not in asked])

    def _replace_selection(self, lines: Sequence[LedgerLine]) -> NightSelection:
        """Write a selection of these lines, unless it is there; the ledger has what the earlier one gave."""
        made = NightSelection(selected_on=self._now().date(), lines=tuple(lines))

        def change(now: NightSelection | None) -> NightSelection:
            return now if now is not None and now.loops == made.loops else made

        return self._selection.swap(change)
