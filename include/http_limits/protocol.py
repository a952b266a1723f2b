"""uvicorn's HTTP/1.1 protocol with deadlines and limits, which uvicorn itself does not have.

uvicorn waits for a head and for the rest of a body without end, keeps a head of any length, and reads on
after an answer. :class:`~include.http_limits.connections.Connections` looks at all deadlines once a second:
timers of their own would cost every request.

A client that has not sent its whole request when it is answered for the last time is not cut off at once: it
would lose the answer that says why. The connection is closed for writing, and what still comes is dropped
until the client is done, sends too much or takes too long.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from include.http_limits.bodies import has_long_body
from include.http_limits.refusals import HeadTooLarge, RequestRefused, RequestTooSlow
from include.http_limits.transport import LingeringTransport

if TYPE_CHECKING:
    import asyncio

    from include.http_limits.connections import Connections

# Browsers do not pipeline at all; each request that waits for its turn is kept in memory.
_MAX_PIPELINED = 8
# What the parser does not pass on: ``: `` and the end of a header's line; of the first line two spaces, the
# version and the end, and the empty line.
_HEADER_BYTES = 4
_LINES_BYTES = 14


class _State(Enum):
    READING = auto()  # a head is arriving, or the connection is new
    BUSY = auto()  # a request is being answered
    REST = auto()  # answered; the rest of its body is still to come
    IDLE = auto()  # answered; uvicorn closes it when nothing comes
    LINGERING = auto()  # answered for the last time; what comes is dropped


class LimitedProtocol(HttpToolsProtocol):
    """One connection. :func:`limited` binds the class to the connections of a server."""

    register: Connections

    _state = _State.READING
    _deadline: float | None = None
    _unread_deadline: float | None = None
    _sent_anything = False
    _head_bytes = 0
    _parsed_head_bytes = 0
    _head_too_large = False
    _ends = 0
    _message_complete = True
    _bytes_after_head = 0
    _body_bytes = 0
    _dropped_bytes = 0

    # --- from the event loop ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected; its first request is due."""
        super().connection_made(cast("asyncio.Transport", LingeringTransport(transport, self.linger)))
        self._deadline = self.loop.time() + self.register.limits.head_seconds
        self.register.add(self, self.client[0] if self.client else "unknown")

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self.register.remove(self)
        self._deadline = self._unread_deadline = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; data that ends a head or a request may hold much of a body and is not counted."""
        self._sent_anything = True
        if self._state is _State.LINGERING:
            self._drop(len(data))
            return
        if self._state is _State.IDLE:
            self._enter(_State.READING, self.register.limits.head_seconds)
            self.register.is_reading(self)
        ends = self._ends
        super().data_received(data)
        if self._ends != ends:
            self._head_bytes = 0
        elif self._message_complete or self._state is _State.READING:
            self._count_head(len(data))
        else:
            self._count_frame(len(data))

    def pause_writing(self) -> None:
        """The client does not read its answer."""
        self._unread_deadline = self.loop.time() + self.register.limits.write_seconds
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client has read most of its answer."""
        self._unread_deadline = None
        super().resume_writing()

    # --- from the parser ---

    def on_message_begin(self) -> None:
        """A request begins."""
        if len(self.pipeline) >= _MAX_PIPELINED:
            raise ValueError("Too many requests at once.")
        self._message_complete = False
        self._parsed_head_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of the address is here."""
        self._parsed_head_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header is here; a trailer comes too late to count."""
        self._parsed_head_bytes += len(name) + len(value) + _HEADER_BYTES
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The request is answered from now on; its body follows."""
        head_bytes = self._parsed_head_bytes + len(self.parser.get_method()) + _LINES_BYTES
        if head_bytes > self.register.limits.head_bytes:
            # Ends the parser, which has send_400_response called.
            self._head_too_large = True
            raise ValueError("The head is too large.")
        self._ends += 1
        self._bytes_after_head = self._body_bytes = 0
        was_busy = self._state is _State.BUSY
        self._enter(_State.BUSY)
        if not was_busy:
            self.register.is_busy(self)
        super().on_headers_complete()
        if has_long_body(self.headers):
            self.flow.pause_reading()

    def on_body(self, body: bytes) -> None:
        """A part of the body is here."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of the request is here."""
        self._message_complete = True
        self._ends += 1
        super().on_message_complete()
        if self._state is _State.REST:
            self._rest()

    def on_response_complete(self) -> None:
        """The request is answered; uvicorn begins the next one if it is here already."""
        if self.cycle.response_complete:
            # Nothing will ask for what is left of it.
            self.cycle.body = bytearray()
        waiting = bool(self.pipeline)
        super().on_response_complete()
        if self.transport.is_closing() or waiting:
            return
        if self._message_complete:
            self._rest()
        else:
            self._enter(_State.REST, self.register.limits.idle_body_seconds)

    def send_400_response(self, msg: str) -> None:
        """The parser has given up."""
        if not self._head_too_large:
            super().send_400_response(msg)
        elif not self.transport.is_closing():
            self._refuse_head()

    # --- from the server and its connections ---

    def shutdown(self) -> None:
        """The server stops: only a request under way may still be answered."""
        if self._state is _State.BUSY:
            super().shutdown()
        elif not self.transport.is_closing():
            self._close_now()
        else:
            self.transport.abort()

    def refuse(self, refused: RequestRefused) -> None:
        """Answer with a refusal and close."""
        if self._state is _State.LINGERING:
            self.transport.abort()
            return
        if self._sent_anything and self._state is not _State.IDLE:
            self.transport.write(refused.http())
        self._close_now()

    def expire(self, now: float) -> bool:
        """Close the connection when it is late, and say so."""
        unread = self._unread_deadline is not None and now > self._unread_deadline
        if not unread and (self._deadline is None or now <= self._deadline):
            return False
        self.register.remove(self)
        if unread or self._state is not _State.READING:
            self.transport.abort()
        else:
            seconds = self.register.limits.head_seconds
            self.refuse(
                RequestTooSlow(f"Request line and headers did not arrive within {seconds:g} seconds.")
            )
        return True

    # --- states ---

    def linger(self) -> bool:
        """Close for writing if the client may still be sending; false: there is no need to."""
        if self._state is _State.LINGERING:
            return True
        if self._message_complete and self._state is not _State.READING:
            return False
        self._enter(_State.LINGERING, self.register.limits.linger_seconds)
        self.register.is_closing(self)
        self.flow.resume_reading()
        return True

    def _rest(self) -> None:
        self._enter(_State.IDLE)
        self.register.is_idle(self)

    def _enter(self, state: _State, seconds: float | None = None) -> None:
        self._state = state
        self._deadline = None if seconds is None else self.loop.time() + seconds

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.register.limits.head_bytes and not self.transport.is_closing():
            self._refuse_head()

    def _refuse_head(self) -> None:
        if self._state is _State.BUSY:
            # An answer is under way, which another would corrupt.
            self.transport.abort()
            return
        kib = self.register.limits.head_bytes // 1024
        self.transport.write(HeadTooLarge(f"Request line and headers are larger than {kib} KiB.").http())
        self.transport.close()

    def _count_frame(self, size: int) -> None:
        """Cut off a body that is mostly what the parser keeps or drops: chunk extensions and trailers."""
        self._bytes_after_head += size
        if self._bytes_after_head > 2 * self._body_bytes + self.register.limits.head_bytes:
            self.transport.abort()

    def _drop(self, size: int) -> None:
        self._dropped_bytes += size
        if self._dropped_bytes > self.register.limits.linger_bytes:
            self.transport.abort()

    def _close_now(self) -> None:
        self.register.remove(self)
        self._message_complete, self._state = True, _State.IDLE
        self.transport.close()


def limited(connections: Connections) -> type[LimitedProtocol]:
    """The protocol for ``uvicorn.Config(http=...)`` whose connections are counted in ``connections``.

    uvicorn must be told ``ws="none"``: a connection that changes its protocol has no limits.
    """
    return type("LimitedProtocol", (LimitedProtocol,), {"register": connections})
