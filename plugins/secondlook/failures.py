"""What a failure means: does it pass by itself, or does somebody have to change something first?

One table for operators, sensors, triggers and the retry policy. Errors of AWS clients are known by class
name, error code and HTTP status, so that nothing here imports an AWS client.

Sources: Amazon S3 API Reference, Error Responses; SageMaker API Reference, Common Errors; the error shapes of
botocore's service models; ``facts/aws.md`` sections 2.4 and 7.3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from secondlook.errors import SecondLookError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Cause(Enum):
    """Why something failed."""

    THROTTLED = "throttled"
    UNREACHABLE = "unreachable"
    SERVICE_FAULT = "service fault"
    BUSY = "busy"
    CAPACITY = "capacity"
    QUOTA = "quota"
    TIMEOUT = "timeout"
    DENIED = "denied"
    CLOSED = "closed"
    CREDENTIALS = "credentials"
    NOT_FOUND = "not found"
    INVALID = "invalid"
    SETUP = "setup"
    DEFECT = "defect"
    STATED = "stated"
    UNKNOWN = "unknown"


# What helps by cause. Those that pass come first; nobody has to do anything unless they do not.
_PASSING = {
    Cause.THROTTLED: "wait; if it goes on, ask AWS for a higher request rate or run fewer tasks at once",
    Cause.UNREACHABLE: "check the network and the connection's endpoint URL if it goes on",
    Cause.SERVICE_FAULT: "look at the service's health page or log if it goes on",
    Cause.BUSY: "wait until the change that is under way has ended",
    Cause.CAPACITY: "wait, or set another instance type",
    Cause.QUOTA: "wait until other work ends, or ask AWS for a higher quota",
    Cause.TIMEOUT: "clear the task if it goes on, or raise its time limit",
}
_LASTING = {
    Cause.DENIED: "give the connection's user this permission, then clear the task",
    Cause.CLOSED: "this account may not use the service; Amazon A2I takes no new customers, so run the "
    "Review Desk and let the A2I connection point at it",
    Cause.CREDENTIALS: "correct key, secret and region of the Airflow connection, then clear the task",
    Cause.NOT_FOUND: "create what is missing or correct its name in the settings, then clear the task",
    Cause.INVALID: "correct what it names, then clear the task",
    Cause.SETUP: "correct what it names on the worker or in the connection, then clear the task",
    Cause.DEFECT: "this is a fault of the program or of its installation, report it with the log",
    Cause.STATED: "",
}
# How many times the usual delay a cause takes to pass.
_PATIENCE = {Cause.CAPACITY: 5, Cause.QUOTA: 5}
_STEPS = 30


@dataclass(frozen=True)
class Fault:
    """What a failure means.

    ``passing``: the same call may succeed later although nobody does anything.
    """

    cause: Cause
    passing: bool

    @property
    def known(self) -> bool:
        """Whether it is in the table at all; what is not is retried."""
        return self.cause is not Cause.UNKNOWN

    @property
    def advice(self) -> str:
        """What to do, as the end of a sentence; empty when the error says it itself."""
        return _PASSING.get(self.cause) or _LASTING.get(self.cause) or "read the log, then clear the task"


def fault(cause: Cause) -> Fault:
    """Return what a cause means."""
    return Fault(cause, cause not in _LASTING)


def delay_seconds(what: Fault, step: int, *, base: float, longest: float, jitter: float) -> float:
    """Seconds until the next try: doubled at each step, spread by ``jitter``, never more than ``longest``.

    ``step`` is 0 after the first try; ``jitter`` is a random number from 0 to 1 and takes away up to half.
    """
    whole = base * _PATIENCE.get(what.cause, 1) * 2.0 ** min(max(step, 0), _STEPS)
    return min(whole, longest) * (1 - jitter / 2)


# What a service answered. ``error`` is botocore's ClientError or anything else with its ``response``.


def error_code(error: Any) -> str:
    """The service's error code, for example ``ValidationException``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def error_message(error: Any) -> str:
    """The service's own sentence."""
    return str(error.response.get("Error", {}).get("Message", "")) or str(error)


def error_status(error: Any) -> int:
    """The HTTP status of the answer, 0 when unknown."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_not_found(error: Any) -> bool:
    """Whether the thing asked for does not exist.

    SageMaker's control plane says so with a ValidationException and a text only ("Could not find model",
    "Requested resource not found").
    """
    if error_code(error) == "ValidationException":
        return _NOT_FOUND_TEXT.search(error_message(error)) is not None
    return error_code(error) in _NOT_FOUND


def is_already_there(error: Any) -> bool:
    """Whether a create call failed because the name is taken."""
    return error_code(error) in {"ResourceInUse", "ConflictException"} or (
        error_code(error) == "ValidationException"
        and "Cannot create already existing" in error_message(error)
    )


_NOT_FOUND = {"ResourceNotFound", "ResourceNotFoundException", "NoSuchKey", "NoSuchBucket", "NotFound", "404"}
_NOT_FOUND_TEXT = re.compile(r"Could not find|Requested resource not found|does not exist")
_BUSY_TEXT = re.compile(
    r"in-progress|in progress|being (created|updated|deleted)|(Creating|Updating|Deleting) (state|status)"
)
# How AWS words that an account may not use Amazon A2I, which took its last new customers in July 2026.
_NO_CUSTOMER_TEXT = re.compile(r"(existing|new|A2I) customer", re.IGNORECASE)
_LIMIT_TEXT = re.compile(
    r"is (?P<limit>\d+) \w+, with current utilization of \d+ \w+ and a request delta of (?P<delta>\d+)"
)
# CreateEndpoint may not see the endpoint config that was made a moment before, and so on (facts/aws.md 7.3).
_JUST_MADE = {
    "CreateEndpoint": "endpoint configuration",
    "UpdateEndpoint": "endpoint configuration",
    "CreateEndpointConfig": "model",
    "CreateTransformJob": "model",
}
# The next try fetches new credentials, unless somebody has typed a session token into the connection.
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_BY_CODE: dict[str, Cause] = {
    **dict.fromkeys(
        (
            *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "SlowDown"),
            *("RequestThrottledException", "RequestLimitExceeded", "TooManyRequests", "OverLimit"),
            *("TooManyRequestsException", "BandwidthLimitExceeded", "PriorRequestNotComplete"),
            *("ProvisionedThroughputExceededException", "EC2ThrottledException", "KmsThrottled"),
        ),
        Cause.THROTTLED,
    ),
    **dict.fromkeys(
        (
            *("InternalError", "InternalFailure", "InternalServerError", "InternalServerException"),
            *("InternalDependencyException", "ServiceUnavailable", "ServiceUnavailableException"),
            *("ModelNotReadyException", "InternalStreamFailure", "ServiceException"),
        ),
        Cause.SERVICE_FAULT,
    ),
    **dict.fromkeys(
        (
            *("RequestTimeout", "RequestTimeoutException", "IncompleteBody", "BadDigest"),
            *("XAmzContentSHA256Mismatch", "ClientDisconnected"),
        ),
        Cause.UNREACHABLE,
    ),
    **dict.fromkeys(
        (
            *("ResourceInUse", "ResourceInUseException", "ConflictException", "OperationAborted"),
            *("ConditionalRequestConflict", "PreconditionFailed", "ConcurrentModificationException"),
        ),
        Cause.BUSY,
    ),
    "InsufficientCapacityError": Cause.CAPACITY,
    "InsufficientInstanceCapacity": Cause.CAPACITY,
    "CapacityError": Cause.CAPACITY,
    **dict.fromkeys(("ServiceQuotaExceededException", "LimitExceededException"), Cause.QUOTA),
    **dict.fromkeys(
        (
            *("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AllAccessDisabled"),
            *("NotAuthorized", "AuthorizationError", "UnauthorizedException", "Forbidden"),
        ),
        Cause.DENIED,
    ),
    **dict.fromkeys(("OptInRequired", "SubscriptionRequiredException"), Cause.CLOSED),
    **dict.fromkeys(
        (
            *("InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException", "InvalidToken"),
            *("SignatureDoesNotMatch", "IncompleteSignature", "MissingAuthenticationToken", "AuthFailure"),
            *("InvalidSignatureException", "MissingAuthenticationTokenException", "RequestTimeTooSkewed"),
            *("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"),
        ),
        Cause.CREDENTIALS,
    ),
    **dict.fromkeys(_NOT_FOUND, Cause.NOT_FOUND),
}


def _of_answer(error: Any) -> Fault:
    code, text, status = error_code(error), error_message(error), error_status(error)
    operation = str(getattr(error, "operation_name", ""))
    if code == "ModelError":
        return _of_container(int(error.response.get("OriginalStatusCode") or 0))
    if code == "ResourceLimitExceeded":
        return Fault(Cause.QUOTA, _fits(text))
    if code in _EXPIRED:
        return Fault(Cause.CREDENTIALS, True)
    if _is_closed(code, text, operation):
        return fault(Cause.CLOSED)
    if code in _BY_CODE:
        return fault(_BY_CODE[code])
    if code.startswith("Throttling") or "Rate exceeded" in text:
        return fault(Cause.THROTTLED)
    if code.startswith("Validation") and status < 500:
        return fault(_of_text(text, operation))
    return fault(_of_status(status))


def _is_closed(code: str, text: str, operation: str) -> bool:
    return _NO_CUSTOMER_TEXT.search(text) is not None or (
        code == "InvalidParameterException" and "HumanLoop" in operation
    )


def _of_text(text: str, operation: str) -> Cause:
    """Sort out SageMaker's ValidationException, which stands for many things."""
    if _NOT_FOUND_TEXT.search(text):
        made = _JUST_MADE.get(operation)
        return Cause.BUSY if made and f"Could not find {made}" in text else Cause.NOT_FOUND
    if "not found" in text:
        # The runtime's words for an endpoint.
        return Cause.NOT_FOUND
    return Cause.BUSY if _BUSY_TEXT.search(text) else Cause.INVALID


def _of_container(status: int) -> Fault:
    """The model's container answered for itself: 0 when it did not get that far."""
    if status == 429:
        return fault(Cause.THROTTLED)
    return fault(Cause.SERVICE_FAULT if status in {0, 408} or status >= 500 else Cause.INVALID)


def _of_status(status: int) -> Cause:
    exact = {
        401: Cause.CREDENTIALS,
        402: Cause.QUOTA,
        403: Cause.DENIED,
        404: Cause.NOT_FOUND,
        408: Cause.UNREACHABLE,
        409: Cause.BUSY,
        412: Cause.BUSY,
        429: Cause.THROTTLED,
        501: Cause.INVALID,
        505: Cause.INVALID,
    }
    if status in exact:
        return exact[status]
    if status >= 500:
        return Cause.SERVICE_FAULT
    return Cause.INVALID if status >= 300 else Cause.UNKNOWN


def _fits(text: str) -> bool:
    """Whether an instance quota would be enough if other jobs ended."""
    numbers = _LIMIT_TEXT.search(text)
    return numbers is None or int(numbers["delta"]) <= int(numbers["limit"])


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
            *("NoCredentialsError", "PartialCredentialsError", "NoRegionError", "InvalidRegionError"),
            *("ProfileNotFound", "TokenRetrievalError", "NoAuthTokenError", "SSOError", "LoginError"),
        ),
        Cause.CREDENTIALS,
    ),
    "ParamValidationError": Cause.INVALID,
    "ValidationError": Cause.INVALID,
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
        return _of_answer(error)
    if "WaiterError" in ancestors:
        return _of_waiter(error)
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
        return _of_answer(_Answer(answer))
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


def reason_passes(reason: str) -> bool:
    """Whether a job or an endpoint that failed for this reason may succeed as it is, later."""
    own_fault = re.match(r"\W*(ClientError|AlgorithmError)", reason)
    return own_fault is None and _PASSING_REASON.search(reason) is not None
