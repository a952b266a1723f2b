"""What costs nothing: requests of those who hold no key, or who do not show that they hold it."""

from __future__ import annotations

import asyncio
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest

from include.aws_protocol import AwsApplication

_MEGABYTE = 1024 * 1024
_PARTS = 30


def _authorization(key: str) -> bytes:
    scope = f"{key}/{datetime.now(UTC):%Y%m%d}/us-east-1/sagemaker/aws4_request"
    signed = "host;x-amz-date;x-amz-target"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={signed}, Signature={'0' * 64}".encode()


def _send(*headers: tuple[bytes, bytes], operation: bytes = b"ListFlowDefinitions") -> tuple[int, bytes, int]:
    """Status, answer and megabytes that were read of a body of thirty."""
    application = AwsApplication(
        handlers={}, credentials={"AKIASOMEBODY": "secret"}, region="us-east-1", account_id="111122223333"
    )
    sent: list[dict[str, Any]] = []
    left = _PARTS

    async def receive() -> dict[str, Any]:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": bytes(_MEGABYTE), "more_body": left > 0}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [
            (b"host", b"desk"),
            (b"x-amz-date", f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}".encode()),
            (b"x-amz-target", b"SageMaker." + operation),
            *headers,
        ],
    }
    asyncio.run(application(scope, receive, send))
    return sent[0]["status"], sent[1]["body"], _PARTS - left


@pytest.mark.parametrize(
    ("key", "headers", "code"),
    [
        (None, [], b"MissingAuthenticationTokenException"),
        (None, [(b"authorization", b"AWS4-HMAC-SHA256 nonsense")], b"IncompleteSignatureException"),
        ("AKIANOBODY", [], b"UnrecognizedClientException"),
        # The body's hash is told, so that the signature is known to be wrong before the body comes.
        ("AKIASOMEBODY", [(b"x-amz-content-sha256", b"0" * 64)], b"InvalidSignatureException"),
    ],
)
def test_nothing_of_a_body_is_read_that_is_known_to_be_unsigned(key, headers, code):
    signed = [] if key is None else [(b"authorization", _authorization(key))]
    status, answer, read = _send(*signed, *headers)
    assert status == 403
    assert code in answer
    assert read == 0


def test_who_names_a_key_has_no_thirty_megabytes_read():
    status, answer, read = _send((b"authorization", _authorization("AKIASOMEBODY")))
    assert status == 413
    assert b"The request body for ListFlowDefinitions has at least" in answer
    assert read == 1


def test_a_length_that_is_too_long_is_believed():
    key = (b"authorization", _authorization("AKIASOMEBODY"))
    status, answer, read = _send(key, (b"content-length", b"600000"))
    assert (status, read) == (413, 0)
    assert b"600000 bytes, more than the 524288 that are allowed" in answer


def test_a_long_body_of_who_names_a_key_is_not_kept_in_memory():
    """CreateHumanTaskUi takes a body of 1.5 MB; what is not signed is forgotten all the same."""
    key = (b"authorization", _authorization("AKIASOMEBODY"))
    _send(key, operation=b"CreateHumanTaskUi")
    tracemalloc.start()
    status, _, read = _send(key, operation=b"CreateHumanTaskUi")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (status, read) == (413, 2)
    assert peak < 3 * _MEGABYTE
