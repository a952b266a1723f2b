"""Hostile requests on their way, and what comes back."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
from dataclasses import dataclass

from tests.support.hostile.signing import Request


@dataclass
class Answer:
    status: int
    location: str
    body: bytes

    @property
    def sentence(self) -> str:
        with contextlib.suppress(ValueError):
            document = json.loads(self.body)
            return str(document.get("message") or document.get("error") or "")
        page = self.body.decode("utf-8", "replace")
        text = re.sub(r"(?s)<(script|style|head|nav|header).*?</\1>|<[^>]*>", " ", page)
        return " ".join(text.split())


class Attacker:
    """Sends requests one after the other on one connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def send(self, request: Request) -> Answer:
        for attempt in (1, 2):
            try:
                self._connection.request(request.method, request.path, request.body or None, request.headers)
                response = self._connection.getresponse()
                return Answer(response.status, response.headers.get("Location", ""), response.read())
            except (OSError, http.client.HTTPException):
                # A client that is refused before its body was read loses the connection: once is no fault.
                self._connection.close()
                if attempt == 2:
                    raise
        raise AssertionError

    def close(self) -> None:
        self._connection.close()


def send_raw(port: int, raw: bytes) -> bytes:
    """What a server answers to these bytes, however little they are HTTP."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(10)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65_536):
                answer += chunk
    return answer


RAW = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x00" * 100,
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /worker/queue\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /human-loops/\xe9 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /x y HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://elsewhere/worker/queue HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://elsewhere/human-loops HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere:443\r\n\r\n",
    b"POST /worker/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /worker/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
    b"POST /worker/sessions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /work HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    b"GET /worker/queue HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n",
    b"GET /worker/queue HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
    b"GET /worker/queue HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
    b"GET /worker/queue HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
    b"GET /worker/queue HTTP/1.1\r\nHost: x\r\nCookie: desk_session=\xe9; =; ;;\r\n\r\n",
    b"GET /worker/queue HTTP/1.1\r\nHost: x\r\n" + b"X-Long: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET /worker/queue HTTP/1.1\r\nHost: x\r\n" + b"X-Many: a\r\n" * 3000 + b"\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b'GET /work HTTP/1.1\r\nHost: \xe9"<script>\r\n\r\n',
    b"GET /sign-in/.. HTTP/1.1\r\nHost: \r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: \xff\r\nContent-Length: 0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: AWS4-HMAC-SHA256 \xff\r\nContent-Length: 0\r\n\r\n",
]
