"""The taps themselves: in a forked process only, which they change for good."""

from __future__ import annotations

import functools
import io
import os
import signal
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiobotocore.client
import aiobotocore.retries.bucket
import aiohttp
import botocore.client
import botocore.retries.bucket
import botocore.retries.standard
import urllib3
import urllib3.connectionpool
import urllib3.exceptions

from tests.faults.calls import (
    CURRENT,
    EVERY_ATTEMPT,
    STALL_SECONDS,
    Attempt,
    Fault,
    server_of,
    with_small_pages,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.calls import Wiretap
    from tests.faults.process import Line, Order

_CODES = {"429": "ThrottlingException", "500": "InternalFailure", "503": "ServiceUnavailable"}
_S3_CODES = {"429": "TooManyRequests", "500": "InternalError", "503": "SlowDown"}


class _Tap:
    """One process's tap."""

    def __init__(self, wiretap: Wiretap, order: Order, line: Line) -> None:
        self._wiretap = wiretap
        self._line = line
        self._task = order.task_id if order.map_index < 0 else f"{order.task_id}[{order.map_index}]"
        self._actor = "trigger" if order.step == "trigger" else "task"

    def begin(self, client: Any, operation: str, params: dict[str, Any]) -> Attempt:
        """Number an API call and find out what is to go wrong with it."""
        service = str(client.meta.service_model.service_name)
        target = self._wiretap.target(params)
        call = self._wiretap.number(self._task, self._actor, service, operation, target)
        self._line.tell("call", call)
        return Attempt(call, self._wiretap.kind_for(call))

    def due(self, attempt: Attempt | None) -> str | None:
        """What goes wrong when the call is sent now."""
        if attempt is None:
            return None
        attempt.sent += 1
        if attempt.kind is None or (attempt.sent > 1 and attempt.kind not in EVERY_ATTEMPT):
            return None
        if attempt.sent == 1:
            fault = Fault(attempt.call, attempt.kind, self._wiretap.way)
            self._wiretap.injected.append(fault)
            self._line.tell("injected", fault)
            if attempt.kind == "server":
                self._line.tell_and_wait("server", server_of(attempt.call))
        return attempt.kind

    def note_body(self, attempt: Attempt | None, size: int) -> None:
        """Tell that the answer has a body that could break off."""
        if attempt is not None and size > 1:
            self._line.tell("body", attempt.call)


def tap(wiretap: Wiretap, order: Order, line: Line) -> None:
    """Put the taps in."""
    taps = _Tap(wiretap, order, line)
    _tap_clients(taps)
    _tap_urllib3(taps)
    _tap_aiohttp(taps)
    _leave_out_back_off()


def _tap_clients(taps: _Tap) -> None:
    make_call = botocore.client.BaseClient._make_api_call
    make_async_call = aiobotocore.client.AioBaseClient._make_api_call

    @functools.wraps(make_call)
    def call(self: Any, operation_name: str, api_params: dict[str, Any]) -> Any:
        token = CURRENT.set(taps.begin(self, operation_name, api_params))
        try:
            return make_call(self, operation_name, with_small_pages(operation_name, api_params))
        finally:
            CURRENT.reset(token)

    @functools.wraps(make_async_call)
    async def async_call(self: Any, operation_name: str, api_params: dict[str, Any]) -> Any:
        token = CURRENT.set(taps.begin(self, operation_name, api_params))
        try:
            return await make_async_call(self, operation_name, with_small_pages(operation_name, api_params))
        finally:
            CURRENT.reset(token)

    botocore.client.BaseClient._make_api_call = call
    aiobotocore.client.AioBaseClient._make_api_call = async_call


def _tap_urllib3(taps: _Tap) -> None:
    pool = urllib3.connectionpool.HTTPConnectionPool
    send = pool.urlopen

    @functools.wraps(send)
    def urlopen(self: Any, method: str, url: str, *arguments: Any, **more: Any) -> Any:
        attempt = CURRENT.get()
        kind = taps.due(attempt)
        if kind == "kill before":
            _die()
        if kind == "refused":
            raise urllib3.exceptions.NewConnectionError(self, "[Errno 111] Connection refused")
        if kind in _CODES:
            assert attempt is not None
            body, headers = _refusal(attempt.call.service, kind, method)
            return urllib3.HTTPResponse(
                io.BytesIO(body), headers, int(kind), preload_content=False, request_method=method
            )
        response = send(self, method, url, *arguments, **more)
        if kind == "kill after":
            _die()
        if kind in {"reset", "reset once"}:
            response.close()
            raise urllib3.exceptions.ProtocolError(
                "Connection aborted.", ConnectionResetError(104, "Connection reset by peer")
            )
        size = int(response.headers.get("Content-Length") or 0) if method != "HEAD" else 0
        taps.note_body(attempt, size)
        if kind == "half-read":
            response._fp = _Half(response._fp, size // 2)
        if kind == "stall":
            _stall()
        return response

    pool.urlopen = urlopen  # type: ignore[method-assign]


class _Half:
    """A body that ends before its announced length."""

    def __init__(self, body: Any, size: int) -> None:
        self._body = body
        self._left = size

    def read(self, amount: int | None = None) -> bytes:
        wanted = self._left if amount is None else min(amount, self._left)
        data: bytes = self._body.read(wanted) if wanted else b""
        self._left -= len(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


def _tap_aiohttp(taps: _Tap) -> None:
    send = aiohttp.ClientSession._request

    @functools.wraps(send)
    async def request(self: Any, method: str, url: Any, **more: Any) -> Any:
        attempt = CURRENT.get()
        kind = taps.due(attempt)
        if kind == "kill before":
            _die()
        if kind == "refused":
            raise aiohttp.ClientOSError(111, "Connection refused")
        if kind in _CODES:
            assert attempt is not None
            body, headers = _refusal(attempt.call.service, kind, method)
            return _async_answer(url, int(kind), headers, body)
        response = await send(self, method, url, **more)
        if kind == "kill after":
            _die()
        if kind in {"reset", "reset once"}:
            response.close()
            raise aiohttp.ServerDisconnectedError
        taps.note_body(attempt, int(response.headers.get("Content-Length") or 0))
        if kind == "half-read":
            response.close()
            response.read = _broken_read
        if kind == "stall":
            _stall()
        return response

    aiohttp.ClientSession._request = request  # type: ignore[method-assign]


async def _broken_read() -> bytes:
    raise aiohttp.ClientPayloadError("Response payload is not completed")


def _async_answer(url: Any, status: int, headers: dict[str, str], body: bytes) -> Any:
    async def read() -> bytes:
        return body

    raw_headers = [(name.encode(), value.encode()) for name, value in headers.items()]
    return SimpleNamespace(url=url, status=status, raw_headers=raw_headers, headers=headers, read=read)


def _refusal(service: str, status: str, method: str) -> tuple[bytes, dict[str, str]]:
    """Body and headers of an answer that a service gives in trouble."""
    if service == "s3":
        text = f"<Error><Code>{_S3_CODES[status]}</Code><Message>Injected.</Message></Error>"
        body, content_type, more = text.encode(), "application/xml", {}
    else:
        code = _CODES[status]
        body = f'{{"__type": "{code}", "message": "Injected."}}'.encode()
        content_type, more = "application/x-amz-json-1.1", {"x-amzn-ErrorType": code}
    if method == "HEAD":
        body = b""
    return body, {"Content-Type": content_type, "Content-Length": str(len(body)), **more}


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    # The signal is on its way; nothing more may be sent meanwhile.
    signal.pause()


def _stall() -> None:
    """Let 60 s pass at once."""
    for name in ("time", "monotonic"):
        setattr(time, name, _later(getattr(time, name)))


def _later(clock: Callable[[], float]) -> Callable[[], float]:
    return lambda: clock() + STALL_SECONDS


def _leave_out_back_off() -> None:
    """What the clients wait between their attempts is not waited for; polling is."""
    policy = botocore.retries.standard.RetryPolicy  # aiobotocore's asks it, too
    # What does not exist would be replaced without effect, and every fault would take half a minute.
    assert callable(policy.compute_retry_delay)
    policy.compute_retry_delay = lambda self, context: 0.0
    botocore.retries.bucket.TokenBucket.acquire = lambda self, amount=1, block=True: True
    aiobotocore.retries.bucket.AsyncTokenBucket.acquire = _no_async_acquire


async def _no_async_acquire(self: Any, amount: float = 1, block: bool = True) -> bool:
    return True
