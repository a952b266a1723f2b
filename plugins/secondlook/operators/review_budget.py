"""The arguments of a review budget, and the forecast that follows from them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from secondlook.failures.exceptions import BudgetError
from secondlook.hooks.human_loops import HumanReviewService
from secondlook.names import FLOW_NAME, NIGHT
from secondlook.operators.base import ArgumentError, SecondLookOperator, is_template
from secondlook.records.budgets import ReviewBudget
from secondlook.records.recent_answers import recent_seconds
from secondlook.review import Forecast, Terms, money

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from airflow.sdk import Context

    from secondlook.hooks.human_loops import ActiveFlow
    from secondlook.review import LedgerLine, ReviewPlan

FORECAST_XCOM = "forecast"
_AMOUNTS = ("price_per_review", "night_money", "month_money")


class BudgetedReviewsOperator(SecondLookOperator):
    """Base of an operator that asks people: what a review costs and how much is allowed.

    A review is one reviewer's answer about one image: an image costs as many as its flow definition asks for
    (``TaskCount``). Numbers count images, money counts answers.

    :param night: the night, YYYY-MM-DD (templated).
    :param flow_definition_name: the flow definition that the loops run on (templated).
    :param round: 1 for the first review of an image version; a higher number asks again (templated).
    :param price_per_review: money for one answer (templated).
    :param currency: of all money, for people to read (templated).
    :param night_money: most money for the night, all rounds together, None: no limit (templated).
    :param month_limit: most images in a calendar month, None: no limit (templated).
    :param month_money: most money in a calendar month, None: no limit (templated).
    :param deferred_nights: for how many days after a night was launched later nights take up what it
        deferred; 0: this night takes up nothing (templated).
    :param a2i_conn_id: Airflow connection of Amazon A2I or a Review Desk (templated).
    :param airflow_conn_id: Airflow connection to Airflow's own REST API, for the task's note; None or
        empty: it gets none (templated).
    """

    template_fields: Sequence[str] = (
        *SecondLookOperator.template_fields,
        "night",
        "flow_definition_name",
        "round",
        "price_per_review",
        "currency",
        "night_money",
        "month_limit",
        "month_money",
        "deferred_nights",
        "a2i_conn_id",
        "airflow_conn_id",
    )

    def __init__(
        self,
        *,
        night: str,
        flow_definition_name: str,
        round: int | str = 1,
        price_per_review: Decimal | str = "0",
        currency: str = "USD",
        night_money: Decimal | str | None = None,
        month_limit: int | str | None = None,
        month_money: Decimal | str | None = None,
        deferred_nights: int | str = 31,
        a2i_conn_id: str = "a2i_default",
        airflow_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.night = night
        self.flow_definition_name = flow_definition_name
        self.round = round
        self.price_per_review = price_per_review
        self.currency = currency
        self.night_money = night_money
        self.month_limit = month_limit
        self.month_money = month_money
        self.deferred_nights = deferred_nights
        self.a2i_conn_id = a2i_conn_id
        self.airflow_conn_id = airflow_conn_id
        self.remarks: list[str] = []

    @cached_property
    def service(self) -> HumanReviewService:
        """The human review service (after rendering)."""
        return HumanReviewService(self.a2i_conn_id, self.region_name)

    @cached_property
    def flow(self) -> ActiveFlow:
        """The flow definition (after rendering); read only when there is somebody to ask."""
        return self.service.flow(self.flow_definition_name)

    @cached_property
    def limits(self) -> Terms:
        """How much is allowed (after rendering)."""
        return Terms(
            month_limit=None if self.month_limit is None else int(self.month_limit),
            month_money=None if self.month_money is None else money(self.month_money, "month_money"),
            night_money=None if self.night_money is None else money(self.night_money, "night_money"),
        )

    @cached_property
    def terms(self) -> Terms:
        """How much is allowed, and what an image costs (after rendering)."""
        price = money(self.price_per_review, "price_per_review")
        return replace(self.limits, image_cost=money(price * self.flow.task_count)) if price else self.limits

    @cached_property
    def budget(self) -> ReviewBudget:
        """The budget documents as this night sees them (after rendering)."""
        return ReviewBudget(
            self.store,
            self.layout,
            self.night,
            int(self.round),
            deferred_nights=int(self.deferred_nights),
            log=self.log,
        )

    def check_budget(self) -> None:
        """Check the literal arguments. Raises :class:`ArgumentError`."""
        self.check_text("night", self.night, NIGHT)
        self.check_text("flow_definition_name", self.flow_definition_name, FLOW_NAME)
        self.check_number("round", self.round, minimum=1)
        self.check_number("month_limit", self.month_limit, minimum=0)
        self.check_number("deferred_nights", self.deferred_nights, minimum=0)
        amounts = {name: self._amount(name) for name in _AMOUNTS}
        free = amounts["price_per_review"] == 0
        if free and any(amounts[name] is not None for name in _AMOUNTS[1:]):
            raise self.wrong("price_per_review", "is 0, and a limit in money needs a price: set one")

    def _amount(self, name: str) -> Decimal | None:
        value = getattr(self, name)
        if value is None or (not isinstance(value, Decimal) and is_template(value)):
            return None
        try:
            return money(value, name)
        except BudgetError as error:
            raise ArgumentError(f"Task {self.task_id}: {error}") from None

    def remark(self, sentence: str) -> None:
        """Warn of something in the log, and later in the task's note."""
        self.log.warning(sentence)
        self.remarks.append(sentence)

    def forecast(
        self,
        context: Context,
        lines: Sequence[LedgerLine],
        plan: ReviewPlan | None,
        existing: Collection[str],
    ) -> None:
        """Tell, in the log, as an XCom and in the task's note, what is about to be asked for.

        ``existing`` are loops that were started before: they cost nothing more.
        """
        asked = sum(line.asked for line in lines)
        images = sum(line.asked and line.loop not in existing for line in lines)
        forecast = Forecast(
            images=images,
            reviewers=self.flow.task_count if images else 1,
            image_cost=self.terms.image_cost if images else Decimal("0.00"),
            currency=str(self.currency),
            seconds_per_answer=self._recent_seconds() if images else None,
            deferred=len(lines) - asked,
            asked_before=asked - images,
        )
        told = f"Forecast for {self.night}: {forecast}."
        if plan is not None and asked:
            told += f" Budget of {self.budget.describe(plan.month, self.terms, str(self.currency))}."
        self.log.info(told)
        if self.do_xcom_push:
            context["ti"].xcom_push(key=FORECAST_XCOM, value=forecast.to_record())
        self.note(context, told)

    def note(self, context: Context, *sentences: str) -> None:
        """Write the task's note, if there is a connection for it: what was remarked, then these sentences."""
        if self.airflow_conn_id:
            self._note(context, " ".join((*self.remarks, *sentences)))

    def _note(self, context: Context, text: str) -> None:
        """Write the task's note. Whatever keeps it from being written keeps nobody from being asked."""
        from secondlook.runtime.notes import NoteError, write_note

        try:
            write_note(str(self.airflow_conn_id), context["ti"], text)
        except NoteError as error:
            self.log.warning(
                "The task's note could not be written: %s. It would have been: %s",
                *(error, text),
            )

    def _recent_seconds(self) -> float | None:
        return recent_seconds(self.flow.output, self.flow_definition_name, self.aws_conn_id, self.region_name)
