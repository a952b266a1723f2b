"""The night's wait for its reviewers."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowSensorTimeout

from secondlook.hooks.human_loops import (
    DELETED,
    HumanLoop,
    HumanReviewError,
    HumanReviewService,
    ReviewSetupError,
)
from secondlook.names import NIGHT
from secondlook.operators.base import SecondLookOperator
from secondlook.records.reviews import ReviewRecords
from secondlook.review import Outcome
from secondlook.runtime.links import ReviewLink
from secondlook.triggers.human_loops import ERROR_EVENT, HumanLoopsTrigger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow.sdk import Context

    from secondlook.review import Ending, LedgerLine

# The launching worker's clock and the service's may differ; a loop older than that is asked for by name.
CLOCK_MARGIN = timedelta(minutes=15)
ENDINGS: tuple[Ending, ...] = ("completed", "failed", "expired", "stopped")


class HumanLoopSensor(SecondLookOperator, BaseSensorOperator):
    """Waits until every human loop of a night has ended, and writes down how each did.

    It looks once; if loops are still open it defers, so that the wait of hours or days holds no worker slot.
    A loop that failed, expired, was stopped or was deleted has ended too: reviewers who do not answer never
    hang the night. Then every loop is described once and ``reviews/<night>/outcomes.jsonl`` is written. A
    night that asked nobody returns at once.

    Returns ``{"night", "outcomes", "completed", "failed", "expired", "stopped"}``: the file's address and
    counts; a deleted loop counts as stopped.

    What it does not do: stop or delete loops, also not when it times out or is cleared.

    :param night: the night waited for, YYYY-MM-DD (templated).
    :param flow_definition_name: the flow definition that the loops run on (templated).
    :param poll_interval_seconds: time between two looks (templated).
    :param timeout: longest wait in seconds (templated); on time-out the task fails with the number of open
        loops, and clearing it waits again.
    :param event_queue_url: SQS queue with A2I's EventBridge events: it looks as soon as one of its loops has
        ended, and still at every interval; empty: there is none (templated).
    :param a2i_conn_id: Airflow connection of Amazon A2I or a Review Desk (templated).
    """

    template_fields: Sequence[str] = (
        *SecondLookOperator.template_fields,
        "night",
        "flow_definition_name",
        "poll_interval_seconds",
        "timeout_seconds",
        "event_queue_url",
        "a2i_conn_id",
    )
    operator_extra_links = (ReviewLink(),)

    def __init__(
        self,
        *,
        night: str,
        flow_definition_name: str,
        poll_interval_seconds: float | str = 60.0,
        timeout: float | str = 7 * 24 * 3600.0,
        event_queue_url: str | None = None,
        a2i_conn_id: str = "a2i_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.night = night
        self.flow_definition_name = flow_definition_name
        self.poll_interval_seconds = poll_interval_seconds
        self.timeout_seconds = timeout
        self.event_queue_url = event_queue_url
        self.a2i_conn_id = a2i_conn_id
        self._check_arguments()

    def execute(self, context: Context) -> dict[str, Any]:
        """Look once; return the counts if all has ended, defer otherwise."""
        self._check_arguments()
        ledger = self.records.asked()
        if not ledger:
            self.log.info("Night %s asked nobody; nothing to wait for.", self.night)
            return self._write([])
        ReviewLink.persist(context, self, client=self.service.control, name=self.flow_definition_name)
        flow_arn = self.service.flow_arn(self.flow_definition_name)
        board = self.service.survey([line.loop for line in ledger], flow_arn, self._created_after())
        self.log.info("Night %s: %d of %d human loops have ended.", self.night, board.ended, board.total)
        for status in sorted(board.unknown_statuses):
            self.log.warning("A human loop has the unknown status %r: waiting on.", status)
        if board.open:
            self._defer(flow_arn)
        return self._collect(ledger)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Take the trigger's event: write the outcomes, or fail with the trigger's sentence.

        Raises
        ------
        HumanReviewError
            The service could not be asked; a ReviewSetupError if somebody has to change something first.
        """
        if event["status"] == ERROR_EVENT:
            kind = HumanReviewError if event.get("passing") else ReviewSetupError
            raise kind(f"Night {self.night}: {event['message']}")
        return self._collect(self.records.asked())

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> dict[str, Any]:
        """Resume after the deferral; a time-out says how many loops are open.

        Raises
        ------
        AirflowSensorTimeout
            Reviewers did not finish within ``timeout``.
        """
        try:
            result: dict[str, Any] = super().resume_execution(next_method, next_kwargs, context)
        except AirflowSensorTimeout as timeout:
            raise AirflowSensorTimeout(self._still_open()) from timeout
        return result

    @cached_property
    def records(self) -> ReviewRecords:
        """The night's ledger and outcomes (after rendering)."""
        return ReviewRecords(self.store, self.layout, self.night)

    @cached_property
    def service(self) -> HumanReviewService:
        """The human review service (after rendering)."""
        return HumanReviewService(self.a2i_conn_id, self.region_name)

    def _check_arguments(self) -> None:
        self.check_text("night", self.night, NIGHT)
        self.check_text("flow_definition_name", self.flow_definition_name)
        self.check_number("poll_interval_seconds", self.poll_interval_seconds, minimum=0.01)
        self.check_number("timeout", self.timeout_seconds, minimum=1)

    def _created_after(self) -> datetime | None:
        launched = self.records.launched_at()
        return launched - CLOCK_MARGIN if launched else None

    def _defer(self, flow_arn: str) -> None:
        created_after = self._created_after()
        self.defer(
            trigger=HumanLoopsTrigger(
                bucket=self.bucket,
                ledger_key=self.records.ledger_key,
                flow_definition_arn=flow_arn,
                created_after=created_after.isoformat() if created_after else None,
                poll_interval_seconds=float(self.poll_interval_seconds),
                event_queue_url=self.event_queue_url or None,
                aws_conn_id=self.aws_conn_id,
                a2i_conn_id=self.a2i_conn_id,
                region_name=self.region_name,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=float(self.timeout_seconds)),
        )

    def _collect(self, ledger: list[LedgerLine]) -> dict[str, Any]:
        recorded = self.records.outcomes() or {}
        outcomes = []
        for line in ledger:
            loop = self.service.describe(line.loop)
            if loop is None and line.loop in recorded:
                # Deleted since it was recorded, as services do after a while: the record stays true.
                outcomes.append(recorded[line.loop])
                continue
            if loop is not None and not loop.ended:
                self.log.info("The human loop %s is %s; waiting on.", line.loop, loop.status)
                self._defer(self.service.flow_arn(self.flow_definition_name))
            outcomes.append(_outcome(line, loop or HumanLoop(line.loop, DELETED)))
        return self._write(outcomes)

    def _write(self, outcomes: list[Outcome]) -> dict[str, Any]:
        address = self.records.write_outcomes(outcomes)
        counts = Counter(outcome.outcome for outcome in outcomes)
        self.log.info("Night %s: %s.", self.night, ", ".join(f"{counts[name]} {name}" for name in ENDINGS))
        return {"night": self.night, "outcomes": address, **{name: counts[name] for name in ENDINGS}}

    def _still_open(self) -> str:
        names = [line.loop for line in self.records.asked()]
        flow_arn = self.service.flow_arn(self.flow_definition_name)
        board = self.service.survey(names, flow_arn, self._created_after())
        return (
            f"After {self.timeout_seconds} s {board.open} of {board.total} human loops of {self.night} are "
            f"still open on the flow definition {self.flow_definition_name}: ask the reviewers, or stop the "
            "loops, and clear this task to wait again."
        )


def _outcome(line: LedgerLine, loop: HumanLoop) -> Outcome:
    return Outcome.of_loop(
        image=line.image,
        loop=line.loop,
        status=loop.status,
        failure_code=loop.failure_code,
        failure_reason=loop.failure_reason,
        output=loop.output_uri,
    )
