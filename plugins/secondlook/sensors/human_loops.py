"""The night's wait for its reviewers."""

from __future__ import annotations

import time
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowSensorTimeout

from secondlook.failures.exceptions import HumanReviewError, ReviewSetupError
from secondlook.names import NIGHT
from secondlook.operators.base import SecondLookOperator
from secondlook.runtime.links import ReviewLink
from secondlook.settings import ReviewSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from secondlook.hooks.a2i import A2IHook
    from secondlook.records.reviews import ReviewRecords
    from secondlook.review import LedgerLine, Outcome
    from secondlook.triggers.human_loops import HumanLoopsTrigger


class HumanLoopSensor(SecondLookOperator, BaseSensorOperator):
    """Waits until every human loop of a night has ended, and writes down how each did.

    It looks once; if loops are still open it defers, so that the wait of hours or days holds no worker slot.
    A loop that failed, expired, was stopped or was deleted has ended too: reviewers who do not answer never
    hang the night. Then every loop is described and ``reviews/<night>/outcomes.jsonl`` is written. A night
    without reviews returns at once.

    Returns ``{"night", "outcomes", "completed", "failed", "expired", "stopped"}``: the file's address and
    counts; a deleted loop counts as stopped.

    What it does not do: stop or delete loops, also not when it times out or is cleared.

    :param night: the night waited for, YYYY-MM-DD (templated).
    :param flow_definition_name: the flow definition that the loops run on (templated).
    :param review: the settings' section ``review``: interval, longest wait, queue of events (templated).
    :param a2i_conn_id: Airflow connection of Amazon A2I or a Review Desk (templated).
    """

    template_fields: Sequence[str] = (
        *SecondLookOperator.template_fields,
        *("night", "flow_definition_name", "review", "a2i_conn_id"),
    )
    operator_extra_links = (ReviewLink(),)

    def __init__(
        self,
        *,
        night: str,
        flow_definition_name: str,
        review: ReviewSettings | dict[str, Any] | str,
        a2i_conn_id: str = "a2i_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.night = night
        self.flow_definition_name = flow_definition_name
        self.review = review
        self.a2i_conn_id = a2i_conn_id
        self._check_arguments()

    def execute(self, context: Context) -> dict[str, Any]:
        """Look once; return the counts if all has ended, defer otherwise."""
        ledger = self.records.asked()
        if not ledger:
            return self._write([])
        ReviewLink.persist(context, self, client=self.service.control, name=self.flow_definition_name)
        if not (trigger := self._trigger()).is_over():
            self.defer(trigger=trigger, method_name="execute_complete")
        return self._collect(ledger)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Take the trigger's event: write the outcomes, or fail with the trigger's sentence.

        :raises HumanReviewError: the service did not answer, or a person has to change something first.
        :raises AirflowSensorTimeout: reviewers did not finish in time.
        """
        from secondlook.triggers.polling import FAILED, TIMED_OUT

        if event["status"] == FAILED:
            kind = HumanReviewError if event["passing"] else ReviewSetupError
            raise kind(f"Night {self.night}: {event['message']}")
        if event["status"] == TIMED_OUT:
            raise AirflowSensorTimeout(
                f"{event['open']} human loops of {self.night} are still open on the flow definition "
                f"{self.flow_definition_name} at the end of the wait: ask the reviewers, or stop the loops, "
                "and clear this task to wait again."
            )
        return self._collect(self.records.asked())

    @cached_property
    def records(self) -> ReviewRecords:
        """The night's ledger and outcomes (after rendering)."""
        from secondlook.records.reviews import ReviewRecords

        return ReviewRecords(self.store, self.layout, self.night)

    @cached_property
    def service(self) -> A2IHook:
        """The human review service (after rendering)."""
        from secondlook.hooks.a2i import A2IHook

        return A2IHook(self.a2i_conn_id, self.region_name)

    def _check_arguments(self) -> ReviewSettings:
        self.check_text("night", self.night, NIGHT)
        self.check_text("flow_definition_name", self.flow_definition_name)
        return self.check_section("review", self.review, ReviewSettings)

    def _trigger(self) -> HumanLoopsTrigger:
        from secondlook.triggers.human_loops import HumanLoopsTrigger

        review = self._check_arguments()
        return HumanLoopsTrigger(
            bucket=self.bucket,
            prefix=self.prefix,
            night=self.night,
            flow_definition_arn=self.service.flow_arn(self.flow_definition_name),
            event_queue_url=review.event_queue_url,
            a2i_conn_id=self.a2i_conn_id,
            deadline=time.time() + review.timeout_seconds,
            poll_interval_seconds=review.poll_interval_seconds,
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
        )

    def _collect(self, ledger: list[LedgerLine]) -> dict[str, Any]:
        from secondlook.review import Outcome
        from secondlook.review.human_loops import DELETED, HumanLoop

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
                self.defer(trigger=self._trigger(), method_name="execute_complete")
            outcomes.append(Outcome.of_loop(line.image, loop or HumanLoop(line.loop, DELETED)))
        return self._write(outcomes)

    def _write(self, outcomes: list[Outcome]) -> dict[str, Any]:
        from secondlook.review import Ending

        address = self.records.write_outcomes(outcomes)
        ended = Counter(outcome.outcome for outcome in outcomes)
        counts = {ending: ended[ending] for ending in get_args(Ending)}
        self.log.info("Night %s: %s.", self.night, ", ".join(f"{n} {ending}" for ending, n in counts.items()))
        return {"night": self.night, "outcomes": address, **counts}
