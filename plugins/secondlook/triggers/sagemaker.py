"""Waiting for SageMaker in the triggerer: jobs and endpoint deployments take minutes to hours."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async
from botocore.exceptions import ClientError

from secondlook.failures.aws import is_not_found
from secondlook.failures.explain import fault_of, sentence_of, will_pass
from secondlook.hooks.clients import SageMakerClientHook
from secondlook.hooks.s3 import ObjectStore
from secondlook.hooks.sagemaker import IN_TRANSITION, SageMaker
from secondlook.hooks.sagemaker_jobs import job_state
from secondlook.jobs.record import User
from secondlook.jobs.users import JobUsers, leave_jobs
from secondlook.layout import Layout
from secondlook.triggers.resume_delay import delay_resuming

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from secondlook.hooks.sagemaker_jobs import JobKind

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
        await delay_resuming()
        try:
            async with await self._hook().async_client() as client:
                status = await self._wait(client)
        except Exception as error:
            yield self._event(FAILED, message=sentence_of(error), passing=fault_of(error).passing)
            return
        yield self._event(status)

    async def _wait(self, client: Any) -> str:
        # It looks before it gives up: the wait may have ended while no triggerer ran.
        while True:
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
            remaining = self.deadline - time.time()
            if remaining <= 0:
                return TIMED_OUT
            await asyncio.sleep(min(self.poll_interval_seconds, remaining))

    def _event(self, status: str, **more: Any) -> TriggerEvent:
        event = {"status": status, "progress": self.progress, **more}
        return TriggerEvent(event)  # type: ignore[no-untyped-call]

    def _hook(self) -> SageMakerClientHook:
        return SageMakerClientHook(self.aws_conn_id, self.region_name)


class SageMakerJobsTrigger(SageMakerPollingTrigger):
    """Fires when all of some training or transform jobs have ended, in whatever way.

    Marking the task failed or success, or clearing it, stops its jobs unless others use them: they cost
    money.

    :param kind: ``training`` or ``transform``.
    :param names: names of the jobs to wait for.
    :param in_use: what the task has entered itself for: ``{"names", "task", "visit"}`` (see ``job_record``).
    :param bucket: S3 bucket of the records of who uses what.
    :param prefix: the project's prefix in it.
    """

    def __init__(
        self,
        *,
        kind: JobKind,
        names: list[str],
        in_use: dict[str, Any],
        bucket: str,
        prefix: str,
        **polling: Any,
    ) -> None:
        super().__init__(**polling)
        self.kind = kind
        self.names = names
        self.in_use = in_use
        self.bucket = bucket
        self.prefix = prefix

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments, for the database."""
        own = {name: getattr(self, name) for name in ("kind", "names", "in_use", "bucket", "prefix")}
        return {**own, **super().arguments()}

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
        """Leave the jobs, the last one out stops them.

        Called when a person ends or clears the task, not when the triggerer restarts.
        """
        try:
            await sync_to_async(self._leave_jobs)()
        except Exception as error:
            # Airflow would log a traceback and go on in the same way.
            self.log.error("%s", sentence_of(error))

    def _leave_jobs(self) -> None:
        store = ObjectStore(self.bucket, self.aws_conn_id, self.region_name)
        users = JobUsers(store, Layout(self.bucket, self.prefix), self.kind)
        sagemaker = SageMaker(self.aws_conn_id, self.region_name)
        user = User(self.in_use["task"], self.in_use["visit"])
        leave_jobs(users, sagemaker, self.in_use["names"], user, self.log)


class SageMakerEndpointTrigger(SageMakerPollingTrigger):
    """Fires when an endpoint is neither being created, updated, rolled back nor deleted.

    It stops nothing when the task is ended: an update that is interrupted would leave the endpoint to
    nobody, and one that goes on ends by itself, in service with the new model or the old one.

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
        return described["EndpointStatus"] not in IN_TRANSITION
