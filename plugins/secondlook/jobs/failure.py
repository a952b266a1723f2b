"""Explains in one sentence why a training or transform job failed or took too long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondlook.failures.exceptions import SecondLookError
from secondlook.failures.job_reasons import is_data_fault, reason_passes, repeats
from secondlook.jobs.names import attempt_of

if TYPE_CHECKING:
    from secondlook.hooks.sagemaker_jobs import JobState
    from secondlook.jobs.shared import SharedJobs

LOG_LINES = 20
SEARCHED_LINES = 200
FAILED = "see its log above, correct the cause and clear this task; it starts another job"
PASSES = "this passes, the next try starts another"
DATA_FAULT = (
    "this is most often an image that cannot be read, or a line without a box, and would cost as much again: "
    "look for it in the manifests of training and validation, then clear this task; it starts another job"
)
FAILED_AGAIN = (
    "it is not the first with this input, and ran for long: look at the service's health page and at the "
    "images of its manifests, then clear this task; it starts another job"
)


class WaitTimeoutError(SecondLookError):
    """SageMaker took longer than the task may wait.

    A deployment, or a job that other runs use, continues and can be waited for again; a job that no other run
    uses was stopped, and starting it again would cost as much again.
    """


class WaitFailedError(SecondLookError):
    """The triggerer could no longer poll; the job or deployment continues."""


class JobFailedError(SecondLookError):
    """A training or transform job ended without its result; the message holds the service's reason.

    Missing capacity and service faults pass; anything else concerns the data or the settings.
    """


def job_failed(shared: SharedJobs, job: JobState) -> JobFailedError:
    """Log the tail of the job's own log, and return the error with the service's reason."""
    kind = shared.kind
    lines = shared.sagemaker.log_tail(kind, job.name, SEARCHED_LINES)
    for line in lines[-LOG_LINES:]:
        shared.log.error("%s: %s", job.name, line)
    reason = job.failure_reason.strip().rstrip(".") or "no reason given"
    passing = job.status == "Failed" and reason_passes(reason)
    advice = PASSES if passing else FAILED
    if kind == "training" and is_data_fault(reason, lines):
        passing, advice = False, DATA_FAULT
    elif kind == "training" and passing and not repeats(job.ran_seconds, attempt_of(job.name)):
        passing, advice = False, FAILED_AGAIN
    return JobFailedError(
        f"The {kind} job {job.name} ended as {job.status}, not Completed ({reason}): {advice}.",
        passing=passing,
    )


def wait_timed_out(shared: SharedJobs, what: str) -> WaitTimeoutError:
    """Stop what no other run uses, and return the error about ``what`` was waited for."""
    said = f"Within its time limit {what} has not ended"
    if shared.names and not shared.leave_all(stop=True):
        return WaitTimeoutError(
            f"{said}: it is stopped, no other run waits for it; raise the time limit in the settings and "
            "clear this task, which then starts it again.",
            passing=False,
        )
    return WaitTimeoutError(
        f"{said}: it goes on; raise the time limit in the settings or clear this task, which then waits for "
        "it again.",
        passing=True,
    )


def wait_failed(event: dict[str, Any]) -> WaitFailedError:
    """Return the error for an event that says the triggerer gave up."""
    said = f"Waiting for {event['what']} in the triggerer failed: {event['message']}"
    return WaitFailedError(said, passing=bool(event["passing"]))
