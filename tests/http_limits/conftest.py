"""A server with short limits, whose application reads, waits or answers as its path says."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import uvicorn

from include.http_limits.connections import ConnectionLimits, Connections
from include.http_limits.protocol import limited
from include.http_limits.requests import LimitedRequests, RequestLimits
from tests.support.lanes import starts


class Application:
    """``/read`` reads the body, ``/ignore`` answers without it, ``/wait`` answers when the test says so."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.read_bytes = 0

    async def __call__(self, scope, receive, send) -> None:
        if scope["path"] == "/wait":
            await asyncio.to_thread(self.go_on.wait, 30)
        if scope["path"] == "/read":
            more = True
            while more:
                message = await receive()
                self.read_bytes += len(message.get("body", b""))
                more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


class Running:
    """A running server; its limits are those of the test."""

    def __init__(self, connections: Connections, requests: RequestLimits) -> None:
        self.application = Application()
        self.connections = connections
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        config = uvicorn.Config(
            LimitedRequests(self.application, requests),
            http=limited(connections),
            ws="none",
            lifespan="off",
            log_level="critical",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],))
        self._thread.start()

    def connect(self, stack: ExitStack | None = None) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        return stack.enter_context(connection) if stack else connection

    def stop(self) -> None:
        self.application.go_on.set()
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()


@pytest.fixture
@starts("server")
def serve() -> Iterator[Callable[..., Running]]:
    """``serve(requests=RequestLimits(...), **connection_limits)`` -> a running server."""
    running: list[Running] = []

    def start(requests: RequestLimits | None = None, **limits) -> Running:
        connections = Connections(ConnectionLimits(**limits))
        running.append(Running(connections, requests or RequestLimits()))
        return running[-1]

    yield start
    for server in running:
        server.stop()
