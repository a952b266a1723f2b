"""Waiting for people, hours or days, in the triggerer."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async
from botocore.exceptions import ClientError

from secondlook.failures.aws import is_not_found
from secondlook.failures.explain import Place, explain, fault_of, sentence_of, will_pass
from secondlook.hooks.clients import A2IRuntimeHook, SqsQueueHook
from secondlook.hooks.events import LoopEventQueue
from secondlook.hooks.human_loops import DELETED, LoopBoard, list_request
from secondlook.hooks.s3 import ObjectStore
from secondlook.review import LedgerLine
from secondlook.triggers.resume_delay import delay_resuming

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ENDED_EVENT = "ended"
ERROR_EVENT = "error"
FIRST_SWEEP_RETRY_SECONDS = 5.0


class HumanLoopsTrigger(BaseTrigger):
    """Fires once every human loop of a night has ended, in whatever way.

    Each interval it makes one paged ListHumanLoops sweep of the flow definition and counts this night's
    loops in it; other nights on the same flow do not matter. Only a loop that the sweep leaves out is asked
    for by name: it was deleted, or is older than ``created_after``. Which loops are this night's stands in
    the ledger in S3, read once when the trigger starts: the state kept in Airflow's database stays small,
    and a restarted triggerer goes on from there.

    A failed poll (throttling, a server fault, a dropped connection) is logged and repeated at the next
    interval: days of waiting do not end on it. A refusal that will not go away ends the wait with an error
    event.

    With ``event_queue_url`` it looks as soon as A2I's EventBridge event about one of its loops arrives in
    that SQS queue, and at the interval if none does.

    It has no ``on_kill``: clearing or failing the sensor leaves the reviews of people alone.

    :param bucket: S3 bucket of the ledger.
    :param ledger_key: key of the ledger.
    :param flow_definition_arn: the flow definition that the loops run on.
    :param created_after: ISO time; loops created before it are not listed. None lists all of the flow.
    :param poll_interval_seconds: time between two sweeps.
    :param event_queue_url: SQS queue that gets the events about ended human loops; None: there is none.
    :param aws_conn_id: Airflow connection for S3 and SQS.
    :param a2i_conn_id: Airflow connection for Amazon A2I or a Review Desk.
    :param region_name: AWS Region; the connection's when None.
    """

    def __init__(
        self,
        *,
        bucket: str,
        ledger_key: str,
        flow_definition_arn: str,
        created_after: str | None = None,
        poll_interval_seconds: float = 60.0,
        event_queue_url: str | None = None,
        aws_conn_id: str = "aws_default",
        a2i_conn_id: str = "a2i_default",
        region_name: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bucket = bucket
        self.ledger_key = ledger_key
        self.flow_definition_arn = flow_definition_arn
        self.created_after = created_after
        self.poll_interval_seconds = poll_interval_seconds
        self.event_queue_url = event_queue_url
        self.aws_conn_id = aws_conn_id
        self.a2i_conn_id = a2i_conn_id
        self.region_name = region_name

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments, all that another triggerer needs to go on."""
        names = (
            "bucket",
            "ledger_key",
            "flow_definition_arn",
            "created_after",
            "poll_interval_seconds",
            "event_queue_url",
            "aws_conn_id",
            "a2i_conn_id",
            "region_name",
        )
        return f"{HumanLoopsTrigger.__module__}.HumanLoopsTrigger", {
            name: getattr(self, name) for name in names
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Sweep until all loops have ended, then fire once."""
        await delay_resuming()
        try:
            async with AsyncExitStack() as clients:
                a2i = A2IRuntimeHook(self.a2i_conn_id, self.region_name)
                client = await clients.enter_async_context(await a2i.async_client())
                event = await self._wait(client, await self._events(clients))
        except Exception as error:
            event = {
                "status": ERROR_EVENT,
                "message": self._sentence(error),
                "passing": fault_of(error).passing,
            }
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _events(self, clients: AsyncExitStack) -> LoopEventQueue | None:
        if not self.event_queue_url:
            return None
        sqs = SqsQueueHook(self.aws_conn_id, self.region_name)
        client = await clients.enter_async_context(await sqs.async_client())
        return LoopEventQueue(client, self.event_queue_url)

    async def _wait(self, client: Any, events: LoopEventQueue | None) -> dict[str, Any]:
        board: LoopBoard | None = None
        logged: int | None = None
        while True:
            try:
                board = board or LoopBoard(await sync_to_async(self._names)())
                await self._sweep(client, board)
            except Exception as error:
                if not will_pass(error):
                    raise
                self.log.warning("Looking again later: %s", self._sentence(error))
            else:
                if board.ended != logged:
                    self.log.info("%d of %d human loops have ended.", board.ended, board.total)
                    logged = board.ended
                if not board.open:
                    return {"status": ENDED_EVENT, "ended": board.ended}
            await self._pause(board, events)

    async def _pause(self, board: LoopBoard | None, events: LoopEventQueue | None) -> None:
        """Wait for the next look."""
        if events is None:
            await asyncio.sleep(self.poll_interval_seconds)
        elif board is None:
            # With a queue the interval may be an hour, but as long as nobody knows which loops are this
            # night's, no event ends it.
            await asyncio.sleep(min(FIRST_SWEEP_RETRY_SECONDS, self.poll_interval_seconds))
        else:
            await events.wait(board.__contains__, self.poll_interval_seconds)

    async def _sweep(self, client: Any, board: LoopBoard) -> None:
        listed: set[str] = set()
        known = set(board.unknown_statuses)
        after = datetime.fromisoformat(self.created_after) if self.created_after else None
        request = list_request(self.flow_definition_arn, after)
        async for page in client.get_paginator("list_human_loops").paginate(**request):
            for loop in page["HumanLoopSummaries"]:
                listed.add(loop["HumanLoopName"])
                board.note(loop["HumanLoopName"], loop["HumanLoopStatus"])
        for name in board.unlisted(listed):
            board.note(name, await self._status(client, name))
        for status in board.unknown_statuses - known:
            self.log.warning("A human loop has the unknown status %r: waiting on.", status)

    async def _status(self, client: Any, name: str) -> str:
        try:
            return str((await client.describe_human_loop(HumanLoopName=name))["HumanLoopStatus"])
        except ClientError as error:
            if is_not_found(error):
                return DELETED
            raise

    def _names(self) -> list[str]:
        store = ObjectStore(self.bucket, self.aws_conn_id, self.region_name)
        records, _ = store.read_jsonl(self.ledger_key)
        return [line.loop for line in map(LedgerLine.from_record, records) if line.asked]

    def _sentence(self, error: Exception) -> str:
        if not isinstance(error, ClientError):
            return sentence_of(error)
        doing = f"look at the human loops of {self.flow_definition_arn}"
        return explain(error, doing, Place("the human review service", self.a2i_conn_id))
