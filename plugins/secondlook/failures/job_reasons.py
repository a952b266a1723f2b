"""What SageMaker's failure reasons of jobs and endpoints mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Failure reasons of jobs and endpoints start with their kind: ClientError and AlgorithmError are about the
# input or the model, the others about AWS (DescribeTrainingJob, FailureReason).
_PASSING_REASON = re.compile(
    r"^\W*(CapacityError|InternalServerError|ServiceUnavailable|ThrottlingException)"
    r"|InsufficientInstanceCapacity|Unable to provision|insufficient capacity"
    r"|internal error|Request to service failed|Rate exceeded",
    re.IGNORECASE,
)


# An image that cannot be read, or a line without a box, stops the pipe that a training reads from, and an
# hour later the job dies of a "platform error" (aws/amazon-sagemaker-examples, issues 1097 and 1316). The
# words may be in the job's log only.
_DATA_FAULT = re.compile(r"pipe channel timed out", re.IGNORECASE)
# A training job that ran longer than this before a service fault has cost real money.
LONG_RUN_SECONDS = 600


def reason_passes(reason: str) -> bool:
    """Whether a job or an endpoint that failed for this reason may succeed later, unchanged."""
    own_fault = re.match(r"\W*(ClientError|AlgorithmError)", reason) or _DATA_FAULT.search(reason)
    return own_fault is None and _PASSING_REASON.search(reason) is not None


def is_data_fault(reason: str, log: Iterable[str]) -> bool:
    """Whether a training job failed on data that it could not read, whatever the service's reason says."""
    return any(_DATA_FAULT.search(line) for line in (reason, *log))


def repeats(ran_seconds: float, attempt: int) -> bool:
    """Whether to pay again for a training job that a service fault ended.

    The service's fault may be bad data in disguise, so a long run is repeated only once. ``ran_seconds`` is
    how long it trained (0 if it never began), ``attempt`` which job with these inputs it was, from 1.
    """
    return attempt == 1 or ran_seconds < LONG_RUN_SECONDS
