"""Launching a night's reviews: from its predictions to the human loops that ask people."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from secondlook.names import FLOW_NAME, NIGHT
from secondlook.operators.base import SecondLookOperator
from secondlook.runtime.links import ReviewLink
from secondlook.runtime.pace import Timing
from secondlook.settings import ReviewSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from secondlook.hooks.a2i import A2IHook

FORECAST_XCOM = "forecast"


class HumanLoopStartOperator(SecondLookOperator):
    """Selects a night's images for review and starts one human loop for each.

    The selection is written to ``reviews/<night>/ledger.jsonl`` before the first loop starts, once: from then
    on the ledger is the truth. A retry, a cleared task or a second run of the night follows it, starts the
    loops that are missing and adopts those that exist, so no image is paid for twice. If it would have
    selected by other settings, the log and the task's note say so; with ``choose_again`` it adds to the
    ledger what it selects beside it, up to the limit. With a limit of 0 a night without a ledger stays
    without one, open for a later run.

    With limits in the settings, places are reserved in ``budgets/<month>.json`` by compare-and-swap before
    the ledger is written: parallel runs, retries and backfills together cannot exceed them. The best-ranked
    images get a place; the others are ``postponed`` in the ledger, and a later night takes them up after its
    own, as far as its limit and the budget have room. The month (UTC) of the launch pays, for a backfilled
    night too. Loops started while no limit was set are not counted.

    The XCom ``forecast``, the log and the note tell, before the first loop starts, how many images are to
    be reviewed, for how much money and how much of people's time.

    Returns, and keeps in ``reviews/<night>/launch.json``, a :class:`secondlook.review.LaunchSummary`.

    What it does not do: wait for reviewers, or take a question back.

    :param night: the night, YYYY-MM-DD (templated).
    :param model: id of the model whose predictions are read (templated).
    :param flow_definition_name: the flow definition that the loops run on (templated).
    :param labels: all labels, index = class id (templated).
    :param review: the settings' section ``review`` as this run has it (templated).
    :param choose_again: whether to add to a night's ledger what these settings select beside it (templated).
    :param a2i_conn_id: Airflow connection of Amazon A2I or a Review Desk (templated).
    :param airflow_conn_id: Airflow connection to Airflow's own REST API, for the task's note; None or empty:
        the task gets no note (templated).
    """

    template_fields: Sequence[str] = (
        *SecondLookOperator.template_fields,
        *("night", "model", "flow_definition_name", "labels", "review", "choose_again"),
        *("a2i_conn_id", "airflow_conn_id"),
    )
    operator_extra_links = (ReviewLink(),)
    timing = Timing()

    def __init__(
        self,
        *,
        night: str,
        model: str,
        flow_definition_name: str,
        labels: Sequence[str] | str,
        review: ReviewSettings | dict[str, Any] | str,
        choose_again: bool | str = False,
        a2i_conn_id: str = "a2i_default",
        airflow_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.night = night
        self.model = model
        self.flow_definition_name = flow_definition_name
        self.labels = labels
        self.review = review
        self.choose_again = choose_again
        self.a2i_conn_id = a2i_conn_id
        self.airflow_conn_id = airflow_conn_id
        self._check_arguments()

    def execute(self, context: Context) -> dict[str, Any]:
        """Select unless that was done before, start what is missing, and return the counts."""
        from secondlook.launching.night import NightLaunch
        from secondlook.review import NightSelector
        from secondlook.runtime.notes import TaskNote

        review = self._check_arguments()
        note = TaskNote(self.airflow_conn_id, self.log)
        launch = NightLaunch(
            NightSelector(self.night, self.model, self.flow_definition_name, self.labels, review),
            self.store,
            self.layout,
            self.service,
            note=note,
            log=self.log,
            timing=self.timing,
        )
        prepared = launch.prepare(choose_again=self.choose_again is True)
        if prepared.forecast is not None:
            self.log.info(prepared.told)
            note.add(prepared.told)
            if self.do_xcom_push:
                context["ti"].xcom_push(key=FORECAST_XCOM, value=prepared.forecast.to_record())
        note.write(context["ti"])
        if prepared.asked:
            ReviewLink.persist(context, self, client=self.service.control, name=self.flow_definition_name)
        return launch.start(prepared).model_dump()

    @cached_property
    def service(self) -> A2IHook:
        """The human review service (after rendering)."""
        from secondlook.hooks.a2i import A2IHook

        return A2IHook(self.a2i_conn_id, self.region_name)

    def _check_arguments(self) -> ReviewSettings:
        self.check_text("night", self.night, NIGHT)
        self.check_text("model", self.model)
        self.check_text("flow_definition_name", self.flow_definition_name, FLOW_NAME)
        self.check_labels(self.labels)
        return self.check_section("review", self.review, ReviewSettings)
