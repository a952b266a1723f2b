"""From predictions to questions: the human loops that ask people about the night's images."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from secondlook import jsonl
from secondlook.failures.exceptions import BudgetError
from secondlook.hooks.human_loops import InvalidLoopError
from secondlook.operators.review_choice import ReviewChoiceOperator
from secondlook.review import money
from secondlook.runtime.links import ReviewLink
from secondlook.runtime.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from airflow.sdk import Context

    from secondlook.review import LedgerLine, ReviewPlan

PROGRESS_EVERY = 50


class OverBudgetError(BudgetError):
    """The ledger asks for a review that the budget has no room for any more."""


@dataclass
class _Started:
    """How the loops of a ledger came about."""

    started: int = 0
    adopted: int = 0

    @property
    def total(self) -> int:
        return self.started + self.adopted


class HumanLoopStartOperator(ReviewChoiceOperator):
    """Chooses the night's images for review and starts one human loop for each.

    What is chosen is written to ``reviews/<night>/ledger.jsonl`` before the first loop starts, and only if
    there is no ledger yet: from then on the ledger is the truth. A retry, a cleared task or a second run of
    the same night chooses nothing again, starts the loops that are missing and adopts those that exist, so
    no image is asked about, or paid for, twice. If it would have chosen by another policy, limit or audit
    share, it says so in the log and in the note; with ``choose_again`` it adds to the ledger what it
    chooses among the images that are not asked about. With a ``review_limit`` of 0 a night without a ledger
    stays without one, open for a later run. Loops start one after another, the highest-ranked first: when
    something stops the task half-way, the most useful questions are out.

    With a budget, what is asked is reserved in ``budgets/<month>.json`` by compare-and-swap before the ledger
    is written, so that parallel runs, retries and backfills together cannot exceed it. The best-ranked images
    are asked; the rest stand in the ledger as ``deferred``, and a later night takes them up after its own
    images, as far as its own limit and the budget have room: what waits longest first, from nights before it
    that were launched at most ``deferred_nights`` days ago, an archive's as well. The month that pays is
    the one (UTC) in which the night is launched, for a backfilled night too. What was started while no
    budget was set is not counted; what a ledger of that time has still to start is reserved first, and what
    of it finds no room is not started and fails the task.

    Before the first loop starts, the log, the XCom ``forecast`` and, with ``airflow_conn_id``, the task's
    note tell how many images are still to be asked about, for how much money and how much of people's
    time, at the median of recent answers.

    Returns, and keeps in ``reviews/<night>/launch.json``, ``{"night", "ledger", "selected", "started",
    "adopted", "published_rule", "by_policy", "by_audit"}``. ``published_rule`` is how many images the
    published rule (top score below 0.5) would have asked about; ``started`` and ``adopted`` are about this
    run and add up to ``selected``. Under a budget there are also ``deferred``, ``taken_up``, ``month`` and
    ``cost``. ``ledger`` is None when there is none, as no review was allowed.

    What it does not do: wait for anybody, or take a question back.

    :param night: the night, YYYY-MM-DD (templated).
    :param model: id of the model whose predictions are read (templated).
    :param flow_definition_name: the flow definition that the loops run on (templated).
    :param labels: all labels, index = class id (templated).
    :param review_policy: ``top_score``, ``uncertainty_sum``, ``random`` or ``package.module:Class``
        (templated).
    :param policy_params: keyword arguments of the policy (templated).
    :param review_limit: most images to ask about in this round (templated).
    :param audit_share: share of the limit chosen at random, 0 to 1 (templated).
    :param choose_again: for a night that has a ledger: whether to add to it what these arguments choose
        among the images that it does not ask about, up to the limit (templated).
    :param predraw_score: detections from this score on are drawn for the reviewer (templated).
    :param round: 1 for the first review of an image version; a higher number asks again (templated).
    :param seed: seed of the lots (templated).
    :param loops_per_second: most human loops that this task starts in a second, None: no limit (templated).
    :param price_per_review: money for one reviewer's answer about one image; an image costs as many as its
        flow definition asks (templated).
    :param currency: of all money, for people to read (templated).
    :param night_money: most money for the night, all rounds together, None: no limit (templated).
    :param month_limit: most images in a calendar month, None: no limit (templated).
    :param month_money: most money in a calendar month, None: no limit (templated).
    :param deferred_nights: for how many days after a night was launched later nights take up what it
        deferred; 0: this night takes up nothing (templated).
    :param a2i_conn_id: Airflow connection of Amazon A2I or a Review Desk (templated).
    :param airflow_conn_id: Airflow connection to Airflow's own REST API, for the task's note (templated).
    """

    template_fields: Sequence[str] = (
        *ReviewChoiceOperator.template_fields,
        "loops_per_second",
    )
    operator_extra_links = (ReviewLink(),)

    def __init__(self, *, loops_per_second: float | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.loops_per_second = loops_per_second
        self._check_arguments()

    def execute(self, context: Context) -> dict[str, Any]:
        """Choose unless chosen already, start what is missing, and return the counts."""
        self._check_arguments()
        self.remarks.clear()
        predictions = self._predictions(self.model)
        lines = self._ledger(predictions)
        predictions.read_to_the_end()
        if lines is None:
            self.note(context)
            return self._summary(_Started(), [], predictions.published_rule, ledger=None)
        ledger = [line for line in lines if line.asked]
        self._log_choice(ledger, predictions)
        existing = self._existing_loops(ledger)
        plan = self.budget.read_plan()
        unplanned = self._unplanned(ledger, plan, existing)
        if plan is None and unplanned:
            plan = self.budget.plan_rest(unplanned)
        self.forecast(context, lines, plan, existing)
        paid = self._paid(plan, lines, unplanned)
        done = self._start_all(context, ledger, plan, paid, existing)
        more: dict[str, Any] = {}
        if plan is not None:
            more = {
                "deferred": len(lines) - len(ledger),
                "taken_up": sum(line.from_night is not None for line in ledger),
                "month": plan.month,
                "cost": str(money(len(ledger) * self.terms.image_cost)),
            }
        address = self.layout.uri(self.records.ledger_key)
        return self._summary(done, ledger, predictions.published_rule, ledger=address, **more)

    def _summary(
        self, done: _Started, asked: list[LedgerLine], published_rule: int, **more: Any
    ) -> dict[str, Any]:
        """Write the counts of this run, and return them."""
        reasons = Counter(line.reason for line in asked)
        result = {
            "night": self.night,
            "selected": len(asked),
            "started": done.started,
            "adopted": done.adopted,
            "published_rule": published_rule,
            "by_policy": reasons["policy"],
            "by_audit": reasons["audit"],
            **more,
        }
        self.store.write(self.records.summary_key, jsonl.canonical(result).encode())
        return result

    @cached_property
    def pace(self) -> Pace | None:
        """How fast loops may start (after rendering)."""
        return None if self.loops_per_second is None else Pace(float(self.loops_per_second))

    def _check_arguments(self) -> None:
        self.check_choice()
        self.check_number("loops_per_second", self.loops_per_second, minimum=0.001)

    def _unplanned(
        self, ledger: list[LedgerLine], plan: ReviewPlan | None, existing: Collection[str]
    ) -> list[LedgerLine]:
        """Return the reviews that are still to be started and that no plan of the budget knows.

        There are some when the ledger was written before a limit was set, or by a run that saw none.
        """
        if plan is None and not self.limits.limited:
            return []
        planned = {line.loop for line in plan.lines} if plan is not None else set()
        return [line for line in ledger if line.loop not in planned and line.loop not in existing]

    def _paid(
        self, plan: ReviewPlan | None, lines: list[LedgerLine], unplanned: list[LedgerLine]
    ) -> frozenset[str] | None:
        """Return the loops that are reserved; None when there is no budget to reserve them in."""
        if plan is None:
            # With a limit and without a plan all loops exist; one that vanishes now is not paid for.
            return frozenset() if self.limits.limited else None
        self.budget.give_back(plan, lines)
        planned = {line.loop for line in (*plan.lines, *unplanned)}
        wanted = [line for line in lines if line.asked and line.loop in planned]
        return self.budget.confirm(plan, wanted, self.terms) if wanted else frozenset()

    def _start_all(
        self,
        context: Context,
        ledger: list[LedgerLine],
        plan: ReviewPlan | None,
        paid: frozenset[str] | None,
        existing: Collection[str],
    ) -> _Started:
        done = _Started()
        if not ledger:
            return done
        flow_arn = self.flow.arn
        ReviewLink.persist(context, self, client=self.service.control, name=self.flow_definition_name)
        unpaid = []
        for line in ledger:
            if line.loop in existing:
                done.adopted += 1
            elif paid is not None and line.loop not in paid:
                unpaid.append(line)
            elif self._start(flow_arn, line, plan):
                done.started += 1
            else:
                done.adopted += 1
            if done.total % PROGRESS_EVERY == 0 or done.total == len(ledger):
                self.log.info(
                    "%d of %d human loops: %d started, %d existed already.",
                    *(done.total, len(ledger), done.started, done.adopted),
                )
        if unpaid:
            month = f" of {plan.month}" if plan is not None else ""
            raise OverBudgetError(
                f"{len(unpaid)} of the {len(ledger)} reviews in {self.store.uri(self.records.ledger_key)}, "
                f"the first of {unpaid[0].image}, have no place in the budget{month} and were not started: "
                "raise the budget, then clear the task."
            )
        return done

    def _existing_loops(self, ledger: list[LedgerLine]) -> frozenset[str]:
        """Return the loops that were started before."""
        # A loop that has ended may be deleted by now; its outcome keeps it from being asked again.
        recorded = (self.records.outcomes() or {}) if ledger else {}
        return frozenset(
            line.loop
            for line in ledger
            if line.loop in recorded or self.service.describe(line.loop) is not None
        )

    def _start(self, flow_arn: str, line: LedgerLine, plan: ReviewPlan | None) -> bool:
        """Start the loop of a line; return False when it exists with another input."""
        content = line.input_content(labels=self.labels, night=self.night)
        if self.pace:
            self.pace.wait()
        try:
            started = self.service.start(flow_arn, line.loop, content)
        except InvalidLoopError:
            if plan is not None and self.service.describe(line.loop) is None:
                # Nobody can have been asked: what was kept for it is free for others.
                self.budget.release(plan, line.loop)
            raise
        if started:
            return True
        self.log.warning(
            "The human loop %s of %s exists with another input; it is adopted as it is.",
            line.loop,
            line.image,
        )
        return False
