"""Receivers of events: an HTTP server that refuses as it is told, and an SQS queue."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "a secret between the desk and its receiver"


@dataclass
class Received:
    """One request that the receiver got."""

    body: bytes
    headers: dict[str, str]

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def loop(self) -> str:
        return str(self.event["detail"]["humanLoopName"])


@dataclass
class Receiver:
    """An HTTP server on loopback; ``reply`` chooses the status of each answer."""

    received: list[Received] = field(default_factory=list)
    reply: Callable[[Received], int] = lambda _received: 204

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received = Received(body, {name.lower(): value for name, value in self.headers.items()})
                receiver.received.append(received)
                status = receiver.reply(received)
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", receiver.url + "elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, loop: str) -> list[Received]:
        return [received for received in self.received if received.loop == loop]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@dataclass
class SqsQueue:
    """A queue that tests read."""

    client: Any
    url: str
    seen: list[dict[str, Any]] = field(default_factory=list)

    def of(self, loop: str) -> list[dict[str, Any]]:
        """What has arrived so far about a loop."""
        answer = self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            self.seen.append(json.loads(message["Body"]))
            self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return [event for event in self.seen if event["detail"]["humanLoopName"] == loop]
