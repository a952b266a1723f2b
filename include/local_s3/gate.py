"""The ASGI application in front of MiniStack: who is let in, and which pages may read."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from ministack.core.sigv4 import decode_header_value

from include.local_s3.signatures import Head, Key, RefusedError, claimed_service, verify

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEALTH = "/_ministack/health"
# The largest message of SQS is 1 MiB, which JSON may write longer.
_MAX_SQS_BYTES = 4 * 1024 * 1024
_ADMINISTRATION = ("/_ministack", "/_localstack")


class Gate:
    """Lets requests pass that are signed with ``key``, the health check, and browsers' preflights.

    Parameters
    ----------
    app
        MiniStack.
    prepare
        Run once, before the first request.
    """

    def __init__(self, app: ASGIApp, key: Key, prepare: Callable[[ASGIApp], Awaitable[None]]) -> None:
        self._app = app
        self._key = key
        self._prepare = prepare

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run through the server's life."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._after_preparation(send))
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    def _after_preparation(self, send: Send) -> Send:
        async def prepared(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await self._prepare(self._app)
            await send(message)

        return prepared

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = _head(scope)
        body = _Body(receive, None)
        try:
            if scope["path"].startswith(_ADMINISTRATION) and not _is_health(head):
                raise RefusedError(403, "AccessDenied", "MiniStack is not administered over HTTP here.")
            if not _is_health(head) and not _is_preflight(head):
                body = await self._admitted(head, receive)
        except RefusedError as refusal:
            await _refuse(send, head, refusal)
            return
        await self._app(scope, body.receive, _without_open_cors(send))
        if body.is_another:
            await _refuse(
                send,
                head,
                RefusedError(
                    400, "XAmzContentSHA256Mismatch", "The body is not the one whose hash was signed."
                ),
            )

    async def _admitted(self, head: Head, receive: Receive) -> _Body:
        if claimed_service(head) == "s3":
            verify(head, self._key)
            return _Body(receive, head.body_hash)
        data = await _read(receive)
        verify(head, self._key, data)
        return _Body(_replay(data), None)


class _Body:
    """A body on its way; one whose hash is not the signed one never arrives whole."""

    def __init__(self, receive: Receive, expected: str | None) -> None:
        self._receive = receive
        self._expected = expected
        self._hash = hashlib.sha256()
        self._over = False
        self.is_another = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] != "http.request" or self._expected is None or self._over:
            return message
        self._hash.update(message.get("body", b""))
        self._over = not message.get("more_body", False)
        if self._over and self._hash.hexdigest() != self._expected:
            self.is_another = True
            return {"type": "http.disconnect"}
        return message


def _head(scope: Scope) -> Head:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), decode_header_value(value)
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    return Head(
        method=scope["method"],
        raw_path=(scope.get("raw_path") or scope["path"].encode()).decode("latin-1"),
        query=parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True),
        headers=headers,
    )


def _is_health(head: Head) -> bool:
    return head.method in ("GET", "HEAD") and head.raw_path == HEALTH


def _is_preflight(head: Head) -> bool:
    return head.method == "OPTIONS" and {"origin", "access-control-request-method"} <= head.headers.keys()


def _without_open_cors(send: Send) -> Send:
    """Take away what lets pages of any origin read; a bucket's own CORS rule names its origins."""

    async def filtered(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))
            if any(
                name.lower() == b"access-control-allow-origin" and value == b"*" for name, value in headers
            ):
                headers = [pair for pair in headers if not pair[0].lower().startswith(b"access-control-")]
            message = {**message, "headers": headers}
        await send(message)

    return filtered


async def _read(receive: Receive) -> bytes:
    data = bytearray()
    while True:
        message = await receive()
        data += message.get("body", b"")
        if len(data) > _MAX_SQS_BYTES:
            raise RefusedError(413, "RequestTooLarge", f"The body has more than {_MAX_SQS_BYTES} bytes.")
        if not message.get("more_body", False):
            return bytes(data)


def _replay(data: bytes) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": data, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


async def _refuse(send: Send, head: Head, refusal: RefusedError) -> None:
    if "x-amz-target" in head.headers:
        kind, text = "application/x-amz-json-1.0", json.dumps(_json_error(refusal))
    else:
        kind, text = "application/xml", _xml_error(refusal)
    body = b"" if head.method == "HEAD" else text.encode()
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    # What is left of the body is not waited for.
    headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _json_error(refusal: RefusedError) -> dict[str, Any]:
    return {"__type": refusal.code, "message": refusal.message}


def _xml_error(refusal: RefusedError) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message></Error>"
    )
