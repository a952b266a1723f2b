"""Waiting for reviewers, hours or days, in the triggerer."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import cached_property
from typing import Any

from secondlook.hooks.a2i import A2IHook
from secondlook.hooks.events import HumanLoopEventsHook
from secondlook.hooks.s3 import ObjectStore
from secondlook.layout import Layout
from secondlook.records.reviews import ReviewRecords
from secondlook.review.human_loops import LoopBoard
from secondlook.triggers.polling import PollingTrigger

# The launching worker's clock and the service's may differ; an older loop is asked for by its name.
CLOCK_MARGIN = timedelta(minutes=15)
# With a queue the interval may be an hour; but no event is known as this night's before the first look.
FIRST_LOOK_RETRY_SECONDS = 5.0


class HumanLoopsTrigger(PollingTrigger):
    """Fires once every human loop of a night has ended, in whatever way.

    Each look is one paged ListHumanLoops of the flow definition, in which this night's loops count. Only a
    loop that the listing leaves out is described by its name: it was deleted, or is older than the ledger.
    The names are in the ledger in S3, read when the trigger starts, so the state kept in Airflow's database
    stays small.

    With ``event_queue_url`` it looks as soon as A2I's EventBridge event about one of its loops arrives in
    that SQS queue, and at the interval if none does.

    It has no ``on_kill``: clearing or failing the sensor leaves the reviews alone.

    :param bucket: S3 bucket of the deployment.
    :param prefix: the deployment's prefix in it.
    :param night: the night, YYYY-MM-DD.
    :param flow_definition_arn: the flow definition that the loops run on.
    :param event_queue_url: SQS queue that gets the events about ended human loops; empty: there is none.
    :param a2i_conn_id: Airflow connection for Amazon A2I or a Review Desk.
    """

    def __init__(
        self,
        *,
        bucket: str,
        prefix: str,
        night: str,
        flow_definition_arn: str,
        event_queue_url: str = "",
        a2i_conn_id: str = "a2i_default",
        **polling: Any,
    ) -> None:
        super().__init__(**polling)
        self.bucket = bucket
        self.prefix = prefix
        self.night = night
        self.flow_definition_arn = flow_definition_arn
        self.event_queue_url = event_queue_url
        self.a2i_conn_id = a2i_conn_id
        self._told: tuple[int, set[str]] | None = None

    @property
    def what(self) -> str:
        """The reviews of a night."""
        return f"the reviews of {self.night}"

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments, for the database."""
        names = ("bucket", "prefix", "night", "flow_definition_arn", "event_queue_url", "a2i_conn_id")
        return {**{name: getattr(self, name) for name in names}, **super().arguments()}

    def is_over(self) -> bool:
        """Whether all loops have ended."""
        board = self.board
        launched = self._records.launched_at()
        after = launched - CLOCK_MARGIN if launched else None
        self._service.survey(board, self.flow_definition_arn, after)
        told = (board.ended, board.unknown_statuses)
        if told != self._told:
            self.log.info("Night %s: %d of %d human loops have ended.", self.night, board.ended, board.total)
            for status in sorted(board.unknown_statuses):
                self.log.warning("A human loop has the unknown status %r: waiting on.", status)
            self._told = told
        return not board.open

    def event(self, status: str, **more: Any) -> dict[str, Any]:
        """Return what the sensor is told at the end of the wait: how many loops are open, too."""
        board: LoopBoard | None = self.__dict__.get("board")
        count = f"{board.open} of {board.total}" if board else "All or some"
        return super().event(status, open=count, **more)

    async def until_next_look(self, seconds: float) -> None:
        """Wait for an event about one of the loops, if there is a queue of events."""
        if not self.event_queue_url:
            await super().until_next_look(seconds)
        elif "board" not in self.__dict__:
            await asyncio.sleep(min(FIRST_LOOK_RETRY_SECONDS, seconds))
        else:
            events = HumanLoopEventsHook(self.event_queue_url, self.aws_conn_id, self.region_name)
            await events.wait(self.board.__contains__, seconds)

    @cached_property
    def board(self) -> LoopBoard:
        """The night's loops, and what the service has said about them."""
        return LoopBoard(line.loop for line in self._records.asked())

    @cached_property
    def _records(self) -> ReviewRecords:
        store = ObjectStore(self.bucket, self.aws_conn_id, self.region_name)
        return ReviewRecords(store, Layout(self.bucket, self.prefix), self.night)

    @cached_property
    def _service(self) -> A2IHook:
        return A2IHook(self.a2i_conn_id, self.region_name)
