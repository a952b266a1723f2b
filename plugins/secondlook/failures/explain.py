"""What a failure means: does it pass by itself, or does somebody have to change something first?

For operators, sensors, triggers and the retry policy. Errors of clients are known by class name, so that
nothing here imports an AWS client; what services answered is sorted out by :mod:`secondlook.failures.aws`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondlook.failures.aws import error_code, error_message, fault_of_answer
from secondlook.failures.causes import Cause, Fault, fault
from secondlook.failures.exceptions import SecondLookError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Errors that are no answer of a service, by the name of their class or of one that it derives from; the first
# name found along the class's ancestors decides, so the special come before the general by themselves.
_BY_CLASS: dict[str, Cause] = {
    **dict.fromkeys(
        (
            # botocore
            *("HTTPClientError", "IncompleteReadError", "ChecksumError", "FlexibleChecksumError"),
            *("ResponseParserError", "CredentialRetrievalError", "MetadataRetrievalError"),
            # Python, urllib3, aiohttp, httpx
            *("ConnectionError", "ConnectTimeoutError", "gaierror", "SSLError", "ProtocolError"),
            *("IncompleteRead", "ClientConnectionError", "ClientPayloadError", "TransportError"),
        ),
        Cause.UNREACHABLE,
    ),
    "CapacityNotAvailableError": Cause.THROTTLED,
    **dict.fromkeys(("TimeoutError", "AirflowTaskTimeout", "TaskDeferralTimeout"), Cause.TIMEOUT),
    **dict.fromkeys(
        (
            *("PartialCredentialsError", "NoRegionError", "InvalidRegionError", "ProfileNotFound"),
            *("TokenRetrievalError", "NoAuthTokenError", "SSOError", "LoginError"),
        ),
        Cause.CREDENTIALS,
    ),
    "ParamValidationError": Cause.INVALID,
    "ValidationError": Cause.INVALID,
    # What a VOC folder, a box, an image, an archive or a RecordIO file holds is wrong (include/formats).
    **dict.fromkeys(
        ("VocError", "BoxRefusedError", "UnusableImageError", "ArchiveError", "RecordIOError"), Cause.INVALID
    ),
    **dict.fromkeys(
        (
            *("BotoCoreError", "AirflowNotFoundException", "SSLCertVerificationError"),
            *("PermissionError", "FileNotFoundError"),
        ),
        Cause.SETUP,
    ),
    **dict.fromkeys(
        (
            *("ImportError", "AttributeError", "NameError", "TypeError", "SyntaxError"),
            *("NotImplementedError", "TemplateError"),
        ),
        Cause.DEFECT,
    ),
}


def _of_one(error: BaseException) -> Fault:
    """What an error means on its own, without what it was raised from."""
    ancestors = [ancestor.__name__ for ancestor in type(error).__mro__]
    if "ClientError" in ancestors and isinstance(getattr(error, "response", None), dict):
        return fault_of_answer(error)
    if "WaiterError" in ancestors:
        return _of_waiter(error)
    if "NoCredentialsError" in ancestors:
        # botocore raises it, too, when the machine's metadata service did not answer in time.
        return Fault(Cause.CREDENTIALS, True)
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return fault(Cause.SETUP)
    for name in ancestors:
        if name in _BY_CLASS:
            return fault(_BY_CLASS[name])
    return fault(Cause.UNKNOWN)


def _of_waiter(error: Any) -> Fault:
    if "Max attempts exceeded" in str(error):
        return fault(Cause.TIMEOUT)
    answer = getattr(error, "last_response", None)
    if isinstance(answer, dict) and "Error" in answer:
        return fault_of_answer(_Answer(answer))
    return fault(Cause.INVALID)


@dataclass(frozen=True)
class _Answer:
    response: dict[str, Any]


def fault_of(error: BaseException) -> Fault:
    """Say what an error means.

    An error of this package decides for itself if it has an opinion (:attr:`SecondLookError.passing`);
    otherwise, and for errors that say nothing, what they were raised from decides. A sentence of this package
    that was not raised from a passing error is for a person.
    """
    stated = False
    for link in _chain(error):
        if isinstance(link, SecondLookError):
            stated = True
            if link.passing is not None:
                return Fault(Cause.STATED, link.passing)
            continue
        found = _of_one(link)
        if found.known:
            return found
    return fault(Cause.STATED if stated else Cause.UNKNOWN)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def will_pass(error: BaseException) -> bool:
    """Whether waiting is known to help: for those who wait anyhow and need no try for it."""
    found = fault_of(error)
    return found.known and found.passing


def sentence_of(error: BaseException) -> str:
    """What happened and what to do, on one line.

    Errors of this package say it themselves; to others the advice for their cause is added.
    """
    if isinstance(error, SecondLookError):
        return _one_line(str(error))
    if isinstance(getattr(error, "response", None), dict):
        operation = str(getattr(error, "operation_name", "") or "a request")
        said = f"AWS refused {operation} ({error_code(error)}: {error_message(error).strip().rstrip('.')}):"
    else:
        said = str(error).strip().rstrip(".")
        said = f"{type(error).__name__}: {said};" if said else f"{type(error).__name__}:"
    return _one_line(f"{said} {fault_of(error).advice}.")


def _one_line(text: str) -> str:
    return " ".join(text.split())


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
