"""Budgets of reviews in S3: planned once, reserved by compare-and-swap, released only when nobody was asked.

A launch under a budget goes through four documents, each written once or swapped, so that it may die after
any of them and run any number of times side by side:

1. ``reviews/<night>/selection-<round>.json``: what the night would have reviewed, and the month that
   pays. Written once.
2. ``reviews/<earlier night>/taken-up.json``: which later night may ask what that night deferred. Swapped;
   see :mod:`secondlook.records.postponed`.
3. ``budgets/<month>.json``: which of the plan's loops the month has room for. Swapped, settled once a plan.
4. ``reviews/<night>/ledger.jsonl``: follows from 1 and 3. Written once; loops start only after it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from secondlook.hooks.s3 import ObjectChangedError, ObjectMissingError
from secondlook.records.document import swap
from secondlook.records.postponed import DeferredReviews
from secondlook.review import MonthBudget, ReviewPlan, money, month_of, take_up

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from secondlook.hooks.s3 import ObjectStore
    from secondlook.layout import Layout
    from secondlook.records.document import Log
    from secondlook.review import LedgerLine, ReviewChoice, Terms
    from secondlook.review.budget import Reservation


def utc_now() -> datetime:
    """Return the time that decides which calendar month pays, and since when deferred images wait."""
    return datetime.now(UTC)


class ReviewBudget:
    """What one night and round may ask, and the budget documents behind it.

    :param store: the bucket.
    :param layout: where things lie in it.
    :param night: the night whose reviews are launched, YYYY-MM-DD.
    :param round: its review round.
    :param deferred_nights: for how many days after a night was launched its deferred images are taken up.
    :param log: the task's log.
    """

    def __init__(
        self, store: ObjectStore, layout: Layout, night: str, round: int, *, deferred_nights: int, log: Log
    ) -> None:
        self._store = store
        self._layout = layout
        self._night = night
        self._log = log
        self.key = f"{night}/{round}"
        self._deferred = DeferredReviews(store, layout, night, self.key, days=deferred_nights, log=log)
        self.plan_key = layout.review_selection(night, round)

    def in_use(self, terms: Terms) -> bool:
        """Say whether there is a limit, or was one in an earlier month that may have deferred images."""
        if terms.limited:
            return True
        return next(iter(self._store.list_objects(self._layout.budgets() + "/")), None) is not None

    def read_plan(self) -> ReviewPlan | None:
        """Return the night's plan, or None when it was launched without a budget or not yet."""
        try:
            data, _ = self._store.read(self.plan_key)
        except ObjectMissingError:
            return None
        return ReviewPlan.from_json(data, source=self._store.uri(self.plan_key))

    def make_plan(
        self,
        own: Sequence[LedgerLine],
        limit: int,
        terms: Terms,
        askable: Callable[[LedgerLine, str], bool],
        chosen_by: ReviewChoice | None = None,
    ) -> ReviewPlan:
        """Write the plan, unless there is one: then that is followed.

        Parameters
        ----------
        own
            The night's own selection, best-ranked first.
        limit
            Most images of the night; what the own selection leaves of it is free for deferred ones.
        terms
            Price and limits.
        askable
            Says whether a deferred line of a night can still be asked about.
        chosen_by
            What the own selection was chosen by.
        """
        today = utc_now().date()
        # Another night may have taken up an image of this one when a person has its plan made anew.
        claims = self._deferred.claims(self._night)
        own = [line for line in own if claims.get(line.loop, self.key) == self.key]
        room = self._month(month_of(today)).room(self.key, terms)
        free = (limit if room is None else min(limit, room)) - len(own)
        loops = {line.loop for line in own}
        deferred = self._deferred.waiting(today, free, askable, loops) if free > 0 else {}
        return self._write_plan(ReviewPlan(today, tuple(take_up(own, deferred, free)), chosen_by))

    def plan_rest(self, lines: Sequence[LedgerLine]) -> ReviewPlan:
        """Write the plan of what a ledger that was written without a budget has still to start.

        It settles which month pays, so that a retry in another month reserves nothing twice.
        """
        return self._write_plan(ReviewPlan(utc_now().date(), tuple(lines)))

    def _write_plan(self, plan: ReviewPlan) -> ReviewPlan:
        try:
            self._store.write_if_absent(self.plan_key, plan.to_json())
        except ObjectChangedError:
            # Two runs of the night at once: both follow the plan that was there first.
            return self.read_plan() or plan
        return plan

    def extend(self, new: Sequence[LedgerLine], waiting: Collection[str], terms: Terms) -> list[LedgerLine]:
        """Settle what is chosen again for a night that has a ledger; it takes up nothing of earlier nights.

        It follows from the choice alone, so a launch that dies on the way comes to the same.

        Parameters
        ----------
        new
            Lines that the ledger does not ask, best-ranked first.
        waiting
            Loops that the ledger has deferred: those that a later night has claimed are left out.
        terms
            Price and limits.
        """
        again = [line.loop for line in new if line.loop in waiting]
        mine = frozenset(self._deferred.claim(self._night, again) if again else ())
        lines = [line for line in new if line.loop not in waiting or line.loop in mine]
        if lines and self.in_use(terms):
            # The same images may have been planned before, when there was no room.
            lines = self.settle(self._replace_plan(lines), terms, anew=True)
        self._leave([line.loop for line in lines if line.loop in mine and not line.asked])
        return lines

    def give_up(
        self, lines: Sequence[LedgerLine], waiting: Collection[str], ledger: Sequence[LedgerLine]
    ) -> None:
        """Leave what :meth:`extend` settled and the ledger does not ask, because another run was first."""
        asked = {line.loop for line in ledger if line.asked}
        lost = [line.loop for line in lines if line.asked and line.loop not in asked]
        plan = self.read_plan()
        if plan is not None and lost:
            self._release(plan, lost, still_asked=False)
        self._leave([loop for loop in lost if loop in waiting])

    def _leave(self, loops: Sequence[str]) -> None:
        if loops:
            self._deferred.unclaim(self._night, loops)

    def _replace_plan(self, lines: Sequence[LedgerLine]) -> ReviewPlan:
        """Write the plan of these lines, unless it is there; the ledger has what the earlier one settled."""
        plan = ReviewPlan(utc_now().date(), tuple(lines))

        def change(data: bytes | None) -> tuple[bytes | None, ReviewPlan]:
            if data is not None:
                there = ReviewPlan.from_json(data, source=self._store.uri(self.plan_key))
                if [line.loop for line in there.lines] == [line.loop for line in lines]:
                    return None, there
            return plan.to_json(), plan

        return swap(self._store, self.plan_key, change, self._log)

    def settle(self, plan: ReviewPlan, terms: Terms, *, anew: bool = False) -> list[LedgerLine]:
        """Reserve what the month has room for, and return the ledger that follows from it.

        ``anew``: what had no room for this plan before may have it now.
        """
        if not plan.lines:
            return []
        claimed = {
            loop for night, loops in plan.taken_up.items() for loop in self._deferred.claim(night, loops)
        }
        wanted = [line.loop for line in plan.lines if line.from_night is None or line.loop in claimed]
        lines = plan.settle(self._reserve(plan, wanted, terms, anew=anew).decided)
        if any(not line.asked for line in lines):
            self._deferred.mark(plan.planned_on)
        self.give_back(plan, lines)
        return lines

    def confirm(self, plan: ReviewPlan, lines: Sequence[LedgerLine], terms: Terms) -> frozenset[str]:
        """Return which loops are paid for, after reserving what there is room for of these.

        Parameters
        ----------
        plan
            The night's plan; its month pays.
        lines
            Lines of an existing ledger that are asked. The ledger is fixed, so what had no place once, or
            gave it back, gets one as soon as there is room.
        terms
            Price and limits.
        """
        wanted = [line.loop for line in lines]
        return frozenset(self._reserve(plan, wanted, terms, anew=True).loops)

    def release(self, plan: ReviewPlan, loop: str) -> None:
        """Give back what is reserved for a loop of the ledger that surely never started."""
        self._release(plan, [loop], still_asked=True)

    def _release(self, plan: ReviewPlan, loops: Collection[str], *, still_asked: bool) -> None:
        def change(data: bytes | None) -> tuple[bytes | None, None]:
            budget = self._read(plan.month, data).release(self.key, loops, still_asked=still_asked)
            return budget.to_json(), None

        swap(self._store, self._layout.budget(plan.month), change, self._log)

    def give_back(self, plan: ReviewPlan, lines: Sequence[LedgerLine]) -> None:
        """Leave to other nights what the plan meant to take up and the ledger does not ask."""
        asked = {line.loop for line in lines if line.asked}
        for night, loops in plan.taken_up.items():
            unused = [loop for loop in loops if loop not in asked]
            if unused:
                self._deferred.unclaim(night, unused)

    def describe(self, month: str, terms: Terms, currency: str) -> str:
        """Say how much of a month is reserved."""
        budget = self._month(month)
        images = "" if terms.month_limit is None else f" of {terms.month_limit}"
        spent = "" if terms.month_money is None else f" of {terms.month_money}"
        return f"{month}: {budget.images}{images} images, {money(budget.spent)}{spent} {currency} reserved"

    def _reserve(
        self, plan: ReviewPlan, wanted: Sequence[str], terms: Terms, *, anew: bool = False
    ) -> Reservation:
        def change(data: bytes | None) -> tuple[bytes | None, Reservation]:
            budget = self._read(plan.month, data).reserve(self.key, plan.digest, wanted, terms, anew=anew)
            return budget.to_json(), budget.reservations[self.key]

        return swap(self._store, self._layout.budget(plan.month), change, self._log)

    def _month(self, month: str) -> MonthBudget:
        try:
            data, _ = self._store.read(self._layout.budget(month))
        except ObjectMissingError:
            return MonthBudget(month)
        return self._read(month, data)

    def _read(self, month: str, data: bytes | None) -> MonthBudget:
        if data is None:
            return MonthBudget(month)
        return MonthBudget.from_json(data, source=self._store.uri(self._layout.budget(month)))
