"""What a failure means: the table, case by case, with the errors that the clients really raise."""

from __future__ import annotations

import http.client
import ssl

import aiohttp
import botocore.exceptions as botocore_errors
import jinja2
import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.parsers import ResponseParserError
from hypothesis import given
from hypothesis import strategies as st

from secondlook.failures.causes import Cause, delay_seconds, fault
from secondlook.failures.exceptions import SecondLookError, SettingsError
from secondlook.failures.explain import Place, explain, fault_of, sentence_of, will_pass
from secondlook.failures.job_reasons import is_data_fault, reason_passes, repeats

ClientError = botocore_errors.ClientError
ENDPOINT = "https://api.sagemaker.us-east-1.amazonaws.com/"
LIMIT = (
    "The account-level service limit 'ml.g4dn.xlarge for training job usage' is {limit} Instances, with "
    "current utilization of {used} Instances and a request delta of 1 Instances."
)


def answer(
    code: str, text: str = "", status: int = 400, operation: str = "CreateModel", **more
) -> ClientError:
    """The error that botocore raises for such an answer of a service."""
    response = {"Error": {"Code": code, "Message": text}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError({**response, **more}, operation)


PASSING = [
    (answer("ThrottlingException", "Rate exceeded"), Cause.THROTTLED),
    (answer("Throttling"), Cause.THROTTLED),
    (answer("TooManyRequestsException", status=429), Cause.THROTTLED),
    (answer("RequestLimitExceeded", status=503), Cause.THROTTLED),
    (answer("SlowDown", "Please reduce your request rate.", 503, "PutObject"), Cause.THROTTLED),
    (answer("ThrottlingSomethingNew"), Cause.THROTTLED),
    (answer("SomethingNew", status=429), Cause.THROTTLED),
    (answer("ModelError", status=424, OriginalStatusCode=429), Cause.THROTTLED),
    (answer("InternalServerException", status=500), Cause.SERVICE_FAULT),
    (answer("InternalFailure", status=500), Cause.SERVICE_FAULT),
    (answer("ServiceUnavailable", status=503), Cause.SERVICE_FAULT),
    (answer("SomethingNew", status=599), Cause.SERVICE_FAULT),
    (answer("502", "Bad Gateway", 502), Cause.SERVICE_FAULT),
    (answer("ModelError", "the model is gone", 424, OriginalStatusCode=500), Cause.SERVICE_FAULT),
    (answer("ModelError", "no answer within 60 s", 424), Cause.SERVICE_FAULT),
    (answer("RequestTimeout", status=400, operation="PutObject"), Cause.UNREACHABLE),
    (answer("BadDigest", status=400, operation="PutObject"), Cause.UNREACHABLE),
    (answer("408", status=408), Cause.UNREACHABLE),
    (answer("ResourceInUse", "Resource is being deleted"), Cause.BUSY),
    (answer("ConflictException", status=409), Cause.BUSY),
    (answer("OperationAborted", status=409, operation="PutObject"), Cause.BUSY),
    (answer("PreconditionFailed", status=412, operation="PutObject"), Cause.BUSY),
    (answer("ValidationException", "Cannot update in-progress endpoint"), Cause.BUSY),
    (answer("ValidationException", "The endpoint is being deleted"), Cause.BUSY),
    (
        answer(
            "ValidationException", 'Could not find endpoint configuration "a".', operation="CreateEndpoint"
        ),
        Cause.BUSY,
    ),
    (answer("CapacityError"), Cause.CAPACITY),
    (answer("ResourceLimitExceeded", LIMIT.format(limit=1, used=1)), Cause.QUOTA),
    (answer("ServiceQuotaExceededException", status=402), Cause.QUOTA),
    (answer("ExpiredTokenException", status=403), Cause.CREDENTIALS),
    (answer("400", "Bad Request", 400, "HeadObject"), Cause.CREDENTIALS),
    (botocore_errors.NoCredentialsError(), Cause.CREDENTIALS),
    (botocore_errors.EndpointConnectionError(endpoint_url=ENDPOINT), Cause.UNREACHABLE),
    (botocore_errors.ConnectTimeoutError(endpoint_url=ENDPOINT), Cause.UNREACHABLE),
    (botocore_errors.ReadTimeoutError(endpoint_url=ENDPOINT), Cause.UNREACHABLE),
    (botocore_errors.ConnectionClosedError(endpoint_url=ENDPOINT), Cause.UNREACHABLE),
    (botocore_errors.ProxyConnectionError(proxy_url=ENDPOINT), Cause.UNREACHABLE),
    (botocore_errors.SSLError(endpoint_url=ENDPOINT, error="EOF occurred"), Cause.UNREACHABLE),
    (botocore_errors.ResponseStreamingError(error="reset"), Cause.UNREACHABLE),
    (botocore_errors.IncompleteReadError(actual_bytes=3, expected_bytes=9), Cause.UNREACHABLE),
    (botocore_errors.CredentialRetrievalError(provider="iam", error_msg="no"), Cause.UNREACHABLE),
    (ResponseParserError("Unable to parse response, invalid XML"), Cause.UNREACHABLE),
    (http.client.IncompleteRead(b"half"), Cause.UNREACHABLE),
    (aiohttp.ServerDisconnectedError(), Cause.UNREACHABLE),
    (aiohttp.ClientPayloadError("half an answer"), Cause.UNREACHABLE),
    (ConnectionResetError(104, "Connection reset by peer"), Cause.UNREACHABLE),
    (TimeoutError(), Cause.TIMEOUT),
    (
        botocore_errors.WaiterError("w", "Max attempts exceeded. Previously accepted state: x", {}),
        Cause.TIMEOUT,
    ),
    (
        botocore_errors.WaiterError(
            "w", "An error occurred (ThrottlingException)", {"Error": {"Code": "ThrottlingException"}}
        ),
        Cause.THROTTLED,
    ),
    (RuntimeError("nobody knows"), Cause.UNKNOWN),
    (answer("Unheard", status=0), Cause.UNKNOWN),
]

LASTING = [
    (answer("AccessDeniedException", "not authorized to perform: sagemaker:StartHumanLoop"), Cause.DENIED),
    (answer("AccessDenied", status=403, operation="PutObject"), Cause.DENIED),
    (answer("403", "Forbidden", 403, "HeadObject"), Cause.DENIED),
    (
        answer("ValidationException", "Amazon A2I no longer accepts new customers.", 400, "StartHumanLoop"),
        Cause.CLOSED,
    ),
    (answer("InvalidParameterException", "Not supported.", 400, "StartHumanLoop"), Cause.CLOSED),
    (answer("SubscriptionRequiredException", status=403), Cause.CLOSED),
    (answer("OptInRequired", status=403), Cause.CLOSED),
    (answer("UnrecognizedClientException", status=403), Cause.CREDENTIALS),
    (answer("SignatureDoesNotMatch", status=403), Cause.CREDENTIALS),
    (answer("PermanentRedirect", status=301, operation="ListObjectsV2"), Cause.CREDENTIALS),
    (answer("NoSuchBucket", status=404, operation="PutObject"), Cause.NOT_FOUND),
    (answer("NoSuchKey", status=404, operation="GetObject"), Cause.NOT_FOUND),
    (answer("ResourceNotFoundException", status=404), Cause.NOT_FOUND),
    (answer("ResourceNotFound", "Requested resource not found"), Cause.NOT_FOUND),
    (answer("ValidationException", 'Could not find model "a".'), Cause.NOT_FOUND),
    (answer("ValidationError", "Endpoint a of account 1 not found.", 400, "InvokeEndpoint"), Cause.NOT_FOUND),
    (answer("ValidationException", "Could not assume role arn:aws:iam::1:role/a."), Cause.ROLE),
    (answer("ValidationException", "1 validation error detected"), Cause.INVALID),
    (answer("ModelError", "this is no image", 424, OriginalStatusCode=400), Cause.INVALID),
    (answer("NotImplemented", status=501, operation="PutObject"), Cause.INVALID),
    (answer("SomethingNew", status=400), Cause.INVALID),
    (answer("ResourceLimitExceeded", LIMIT.format(limit=0, used=0)), Cause.QUOTA),
    (botocore_errors.NoRegionError(), Cause.CREDENTIALS),
    (botocore_errors.ParamValidationError(report="Missing RoleArn"), Cause.INVALID),
    (botocore_errors.UnknownServiceError(service_name="a", known_service_names="b"), Cause.SETUP),
    (
        botocore_errors.SSLError(endpoint_url=ENDPOINT, error="[SSL: CERTIFICATE_VERIFY_FAILED] no"),
        Cause.SETUP,
    ),
    (ssl.SSLCertVerificationError(1, "self-signed certificate"), Cause.SETUP),
    (botocore_errors.WaiterError("w", "Waiter encountered a terminal failure state", {}), Cause.INVALID),
    (SettingsError("bucket is missing: set it."), Cause.STATED),
    (PermissionError(13, "Permission denied"), Cause.SETUP),
    (ModuleNotFoundError("No module named 'aiobotocore'"), Cause.DEFECT),
    (jinja2.UndefinedError("'None' has no attribute 'model'"), Cause.DEFECT),
]


@pytest.mark.parametrize(("error", "cause"), PASSING, ids=str)
def test_what_passes_is_tried_again(error, cause):
    assert fault_of(error).cause is cause
    assert fault_of(error).passing
    assert will_pass(error) is (cause is not Cause.UNKNOWN)


@pytest.mark.parametrize(("error", "cause"), LASTING, ids=str)
def test_what_lasts_fails_at_once(error, cause):
    assert fault_of(error).cause is cause
    assert not fault_of(error).passing
    assert not will_pass(error)


def raised(outer: Exception, *, because: Exception) -> Exception:
    """``outer`` as ``raise outer from because`` leaves it."""
    try:
        raise outer from because
    except Exception as error:
        return error


class Hopeful(SecondLookError):
    """A sentence that knows that it passes."""

    passing = True


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (raised(SecondLookError("x"), because=answer("SlowDown", status=503)), True),
        (raised(SecondLookError("x"), because=answer("AccessDenied", status=403)), False),
        (raised(SecondLookError("x"), because=ValueError("three is no box")), False),
        (raised(Hopeful("x"), because=answer("AccessDenied", status=403)), True),
        (raised(SecondLookError("x"), because=Hopeful("y")), True),
        (raised(S3UploadFailedError("Failed to upload"), because=answer("SlowDown", status=503)), True),
        (raised(S3UploadFailedError("Failed to upload"), because=answer("NoSuchBucket", status=404)), False),
    ],
)
def test_a_sentence_of_ours_means_what_it_was_raised_from(error, passing):
    assert fault_of(error).passing is passing


def test_causes_that_go_round_in_a_circle_are_followed_once():
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__cause__, second.__cause__ = second, first
    assert fault_of(first).cause is Cause.UNKNOWN


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            answer("AccessDeniedException", "User: a is not\nauthorized."),
            "AWS refused CreateModel (AccessDeniedException: User: a is not authorized): give the "
            "connection's user this permission, then clear the task.",
        ),
        (SettingsError("bucket is missing: set it."), "bucket is missing: set it."),
        (
            ConnectionResetError("Connection reset by peer"),
            "ConnectionResetError: Connection reset by peer; check the network and the connection's endpoint "
            "URL if it goes on.",
        ),
        (
            TimeoutError(),
            "TimeoutError: clear the task if it goes on, or raise its time limit.",
        ),
    ],
)
def test_a_failure_is_one_sentence_with_what_to_do(error, sentence):
    assert sentence_of(error) == sentence


@pytest.mark.parametrize(
    ("reason", "passes"),
    [
        ("CapacityError: Unable to provision requested ML compute capacity", True),
        ("InternalServerError: We encountered an internal error. Please try again.", True),
        ("Request to service failed. If failure persists after retry, contact customer support.", True),
        (
            "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error.",
            True,
        ),
        ("ClientError: Data download failed: internal error in channel train", False),
        ("AlgorithmError: InternalServerError is a word here", False),
        ("The primary container did not pass the ping health check.", False),
        ("no reason given", False),
        ("InternalServerError: Platform Error: SageMaker pipe channel timed out.", False),
    ],
)
def test_the_reason_of_a_failed_job_says_whether_another_try_helps(reason, passes):
    assert reason_passes(reason) is passes


INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
PIPE = "Platform Error: SageMaker pipe channel timed out."


@pytest.mark.parametrize(
    ("reason", "log", "data_fault"),
    [
        (INTERNAL, [], False),
        (INTERNAL, ["epoch 1", PIPE, "Traceback"], True),
        (INTERNAL, ["epoch 1", PIPE.upper()], True),
        (f"{INTERNAL} - {PIPE}", [], True),
        ("ClientError: Unable to read data channel 'train'", ["epoch 1"], False),
    ],
)
def test_a_pipe_that_timed_out_is_a_fault_of_the_data(reason, log, data_fault):
    assert is_data_fault(reason, log) is data_fault


@pytest.mark.parametrize(
    ("ran_seconds", "attempt", "again"), [(4000, 1, True), (4000, 2, False), (20, 3, True), (0, 4, True)]
)
def test_a_training_that_died_after_a_long_run_is_paid_for_once_more_at_most(ran_seconds, attempt, again):
    assert repeats(ran_seconds, attempt) is again


TEXTS = st.text(max_size=40)


@given(code=TEXTS, text=TEXTS, status=st.integers(0, 599), operation=TEXTS)
def test_every_answer_means_something_and_makes_one_line(code, text, status, operation):
    error = answer(code, text, status, operation)
    assert fault_of(error).cause in Cause
    assert len(sentence_of(error).splitlines()) == 1


@given(status=st.sampled_from([429, 500, 502, 503, 504]), text=TEXTS)
def test_an_unknown_code_goes_by_its_status(status, text):
    error = answer("NeverHeardOf", text, status)
    assert fault_of(error).passing or "customer" in text.lower()


@given(
    cause=st.sampled_from(Cause),
    step=st.integers(-5, 10_000),
    base=st.floats(0, 1e6),
    longest=st.floats(0, 1e6),
    jitter=st.floats(0, 1),
)
def test_delays_grow_and_are_bounded(cause, step, base, longest, jitter):
    delay = delay_seconds(fault(cause), step, base=base, longest=longest, jitter=jitter)
    assert 0 <= delay <= longest
    later = delay_seconds(fault(cause), step + 1, base=base, longest=longest, jitter=jitter)
    assert later >= delay
    # Those that failed together come back over half of the time.
    assert delay >= delay_seconds(fault(cause), step, base=base, longest=longest, jitter=0) / 2


def test_a_failed_call_tells_what_where_why_and_what_to_do():
    denied = answer("AccessDeniedException", "User: a is not authorized", 403)
    place = Place("SageMaker", "aws_default", {Cause.DENIED: "ask the account's owner"})

    assert explain(denied, "create the model m", place) == (
        "Cannot create the model m in SageMaker (connection aws_default) "
        "(AccessDeniedException: User: a is not authorized): ask the account's owner."
    )
    assert explain(denied, "create the model m", Place("SageMaker")).endswith("then clear the task.")


def test_what_passes_by_itself_is_told_as_passing():
    slow = answer("ThrottlingException", "Rate exceeded")

    assert explain(slow, "start the job j", Place("SageMaker")).startswith(
        "Cannot start the job j in SageMaker for now (ThrottlingException: Rate exceeded): wait"
    )
