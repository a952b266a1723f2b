"""The budgets of calendar months in S3: what one night and round reserves in them, by compare-and-swap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondlook.records.document import Document
from secondlook.review import MonthBudget

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from secondlook.hooks.s3 import ObjectStore
    from secondlook.layout import Layout
    from secondlook.review import NightSelection, PricedLimits
    from secondlook.review.budget import Reservation


class MonthBudgets:
    """The months' budgets as one night and round, ``<night>/<round>``, uses them."""

    def __init__(
        self, store: ObjectStore, layout: Layout, key: str, *, wait: Callable[[int], None] | None = None
    ) -> None:
        self._store = store
        self._layout = layout
        self._key = key
        self._wait = wait

    def of(self, month: str) -> MonthBudget:
        """Return a month's budget as it is now; an empty one when nothing is reserved."""
        return self._document(month).read() or MonthBudget(month=month)

    def reserve(
        self, selection: NightSelection, wanted: Sequence[str], priced: PricedLimits, *, again: bool
    ) -> Reservation:
        """Reserve wanted loops in the month that pays for a selection; see :meth:`MonthBudget.reserve`."""

        def change(now: MonthBudget | None) -> MonthBudget:
            budget = now or MonthBudget(month=selection.month)
            return budget.reserve(self._key, selection.digest, wanted, priced, again=again)

        return self._document(selection.month).swap(change).reservations[self._key]

    def release(self, selection: NightSelection, loops: Collection[str], *, still_asked: bool) -> None:
        """Give back loops of a selection that surely never started; see :meth:`MonthBudget.release`."""

        self._document(selection.month).update(
            lambda now: now.release(self._key, loops, still_asked=still_asked)
        )

    def _document(self, month: str) -> Document[MonthBudget]:
        return Document(self._store, self._layout.budget(month), MonthBudget, wait=self._wait)
