"""What a failure means: whether it passes on its own, and the sentence that explains it.

For operators, sensors, triggers and the retry policy. Client errors are recognized by class name, so
nothing here imports an AWS client; service responses are interpreted by :mod:`secondlook.failures.aws`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from secondlook.failures.aws import error_code, error_message, fault_of_answer
from secondlook.failures.causes import Cause, Fault, fault
from secondlook.failures.exceptions import SecondLookError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Errors other than a service's response, by the name of their class or of a base class; the first name found
# along the method resolution order decides, so the specific come before the general.
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
    # What a VOC folder, a box, an image, an archive or a RecordIO file holds, or how it is named, is wrong
    # (include/formats).
    **dict.fromkeys(
        (
            *("VocError", "BoxRefusedError", "UnusableImageError", "ArchiveError", "RecordIOError"),
            "UnsafeNameError",
        ),
        Cause.INVALID,
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
    """What an error means by itself, ignoring what it was raised from."""
    ancestors = [ancestor.__name__ for ancestor in type(error).__mro__]
    if "ClientError" in ancestors and isinstance(getattr(error, "response", None), dict):
        return fault_of_answer(error)
    if "WaiterError" in ancestors:
        return _of_waiter(error)
    if "NoCredentialsError" in ancestors:
        # botocore also raises it when the instance metadata service does not answer in time.
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
    """Return what an error means.

    An error of this package that sets :attr:`SecondLookError.passing` decides; otherwise, and for unknown
    errors, what it was raised from decides. An error of this package that was not raised from a passing error
    does not pass.
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
    """Whether waiting is known to help; for callers that wait anyway, without using up a try."""
    found = fault_of(error)
    return found.known and found.passing


@dataclass(frozen=True)
class Place:
    """Where a call went, and advice that is specific to that place.

    Parameters
    ----------
    name
        As a sentence names it after *in*: ``SageMaker``, or the address of an object.
    conn_id
        The Airflow connection that the call went through; None when there is none to name.
    advice
        What to do by cause, where the table of :mod:`secondlook.failures.causes` is too general.
    """

    name: str
    conn_id: str | None = None
    advice: Mapping[Cause, str] = field(default_factory=dict)


def explain(error: BaseException, doing: str, place: Place) -> str:
    """Return one sentence about a call that failed: what could not be done, where, why, and what to do.

    Parameters
    ----------
    error
        What the client raised.
    doing
        What was to be done, as it follows *Cannot*: ``start the human loop x``.
    place
        Where.
    """
    what = fault_of(error)
    where = f"{place.name} (connection {place.conn_id})" if place.conn_id else place.name
    later = " for now" if what.passing else ""
    advice = place.advice.get(what.cause) or what.advice
    return _one_line(f"Cannot {doing} in {where}{later} ({_said(error)}): {advice}.")


def sentence_of(error: BaseException) -> str:
    """What happened and what to do, on one line, for any error.

    Errors of this package already say so; for others, the advice for their cause is added.
    """
    if isinstance(error, SecondLookError):
        return _one_line(str(error))
    if _answered(error):
        operation = str(getattr(error, "operation_name", "") or "a request")
        return _one_line(f"AWS refused {operation} ({_said(error)}): {fault_of(error).advice}.")
    separator = ";" if str(error).strip() else ":"
    return _one_line(f"{_said(error)}{separator} {fault_of(error).advice}.")


def _answered(error: BaseException) -> bool:
    return isinstance(getattr(error, "response", None), dict)


def _said(error: BaseException) -> str:
    """The error's kind and its own words."""
    if _answered(error):
        return f"{error_code(error)}: {error_message(error).strip().rstrip('.')}"
    text = str(error).strip().rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _one_line(text: str) -> str:
    return " ".join(text.split())
