"""What the reason that SageMaker gives for a failed job or endpoint means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# The reasons that SageMaker gives for a job or an endpoint that failed start with their kind: ClientError and
# AlgorithmError are about the input or the model, the others about AWS (DescribeTrainingJob, FailureReason).
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
# A training that ran so long before it met a fault of the service was paid for.
LONG_RUN_SECONDS = 600


def reason_passes(reason: str) -> bool:
    """Whether a job or an endpoint that failed for this reason may succeed as it is, later."""
    own_fault = re.match(r"\W*(ClientError|AlgorithmError)", reason) or _DATA_FAULT.search(reason)
    return own_fault is None and _PASSING_REASON.search(reason) is not None


def is_data_fault(reason: str, log: Iterable[str]) -> bool:
    """Whether a training died of data that it could not read, whatever the service calls it."""
    return any(_DATA_FAULT.search(line) for line in (reason, *log))


def repeats(ran_seconds: float, attempt: int) -> bool:
    """Whether a training that a fault of the service has ended is worth being paid for once more.

    That fault may be one of the data in disguise, so it is repeated once after a long run. ``ran_seconds`` is
    how long it trained (0 if it never began), ``attempt`` which job with these inputs it was, from 1.
    """
    return attempt == 1 or ran_seconds < LONG_RUN_SECONDS
