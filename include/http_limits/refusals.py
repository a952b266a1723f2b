"""What a client is told that passed a limit."""

from __future__ import annotations

import json
from http import HTTPStatus


class RequestRefused(Exception):
    """A request that passed a limit: its status, AWS's code for it, and one sentence."""

    status = 400
    code = "BadRequestException"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer, which ends the connection."""
        return {
            "Content-Type": "application/json",
            "Content-Length": str(len(self.body)),
            "Connection": "close",
            "X-Amzn-ErrorType": self.code,
        }

    @property
    def body(self) -> bytes:
        """The sentence, as in AWS's errors and as in the worker API's: here both are possible."""
        return json.dumps({"__type": self.code, "message": self.message, "error": self.message}).encode()

    def http(self) -> bytes:
        """The whole answer as HTTP/1.1."""
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


class RequestTooLarge(RequestRefused):
    """A body beyond what its operation takes."""

    status, code = 413, "RequestEntityTooLargeException"


class RequestTooSlow(RequestRefused):
    """A head or a body that did not arrive in time. AWS's clients try again."""

    status, code = 408, "RequestTimeoutException"


class HeadTooLarge(RequestRefused):
    """Request line and headers beyond the limit."""

    status, code = 431, "RequestHeaderFieldsTooLargeException"


class ServerBusy(RequestRefused):
    """Too many connections, requests or bytes at once. AWS's clients try again."""

    status, code = 503, "ServiceUnavailableException"

    @property
    def headers(self) -> dict[str, str]:
        """Says when to try again as well."""
        return super().headers | {"Retry-After": "5"}
