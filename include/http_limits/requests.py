"""An ASGI layer that bounds the requests of an application: how many at once, how large, how slow.

It wraps the application's ``receive``: a body that passes a limit raises
:class:`~include.http_limits.refusals.RequestRefused` there, which the application may answer in its own form;
otherwise this layer answers. A proxy's clients are counted apart, if the server puts their addresses into the
scope (uvicorn's ``proxy_headers``).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.http_limits.addresses import network
from include.http_limits.bodies import has_long_body
from include.http_limits.refusals import RequestRefused, RequestTooLarge, RequestTooSlow, ServerBusy

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MIB = 1024 * 1024


@dataclass(frozen=True)
class RequestLimits:
    """Limits of one application.

    Parameters
    ----------
    requests, requests_per_address
        Under way at once.
    body_bytes
        Of one request, whatever it is for.
    held_bytes, held_bytes_per_address
        Of all requests under way, as far as they have arrived.
    body_seconds, bytes_per_second, longest_seconds
        A body may take ``body_seconds``, and a second more for every ``bytes_per_second`` that have arrived;
        never more than ``longest_seconds``.
    """

    requests: int = 4_000
    requests_per_address: int = 1_000
    body_bytes: int = 40 * MIB
    held_bytes: int = 256 * MIB
    held_bytes_per_address: int = 128 * MIB
    body_seconds: float = 20.0
    bytes_per_second: int = 8 * 1024
    longest_seconds: float = 600.0


class LimitedRequests:
    """The layer; ``application`` sees bodies within the limits only."""

    def __init__(self, application: ASGIApp, limits: RequestLimits) -> None:
        self._application = application
        self._limits = limits
        self._requests: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._all_requests = 0
        self._all_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        request = _Request(self, scope, receive, send)
        self._all_requests += 1
        self._requests[request.address] += 1
        try:
            self._check_requests(request.address)
            await self._application(scope, request.receive, request.send)
        except RequestRefused as refused:
            if request.answered:
                raise
            await request.refuse(refused)
        finally:
            self._all_requests -= 1
            self._all_bytes -= request.received
            _take(self._requests, request.address, 1)
            _take(self._bytes, request.address, request.received)

    @property
    def limits(self) -> RequestLimits:
        """What is allowed."""
        return self._limits

    def hold(self, address: str, size: int) -> None:
        """Count bytes that have arrived, until their request is answered, or raise ServerBusy."""
        self._all_bytes += size
        self._bytes[address] += size
        if self._bytes[address] > self._limits.held_bytes_per_address:
            raise ServerBusy("Too much is being sent from your address at once: try again in a moment.")
        if self._all_bytes > self._limits.held_bytes:
            raise ServerBusy("Too much is being sent to this server at once: try again in a moment.")

    def _check_requests(self, address: str) -> None:
        if self._requests[address] > self._limits.requests_per_address:
            raise ServerBusy("Too many requests from your address at once: try again in a moment.")
        if self._all_requests > self._limits.requests:
            raise ServerBusy("Too many requests at once: try again in a moment.")


class _Request:
    """One request: ``receive`` and ``send`` of its application."""

    def __init__(self, server: LimitedRequests, scope: Scope, receive: Receive, send: Send) -> None:
        self._server = server
        self._receive = receive
        self._send = send
        self._began: float | None = None
        self._complete = False
        self._long = has_long_body(scope["headers"])
        self.address = network(scope["client"][0]) if scope.get("client") else "unknown"
        self.received = 0
        self.answered = False

    async def receive(self) -> Message:
        """The next part of the body, or RequestRefused."""
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline()):
                message = await self._receive()
        except TimeoutError:
            raise RequestTooSlow(
                f"The body did not arrive in time: only {self.received} bytes did. Send it faster."
            ) from None
        if message["type"] == "http.request":
            self._count(len(message.get("body", b"")))
            self._complete = not message.get("more_body", False)
        else:
            self._complete = True
        return message

    async def send(self, message: Message) -> None:
        """Pass an answer on; one that comes before a long body was read ends the connection."""
        if message["type"] == "http.response.start":
            self.answered = True
            if self._long and not self._complete:
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await self._send(message)

    async def refuse(self, refused: RequestRefused) -> None:
        """Answer for an application that did not."""
        headers = [(name.lower().encode(), value.encode()) for name, value in refused.headers.items()]
        await self._send({"type": "http.response.start", "status": refused.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": refused.body})

    def _deadline(self) -> float:
        limits = self._server.limits
        if self._began is None:
            self._began = asyncio.get_running_loop().time()
        seconds = limits.body_seconds + self.received / limits.bytes_per_second
        return self._began + min(seconds, limits.longest_seconds)

    def _count(self, size: int) -> None:
        self.received += size
        self._server.hold(self.address, size)
        if self.received > self._server.limits.body_bytes:
            raise RequestTooLarge(
                f"The request body has more than {self._server.limits.body_bytes} bytes, the most that this "
                "server takes."
            )


def _take(counter: Counter[str], address: str, amount: int) -> None:
    counter[address] -= amount
    if counter[address] <= 0:
        del counter[address]
