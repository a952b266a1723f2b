"""One launch of a night's reviews, in two steps: the ledger with what it will take, then the human loops."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from secondlook.launching.flow import ReviewFlow
from secondlook.launching.ledger import NightLedger
from secondlook.launching.loops import LoopStarter
from secondlook.records.budgets import OverBudgetError, ReviewBudget
from secondlook.records.reviews import ReviewRecords
from secondlook.records.scored_night import read_scored_night
from secondlook.review import Forecast, LaunchSummary, NightSelector, money
from secondlook.runtime.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from secondlook.hooks.a2i import A2IHook
    from secondlook.hooks.s3 import ObjectStore
    from secondlook.layout import Layout
    from secondlook.review import LedgerLine, NightSelection
    from secondlook.runtime.notes import TaskNote
    from secondlook.runtime.pace import Timing
    from secondlook.runtime.task_log import Log


@dataclass(frozen=True)
class PreparedLaunch:
    """A night whose loops are about to start.

    Attributes
    ----------
    lines
        The night's ledger; None when there is none, as no review is allowed.
    published_rule
        How many images the published rule would have sent to review.
    existing
        Loops that were started before.
    selection
        What the budget has decided about; None without a budget.
    forecast
        What the loops to be started will take; None without a ledger.
    told
        The same as a sentence, with how much of the month that pays is reserved.
    """

    lines: Sequence[LedgerLine] | None
    published_rule: int
    existing: Collection[str] = frozenset()
    selection: NightSelection | None = None
    forecast: Forecast | None = None
    told: str = ""

    @property
    def asked(self) -> list[LedgerLine]:
        """The lines that people are asked about, best-ranked first."""
        return [line for line in self.lines or () if line.asked]


class NightLaunch:
    """The launch of one night: it may die anywhere, and run any number of times side by side.

    ``selector`` has the night and the run's settings.
    """

    def __init__(
        self,
        selector: NightSelector,
        store: ObjectStore,
        layout: Layout,
        service: A2IHook,
        *,
        note: TaskNote,
        log: Log,
        timing: Timing,
    ) -> None:
        night, review = selector.night, selector.review
        self._selector = selector
        self._store = store
        self._layout = layout
        self._currency = review.currency
        self._flow = ReviewFlow(service, selector.flow, review.price_per_review)
        self._records = ReviewRecords(store, layout, night)
        self._budget = ReviewBudget(
            store, layout, night, review, image_cost=self._flow.image_cost, timing=timing
        )
        self._ledger = NightLedger(selector, store, self._records, self._budget, note=note, log=log)
        pace = Pace(review.loops_per_second, sleep=timing.sleep)
        self._loops = LoopStarter(
            service, self._flow, night=night, labels=selector.labels, pace=pace, log=log
        )

    def prepare(self, *, choose_again: bool) -> PreparedLaunch:
        """Make or follow the ledger, and find out what is still to be started.

        Raises like :meth:`NightLedger.lines`, and NothingScoredError when the night was not scored.
        """
        night, model = self._selector.night, self._selector.model
        predictions = read_scored_night(self._store, self._layout, night, model)
        lines = self._ledger.lines(predictions, choose_again=choose_again)
        if lines is None:
            return PreparedLaunch(None, predictions.published_rule)
        asked = [line for line in lines if line.asked]
        existing = self._loops.existing(asked, self._records.outcomes() or {}) if asked else frozenset()
        selection = self._budget.selection_of(asked, existing)
        forecast = self._flow.forecast(lines, existing, self._store, self._currency)
        told = f"Forecast for {night}: {forecast}."
        if selection is not None and asked:
            told += f" Budget of {self._budget.describe(selection, self._currency)}."
        return PreparedLaunch(lines, predictions.published_rule, existing, selection, forecast, told)

    def start(self, prepared: PreparedLaunch) -> LaunchSummary:
        """Start the loops that are missing and have a place in the budget; write and return the counts.

        Raises
        ------
        OverBudgetError
            Loops of an existing ledger have no place; all others were started.
        """
        lines, selection = prepared.lines, prepared.selection
        if lines is None:
            return self._records.write_summary(
                LaunchSummary(night=self._selector.night, published_rule=prepared.published_rule)
            )
        asked = prepared.asked
        reserved = self._budget.reserved(selection, lines, prepared.existing)
        release = partial(self._budget.release, selection)
        done = self._loops.start(asked, prepared.existing, reserved, release)
        if done.without_room:
            raise self._over_budget(done.without_room, asked, selection)
        reasons = Counter(line.reason for line in asked)
        cost = None if selection is None else str(money(len(asked) * self._budget.priced.image_cost))
        return self._records.write_summary(
            LaunchSummary(
                night=self._selector.night,
                ledger=self._records.ledger_uri,
                selected=len(asked),
                started=done.started,
                adopted=done.adopted,
                published_rule=prepared.published_rule,
                by_policy=reasons["policy"],
                by_audit=reasons["audit"],
                postponed=len(lines) - len(asked),
                taken_up=sum(line.from_night is not None for line in asked),
                month=None if selection is None else selection.month,
                cost=cost,
            )
        )

    def _over_budget(
        self, without_room: list[LedgerLine], asked: list[LedgerLine], selection: NightSelection | None
    ) -> OverBudgetError:
        month = f" of {selection.month}" if selection is not None else ""
        return OverBudgetError(
            f"{len(without_room)} of the {len(asked)} reviews in {self._records.ledger_uri}, the first of "
            f"{without_room[0].image}, have no place in the budget{month} and were not started: raise the "
            "budget, then clear the task."
        )
