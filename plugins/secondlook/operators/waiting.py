"""How operators wait for SageMaker: in the triggerer or by polling, with one and the same decision code."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk.configuration import conf

from secondlook.errors import SecondLookError
from secondlook.failures import reason_passes
from secondlook.operators.base import SecondLookOperator

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

    from secondlook.hooks.requests import JobKind
    from secondlook.hooks.sagemaker import JobState, SageMaker
    from secondlook.triggers.sagemaker import SageMakerPollingTrigger

LOG_LINES = 20
MAX_ATTEMPTS = 50


class WaitTimeoutError(SecondLookError):
    """SageMaker took longer than the task may wait; the job or deployment goes on, and so may the wait."""

    passing = True


class WaitFailedError(SecondLookError):
    """The triggerer could not look any more; the job or deployment goes on."""

    def __init__(self, message: str, *, passing: bool) -> None:
        super().__init__(message)
        self.passing = passing


class TooManyAttemptsError(SecondLookError):
    """The same job failed again and again."""


class JobFailedError(SecondLookError):
    """A training or transform job ended without its result; the message holds the service's reason.

    Missing capacity and faults of the service pass, anything else is about the data or the settings.
    """

    def __init__(self, message: str, *, passing: bool) -> None:
        super().__init__(message)
        self.passing = passing


class SageMakerOperator(SecondLookOperator):
    """Base of operators that wait for SageMaker.

    Subclasses write :meth:`advance` so that it can be called again and again: it looks at what is there, does
    the next thing, and calls :meth:`wait_for_jobs` or :meth:`wait_for_endpoint` when there is nothing to do
    but wait. When the wait is over it is called again with the same ``progress``. Deferred or not, the same
    code decides.

    :param deferrable: wait in the triggerer instead of a worker slot.
    :param poll_interval_seconds: time between two looks (templated).
    :param timeout_seconds: longest wait for one job or deployment (templated).
    """

    template_fields = (*SecondLookOperator.template_fields, "poll_interval_seconds", "timeout_seconds")

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
        self._jobs_to_stop: tuple[JobKind, list[str]] | None = None

    @property
    def sagemaker(self) -> SageMaker:
        """SageMaker as the connection sees it (after rendering)."""
        from secondlook.hooks.sagemaker import SageMaker

        if self._sagemaker is None:
            self._sagemaker = SageMaker(self.aws_conn_id, self.region_name)
        return self._sagemaker

    _sagemaker: SageMaker | None = None

    def advance(self, context: Context, progress: dict[str, Any]) -> Any:
        """Do the next thing; ``progress`` is plain JSON and survives the wait."""
        raise NotImplementedError

    def resume(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on after a wait in the triggerer."""
        from secondlook.triggers.sagemaker import FAILED, TIMED_OUT

        progress = event["progress"]
        if event["status"] == FAILED:
            said = f"Waiting for {progress['waiting_for']} in the triggerer failed: {event['message']}"
            raise WaitFailedError(said, passing=bool(event["passing"]))
        if event["status"] == TIMED_OUT:
            self._give_up(str(progress["waiting_for"]))
        return self.advance(context, progress)

    def wait_for_jobs(
        self, context: Context, kind: JobKind, names: list[str], progress: dict[str, Any]
    ) -> Any:
        """Wait until all jobs have ended, then go on with :meth:`advance`."""
        from secondlook.triggers.sagemaker import SageMakerJobsTrigger

        self._jobs_to_stop = (kind, names)
        progress |= {"waiting_for": f"the {kind} job {' and '.join(names)}"}
        if self.deferrable:
            self._defer(SageMakerJobsTrigger(kind=kind, names=names, **self._polling(progress)), progress)
        self._poll(lambda: not any(_active(self.sagemaker.job(kind, name)) for name in names), progress)
        self._jobs_to_stop = None
        return self.advance(context, progress)

    def wait_for_endpoint(self, context: Context, name: str, progress: dict[str, Any]) -> Any:
        """Wait until the endpoint is at rest, then go on with :meth:`advance`."""
        from secondlook.triggers.sagemaker import SageMakerEndpointTrigger

        progress |= {"waiting_for": f"the endpoint {name}"}
        if self.deferrable:
            self._defer(SageMakerEndpointTrigger(endpoint_name=name, **self._polling(progress)), progress)

        def at_rest() -> bool:
            state = self.sagemaker.endpoint(name)
            return state is None or not state.settling

        self._poll(at_rest, progress)
        return self.advance(context, progress)

    def free_job_name(self, kind: JobKind, base_name: str) -> str:
        """Return the name to start or attach to: ``base_name``, or ``-2``, ``-3``, ... behind it.

        A job that failed or was stopped leaves its name taken.

        Raises
        ------
        TooManyAttemptsError
            All names are used up.
        """
        for attempt in range(1, MAX_ATTEMPTS + 1):
            name = base_name if attempt == 1 else f"{base_name}-{attempt}"
            job = self.sagemaker.job(kind, name)
            if job is None or job.active or job.succeeded:
                return name
            self.log.info("The %s job %s is %s: its name is used up.", kind, name, job.status)
        raise TooManyAttemptsError(
            f"{MAX_ATTEMPTS} {kind} jobs called {base_name} have failed: see the log of the last, correct "
            "the settings or the data; a change of either gives the job a new name."
        )

    def job_failed(self, kind: JobKind, job: JobState) -> JobFailedError:
        """Log the end of the job's own log and return the error with the service's reason."""
        for line in self.sagemaker.log_tail(kind, job.name, LOG_LINES):
            self.log.error("%s: %s", job.name, line)
        reason = job.failure_reason.strip().rstrip(".") or "no reason given"
        passing = job.status == "Failed" and reason_passes(reason)
        mend = "see its log above, correct the cause and clear this task; it starts the job anew"
        what_to_do = "this passes, the next try starts it anew" if passing else mend
        return JobFailedError(
            f"The {kind} job {job.name} ended as {job.status}, not Completed ({reason}): {what_to_do}.",
            passing=passing,
        )

    def on_kill(self) -> None:
        """Stop the jobs that this task waits for: nobody else would, and they cost money."""
        if self._jobs_to_stop is None:
            return
        kind, names = self._jobs_to_stop
        for name in names:
            self.sagemaker.stop_job(kind, name)
            self.log.info("Asked the %s job %s to stop.", kind, name)

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
        self.defer(trigger=trigger, method_name="resume")
        raise AssertionError("defer() always raises")

    def _poll(self, settled: Callable[[], bool], progress: dict[str, Any]) -> None:
        self.log.info("Waiting for %s.", progress["waiting_for"])
        deadline = time.monotonic() + float(self.timeout_seconds)
        while not settled():
            if time.monotonic() >= deadline:
                self._give_up(str(progress["waiting_for"]))
            time.sleep(float(self.poll_interval_seconds))

    def _give_up(self, thing: str) -> NoReturn:
        raise WaitTimeoutError(
            f"After {float(self.timeout_seconds):g} s {thing} has not ended: it goes on; raise the time "
            "limit in the settings or clear this task, which then waits for it again."
        )


def _active(job: JobState | None) -> bool:
    return job is not None and job.active
