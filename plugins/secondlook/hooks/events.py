"""Being told that human loops have ended: EventBridge's events, from Amazon A2I or a Review Desk, in SQS.

Several nights may wait on one queue. Each deletes only the messages about its own loops and gives the others
back at once. Events are hints: the caller looks at the loops itself, and also from time to time without an
event.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from secondlook.failures.explain import sentence_of
from secondlook.hooks.clients import SqsQueueHook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

log = logging.getLogger(__name__)

# The longest that SQS lets a receiver wait.
LONG_POLL_SECONDS = 20
# Events of one night come in swarms: they are gathered this long before the loops are looked at.
GATHER_SECONDS = 1.0
# Between two looks into a queue that held messages of others only; doubled each time up to the maximum.
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 20.0
_BATCH = 10
# How many messages of others one look goes through to find one's own behind them.
_DEEPEST_LOOK = 1_000


class HumanLoopEventsHook:
    """An SQS queue of A2I's status events, shared with other nights.

    Needs sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility.

    Example:

        events = HumanLoopEventsHook(queue_url)
        ended = await events.wait(my_loops.__contains__, seconds=300)

    :param url: the queue's URL.
    :param aws_conn_id: Airflow connection.
    :param region_name: AWS Region; the connection's when None.
    """

    def __init__(
        self, url: str, aws_conn_id: str | None = "aws_default", region_name: str | None = None
    ) -> None:
        self._url = url
        self._hook = SqsQueueHook(aws_conn_id, region_name)

    async def wait(self, is_ours: Callable[[str], bool], seconds: float) -> bool:
        """Wait for an event about a loop that ``is_ours``; False when none came in ``seconds``.

        A queue that cannot be read is logged, and the time is waited out.
        """
        deadline = _now() + seconds
        limit = asyncio.timeout_at(deadline)
        try:
            async with limit, await self._hook.async_client() as client:
                await _Listener(client, self._url).listen(is_ours, deadline)
                return True
        except (ClientError, BotoCoreError, OSError) as error:
            if not limit.expired():
                log.warning("The queue of events cannot be read, polling instead: %s", sentence_of(error))
        await asyncio.sleep(max(0.0, deadline - _now()))
        return False


class _Listener:
    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    async def listen(self, is_ours: Callable[[str], bool], deadline: float) -> None:
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            # No longer than the caller waits: a message on its way to a caller that is gone would be hidden.
            messages = await self._look(max(0, min(LONG_POLL_SECONDS, int(deadline - _now()))))
            ours = [message for message in messages if is_ours(loop_of(message["Body"]))]
            theirs = [message for message in messages if message not in ours]
            await self._give_back(theirs)
            await self._delete(ours)
            if ours:
                await asyncio.sleep(GATHER_SECONDS)
                return
            if theirs or deadline - _now() < 1:
                # Others must have the time to find theirs, and a hot loop costs money.
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)

    async def _look(self, wait_seconds: int) -> list[dict[str, Any]]:
        """All that is in the queue: messages given back come first again and would hide what is behind."""
        messages = batch = await self._receive(wait_seconds)
        while len(batch) == _BATCH and len(messages) < _DEEPEST_LOOK:
            batch = await self._receive(0)
            messages = messages + batch
        return messages

    async def _receive(self, wait_seconds: int) -> list[dict[str, Any]]:
        answer = await self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=_BATCH,
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=2 * LONG_POLL_SECONDS,
        )
        return list(answer.get("Messages", ()))

    async def _give_back(self, messages: Sequence[dict[str, Any]]) -> None:
        for entries in _batches(messages):
            visible = [entry | {"VisibilityTimeout": 0} for entry in entries]
            await self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=visible)

    async def _delete(self, messages: Sequence[dict[str, Any]]) -> None:
        for entries in _batches(messages):
            await self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)


def _now() -> float:
    return asyncio.get_running_loop().time()


def loop_of(body: str) -> str:
    """The name of the human loop that an event is about; empty for anything else in the queue."""
    try:
        name = json.loads(body)["detail"]["humanLoopName"]
    except (ValueError, KeyError, TypeError):
        return ""
    return name if isinstance(name, str) else ""


def _batches(messages: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(messages), _BATCH):
        batch = messages[start : start + _BATCH]
        yield [
            {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
            for index, message in enumerate(batch)
        ]
