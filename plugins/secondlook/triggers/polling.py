"""The way all waits look: an operator that does not defer makes the same looks in its own loop."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from secondlook.failures.explain import fault_of, sentence_of, will_pass
from secondlook.hooks.sagemaker import SageMaker
from secondlook.triggers.resume_delay import delay_resuming

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

OVER = "over"
TIMED_OUT = "timeout"
FAILED = "error"


class PollingTrigger(BaseTrigger):
    """Looks until the wait is over or the deadline passes, then fires once.

    The event only says that it is worth going on: the operator describes everything itself, so that a task
    that deferred and one that waited in its worker decide by the same code. A dropped connection or a
    throttled call is logged and tried again at the next interval; what does not pass by itself ends the wait
    with an error event, which holds its sentence and fails the task.

    :param deadline: moment (Unix time, seconds) after which the event is a time-out; it survives a restart of
        the triggerer.
    :param poll_interval_seconds: time between two looks.
    :param state: what the operator needs to go on, as plain JSON; the event hands it back. It does not travel
        as keyword arguments of the deferral, because ``dag.test()`` drops those.
    """

    def __init__(
        self,
        *,
        deadline: float,
        poll_interval_seconds: float = 30.0,
        state: dict[str, Any] | None = None,
        aws_conn_id: str = "aws_default",
        region_name: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.deadline = deadline
        self.poll_interval_seconds = poll_interval_seconds
        self.state = state or {}
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name

    @property
    @abstractmethod
    def what(self) -> str:
        """What is waited for, in the middle of a sentence."""

    @abstractmethod
    def is_over(self) -> bool:
        """Look once: whether there is nothing left to wait for."""

    @cached_property
    def sagemaker(self) -> SageMaker:
        """SageMaker as the connection sees it; one client for the whole wait."""
        return SageMaker(self.aws_conn_id, self.region_name)

    def look(self) -> bool:
        """Look once, and leave what passes by itself to the next look."""
        try:
            return self.is_over()
        except Exception as error:
            if not will_pass(error):
                raise
            self.log.warning("Looking at %s again later: %s", self.what, sentence_of(error))
            return False

    def wait(
        self, clock: Callable[[], float], pause: Callable[[float], Any], check: Callable[[], None]
    ) -> dict[str, Any]:
        """Do in this process what the triggerer does, and return the event.

        :param clock: returns the Unix time in seconds.
        :param pause: waits for that many seconds.
        :param check: called after each pause and at the end; what it raises ends the wait.
        """
        while not self.look():
            if clock() >= self.deadline:
                return self.event(TIMED_OUT)
            pause(self.poll_interval_seconds)
            check()
        check()
        return self.event(OVER)

    def event(self, status: str, **more: Any) -> dict[str, Any]:
        """Return what the operator is told at the end of the wait."""
        return {"status": status, "what": self.what, "state": self.state, **more}

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments, for the database."""
        return {
            "deadline": self.deadline,
            "poll_interval_seconds": self.poll_interval_seconds,
            "state": self.state,
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
        }

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments."""
        return f"{type(self).__module__}.{type(self).__qualname__}", self.arguments()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, in a thread, until there is an event."""
        await delay_resuming()
        try:
            event = self.event(await self._wait())
        except Exception as error:
            event = self.event(FAILED, message=sentence_of(error), passing=fault_of(error).passing)
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _wait(self) -> str:
        # It looks before it gives up: the wait may have ended while no triggerer ran.
        while not await asyncio.to_thread(self.look):
            remaining = self.deadline - time.time()
            if remaining <= 0:
                return TIMED_OUT
            await self.until_next_look(min(self.poll_interval_seconds, remaining))
        return OVER

    async def until_next_look(self, seconds: float) -> None:
        """Wait in the triggerer, at most for so long."""
        await asyncio.sleep(seconds)
