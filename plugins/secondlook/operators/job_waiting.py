"""How operators wait for SageMaker: in the triggerer or by polling, with one and the same decision code."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk.configuration import conf

from secondlook.jobs.failure import JobFailedError, WaitFailedError, WaitTimeoutError, job_failed
from secondlook.jobs.shared import JobStoppedError
from secondlook.operators.job_user import JobUser

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

    from secondlook.hooks.sagemaker_jobs import JobKind, JobState
    from secondlook.triggers.sagemaker import SageMakerPollingTrigger


class SageMakerOperator(JobUser):
    """Base of operators that wait for SageMaker.

    Subclasses write :meth:`advance` so that it can be called again and again: it looks at what is there, does
    the next thing, and calls :meth:`wait_for_jobs` or :meth:`wait_for_endpoint` when there is nothing to do
    but wait. When the wait is over it is called again with the same ``progress``. Deferred or not, the same
    code decides.

    :param deferrable: wait in the triggerer instead of a worker slot.
    :param poll_interval_seconds: time between two looks (templated).
    :param timeout_seconds: longest wait for one job or deployment (templated).
    """

    template_fields = (*JobUser.template_fields, "poll_interval_seconds", "timeout_seconds")

    def __init__(
        self,
        *,
        deferrable: bool | None = None,
        poll_interval_seconds: float | str = 30.0,
        timeout_seconds: float | str = 4 * 3600,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        default = conf.getboolean("operators", "default_deferrable", fallback=False)
        self.deferrable = default if deferrable is None else deferrable
        self.poll_interval_seconds = poll_interval_seconds
        self.timeout_seconds = timeout_seconds
        self.check_number("poll_interval_seconds", poll_interval_seconds, minimum=0)
        self.check_number("timeout_seconds", timeout_seconds, minimum=0)

    def advance(self, context: Context, progress: dict[str, Any]) -> Any:
        """Do the next thing; ``progress`` is plain JSON and survives the wait."""
        raise NotImplementedError

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on after a wait in the triggerer."""
        from secondlook.triggers.sagemaker import FAILED, TIMED_OUT

        progress = event["progress"]
        self._in_use = progress.get("in_use")
        if event["status"] == FAILED:
            said = f"Waiting for {progress['waiting_for']} in the triggerer failed: {event['message']}"
            raise WaitFailedError(said, passing=bool(event["passing"]))
        if event["status"] == TIMED_OUT:
            self._give_up(str(progress["waiting_for"]))
        if self._in_use is not None:
            self.leave(self._in_use["waited_for"], stop=False)
        return self.advance(context, progress)

    def wait_for_jobs(
        self, context: Context, kind: JobKind, names: list[str], progress: dict[str, Any]
    ) -> Any:
        """Wait until all jobs have ended, then go on with :meth:`advance`."""
        from secondlook.triggers.sagemaker import SageMakerJobsTrigger

        self._end_if_killed(names)
        self.use_jobs(context, kind, names, progress)
        progress["in_use"]["waited_for"] = names
        progress |= {"waiting_for": f"the {kind} job {' and '.join(names)}"}
        if self.deferrable:
            trigger = SageMakerJobsTrigger(
                kind=kind,
                names=names,
                in_use=progress["in_use"],
                bucket=str(self.bucket),
                prefix=str(self.prefix or ""),
                **self._polling(progress),
            )
            self._defer(trigger, progress)
        self._poll(lambda: not any(_active(self.sagemaker.job(kind, name)) for name in names), progress)
        self._end_if_killed(names)
        self.leave(names, stop=False)
        return self.advance(context, progress)

    def wait_for_endpoint(self, context: Context, name: str, progress: dict[str, Any]) -> Any:
        """Wait until the endpoint is at rest, then go on with :meth:`advance`."""
        from secondlook.triggers.sagemaker import SageMakerEndpointTrigger

        progress |= {"waiting_for": f"the endpoint {name}"}
        if self.deferrable:
            self._defer(SageMakerEndpointTrigger(endpoint_name=name, **self._polling(progress)), progress)

        def at_rest() -> bool:
            state = self.sagemaker.endpoint(name)
            return state is None or not state.in_transition

        self._poll(at_rest, progress)
        return self.advance(context, progress)

    def job_failed(self, kind: JobKind, job: JobState) -> JobFailedError:
        """Log the end of the job's own log and return the error with the service's reason."""
        return job_failed(self.sagemaker, kind, job, self.log)

    def _end_if_killed(self, names: list[str]) -> None:
        """Go no further after :meth:`on_kill`: Airflow lets the interrupted code run on for some seconds.

        In them a job may have started that was asked for before.
        """
        if self._killed:
            self.leave(names, stop=True)
            raise JobStoppedError("This task was ended: it starts no more jobs and waits for none.")

    def _polling(self, progress: dict[str, Any]) -> dict[str, Any]:
        return {
            "progress": progress,
            "deadline": time.time() + float(self.timeout_seconds),
            "poll_interval_seconds": float(self.poll_interval_seconds),
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
        }

    def _defer(self, trigger: SageMakerPollingTrigger, progress: dict[str, Any]) -> NoReturn:
        self.log.info("Waiting for %s in the triggerer.", progress["waiting_for"])
        self.defer(trigger=trigger, method_name="execute_complete")
        raise AssertionError("defer() always raises")

    def _poll(self, settled: Callable[[], bool], progress: dict[str, Any]) -> None:
        self.log.info("Waiting for %s.", progress["waiting_for"])
        deadline = time.monotonic() + float(self.timeout_seconds)
        while not settled():
            if time.monotonic() >= deadline:
                self._give_up(str(progress["waiting_for"]))
            time.sleep(float(self.poll_interval_seconds))

    def _give_up(self, thing: str) -> NoReturn:
        said = f"After {float(self.timeout_seconds):g} s {thing} has not ended"
        names = list(self._in_use["names"]) if self._in_use else []
        if names and not self.leave(names, stop=True):
            raise WaitTimeoutError(
                f"{said}: it is stopped, nobody else waits for it; raise the time limit in the settings and "
                "clear this task, which then starts it anew.",
                passing=False,
            )
        raise WaitTimeoutError(
            f"{said}: it goes on; raise the time limit in the settings or clear this task, which then waits "
            "for it again.",
            passing=True,
        )


def _active(job: JobState | None) -> bool:
    return job is not None and job.active
