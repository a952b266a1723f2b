"""What AWS's error responses mean.

The arguments named ``error`` are botocore's ClientError or anything else with its ``response``: they are
recognized by error code, text and HTTP status, so nothing here imports an AWS client.

Sources: Amazon S3 API Reference, Error Responses; SageMaker API Reference, Common Errors; the error shapes of
botocore's service models.
"""

from __future__ import annotations

import re
from typing import Any

from secondlook.failures.causes import Cause, Fault, fault


def error_code(error: Any) -> str:
    """The service's error code, for example ``ValidationException``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def error_message(error: Any) -> str:
    """The service's message."""
    return str(error.response.get("Error", {}).get("Message", "")) or str(error)


def error_status(error: Any) -> int:
    """The HTTP status of the answer, 0 when unknown."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_not_found(error: Any) -> bool:
    """Whether the requested resource does not exist.

    SageMaker's control plane reports this as a ValidationException with a telling text ("Could not find
    model", "Requested resource not found").
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
# AWS's wording when an account may not use Amazon A2I, closed to new customers since July 2026.
_NO_CUSTOMER_TEXT = re.compile(r"(existing|new|A2I) customer", re.IGNORECASE)
_LIMIT_TEXT = re.compile(
    r"is (?P<limit>\d+) \w+, with current utilization of \d+ \w+ and a request delta of (?P<delta>\d+)"
)
# CreateEndpoint may not yet see an endpoint config created a moment ago, and so on.
_JUST_MADE = {
    "CreateEndpoint": "endpoint configuration",
    "UpdateEndpoint": "endpoint configuration",
    "CreateEndpointConfig": "model",
    "CreateTransformJob": "model",
}
# The next try fetches new credentials, unless the connection holds a fixed session token.
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


def fault_of_answer(error: Any) -> Fault:
    """Return what an error response means."""
    code, text, status = error_code(error), error_message(error), error_status(error)
    operation = str(getattr(error, "operation_name", ""))
    if code == "ModelError":
        return _of_container(int(error.response.get("OriginalStatusCode") or 0))
    if code == "ResourceLimitExceeded":
        return Fault(Cause.QUOTA, _fits(text))
    if code in _EXPIRED or (code == "400" and operation.startswith("Head")):
        # A HEAD response has no body; S3 returns 400 when the token has expired.
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
    """Tell apart the many things that SageMaker reports as a ValidationException."""
    if _NOT_FOUND_TEXT.search(text):
        made = _JUST_MADE.get(operation)
        return Cause.BUSY if made and f"Could not find {made}" in text else Cause.NOT_FOUND
    if "not found" in text:
        # The runtime's wording for an endpoint.
        return Cause.NOT_FOUND
    if _BUSY_TEXT.search(text):
        return Cause.BUSY
    return Cause.ROLE if "role" in text.lower() else Cause.INVALID


def _of_container(status: int) -> Fault:
    """The model's container returned this status; 0 when it returned none."""
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
    """Whether the instance quota would suffice once other jobs end."""
    numbers = _LIMIT_TEXT.search(text)
    return numbers is None or int(numbers["delta"]) <= int(numbers["limit"])
