"""What costs nobody anything: requests of those who hold no key."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from include.aws_protocol import AwsApplication

_MEGABYTE = 1024 * 1024
_CHUNKS = 30
_UNKNOWN = (
    "AWS4-HMAC-SHA256 Credential=AKIANOBODY/20260101/us-east-1/sagemaker/aws4_request, "
    f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([], b"MissingAuthenticationTokenException"),
        ([(b"authorization", b"AWS4-HMAC-SHA256 nonsense")], b"IncompleteSignatureException"),
        ([(b"authorization", _UNKNOWN.encode())], b"UnrecognizedClientException"),
    ],
)
def test_a_body_that_nobody_signed_is_not_kept(headers: list[tuple[bytes, bytes]], code: bytes):
    application = AwsApplication(
        handlers={}, credentials={"AKIASOMEBODY": "secret"}, region="us-east-1", account_id="111122223333"
    )
    sent: list[dict] = []
    left = _CHUNKS

    async def receive() -> dict:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": bytes(_MEGABYTE), "more_body": left > 0}

    async def send(message: dict) -> None:
        sent.append(message)

    target = (b"x-amz-target", b"SageMaker.ListFlowDefinitions")
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [target, *headers],
    }
    asyncio.run(application(scope, receive, send))
    left, sent = _CHUNKS, []
    tracemalloc.start()
    asyncio.run(application(scope, receive, send))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert left == 0, "it is read to its end, so that the client hears the answer"
    assert sent[0]["status"] == 403
    assert code in str(sent).encode()
    assert peak < 5 * _MEGABYTE
