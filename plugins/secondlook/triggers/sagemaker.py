"""Waiting for SageMaker in the triggerer: jobs and endpoint deployments take minutes to hours."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from botocore.exceptions import ClientError

from secondlook.failures import error_code, fault_of, is_not_found, sentence_of, will_pass
from secondlook.hooks.clients import SageMakerClientHook
from secondlook.hooks.sagemaker import SETTLING, job_state
from secondlook.triggers.settling import settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from secondlook.hooks.requests import JobKind

SETTLED = "settled"
TIMED_OUT = "timeout"
FAILED = "error"


class SageMakerPollingTrigger(BaseTrigger):
    """Polls until :meth:`settled` says so or the deadline passes, then fires once.

    The event only says that it is worth looking again: the operator describes everything itself, so that the
    deferred way and the waiting way decide by the same code. A dropped connection or a throttled call is
    logged and tried again at the next interval; what does not pass by itself ends the wait with an error
    event, which holds its sentence and fails the task.

    :param deadline: moment (Unix time, seconds) after which the event is a timeout; it survives a restart of
        the triggerer.
    :param poll_interval_seconds: time between two looks.
    :param progress: what the operator needs to go on; the event hands it back. It does not travel as keyword
        arguments of the deferral, because ``dag.test()`` drops those.
    """

    def __init__(
        self,
        *,
        deadline: float,
        progress: dict[str, Any],
        poll_interval_seconds: float = 30.0,
        aws_conn_id: str = "aws_default",
        region_name: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.deadline = deadline
        self.progress = progress
        self.poll_interval_seconds = poll_interval_seconds
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name

    async def settled(self, client: Any) -> bool:
        """Whether there is nothing left to wait for."""
        raise NotImplementedError

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments, for the database."""
        return {
            "deadline": self.deadline,
            "progress": self.progress,
            "poll_interval_seconds": self.poll_interval_seconds,
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
        }

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments."""
        return f"{type(self).__module__}.{type(self).__qualname__}", self.arguments()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll; one client for the whole wait."""
        await settle()
        try:
            async with await self._hook().async_client() as client:
                status = await self._wait(client)
        except Exception as error:
            yield self._event(FAILED, message=sentence_of(error), passing=fault_of(error).passing)
            return
        yield self._event(status)

    async def _wait(self, client: Any) -> str:
        while time.time() < self.deadline:
            try:
                if await self.settled(client):
                    return SETTLED
            except Exception as error:
                if isinstance(error, ClientError) and is_not_found(error):
                    # Somebody has deleted it: the operator sees to that.
                    return SETTLED
                if not will_pass(error):
                    raise
                self.log.warning("SageMaker did not answer, will ask again: %s", sentence_of(error))
            await asyncio.sleep(self.poll_interval_seconds)
        return TIMED_OUT

    def _event(self, status: str, **more: Any) -> TriggerEvent:
        event = {"status": status, "progress": self.progress, **more}
        return TriggerEvent(event)  # type: ignore[no-untyped-call]

    def _hook(self) -> SageMakerClientHook:
        return SageMakerClientHook(self.aws_conn_id, self.region_name)


class SageMakerJobsTrigger(SageMakerPollingTrigger):
    """Fires when all of some training or transform jobs have ended, in whatever way.

    Marking the task failed or success, or clearing it, stops the jobs: they cost money.

    :param kind: ``training`` or ``transform``.
    :param names: names of the jobs.
    """

    def __init__(self, *, kind: JobKind, names: list[str], **polling: Any) -> None:
        super().__init__(**polling)
        self.kind = kind
        self.names = names

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments, for the database."""
        return {"kind": self.kind, "names": self.names, **super().arguments()}

    async def settled(self, client: Any) -> bool:
        """Whether no job is active any more."""
        for name in self.names:
            if self.kind == "training":
                described = await client.describe_training_job(TrainingJobName=name)
            else:
                described = await client.describe_transform_job(TransformJobName=name)
            if job_state(self.kind, described).active:
                return False
        return True

    async def on_kill(self) -> None:
        """Stop the jobs (called when a person ends or clears the task, not when the triggerer restarts)."""
        async with await self._hook().async_client() as client:
            for name in self.names:
                try:
                    if self.kind == "training":
                        await client.stop_training_job(TrainingJobName=name)
                    else:
                        await client.stop_transform_job(TransformJobName=name)
                    self.log.info("Asked the %s job %s to stop.", self.kind, name)
                except ClientError as error:
                    # A job that has ended cannot be stopped: that is what was wanted.
                    self.log.info("The %s job %s was not stopped: %s", self.kind, name, error_code(error))


class SageMakerEndpointTrigger(SageMakerPollingTrigger):
    """Fires when an endpoint is neither being created, updated, rolled back nor deleted.

    :param endpoint_name: name of the endpoint.
    """

    def __init__(self, *, endpoint_name: str, **polling: Any) -> None:
        super().__init__(**polling)
        self.endpoint_name = endpoint_name

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments, for the database."""
        return {"endpoint_name": self.endpoint_name, **super().arguments()}

    async def settled(self, client: Any) -> bool:
        """Whether the endpoint is at rest, or gone."""
        try:
            described = await client.describe_endpoint(EndpointName=self.endpoint_name)
        except ClientError as error:
            if is_not_found(error):
                return True
            raise
        return described["EndpointStatus"] not in SETTLING
