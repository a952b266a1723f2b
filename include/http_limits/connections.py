"""How many connections are open, for whom, and which one goes when there are too many.

A full server does not turn newcomers away: it closes the connection that has waited longest without sending a
whole request, so that clients who do send one are served next to any number of silent ones. Only where every
connection has a request under way is the newcomer refused.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from include.http_limits.addresses import network
from include.http_limits.refusals import RequestRefused, ServerBusy

if TYPE_CHECKING:
    from collections.abc import Callable

_SWEEP_SECONDS = 1.0
# A thousand connections that came together are late together: closing all at once would hold up everybody.
_CLOSED_AT_ONCE = 50
_NEXT_CLOSED_SECONDS = 0.02


def no_proxy(_address: str) -> bool:
    """No address is a proxy's."""
    return False


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits of one server.

    Parameters
    ----------
    connections
        Open at once, in all.
    connections_per_address
        Open at once from one address; a hundred browsers behind one address hold 600.
    head_bytes
        Request line and headers together.
    head_seconds
        From the first byte of a request, or from a new connection, to the end of the headers.
    idle_body_seconds
        How long the rest of a body may take that nothing waits for.
    linger_seconds
        How long a refused client may go on sending before it is cut off unheard.
    linger_bytes
        How much of it is read and dropped, so that the client gets to hear the answer.
    write_seconds
        How long a client may leave an answer unread.
    """

    connections: int = 4_000
    connections_per_address: int = 2_000
    head_bytes: int = 64 * 1024
    head_seconds: float = 10.0
    idle_body_seconds: float = 10.0
    linger_seconds: float = 10.0
    linger_bytes: int = 64 * 1024 * 1024
    write_seconds: float = 60.0


class Connection(Protocol):
    """What the limits need of a connection."""

    def refuse(self, refused: RequestRefused) -> None:
        """Send the answer and close."""

    def expire(self, now: float) -> bool:
        """Close if a deadline has passed, and say so; ``now`` is the event loop's time."""


@dataclass
class _Peer:
    """The connections of one address; the dictionaries are sets in order of arrival."""

    open: int = 0
    # Those that were refused and go on sending.
    closing: dict[Connection, None] = field(default_factory=dict)
    # Those whose next request has not arrived in full: heads under way, and new connections.
    reading: dict[Connection, None] = field(default_factory=dict)
    # Those between two requests.
    idle: dict[Connection, None] = field(default_factory=dict)

    def longest_waiting(self) -> Connection | None:
        for waiting in (self.closing, self.reading, self.idle):
            if waiting:
                return next(iter(waiting))
        return None

    def forget(self, connection: Connection) -> None:
        for waiting in (self.closing, self.reading, self.idle):
            waiting.pop(connection, None)


class Connections:
    """The open connections of a server.

    Parameters
    ----------
    is_proxy
        Tells addresses that are counted in all only: each carries the requests of many clients.
    """

    def __init__(self, limits: ConnectionLimits, is_proxy: Callable[[str], bool] = no_proxy) -> None:
        self.limits = limits
        self._is_proxy = is_proxy
        self._peers: dict[str, _Peer] = {}
        self._all: dict[Connection, str] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._all)

    def add(self, connection: Connection, address: str) -> None:
        """Count a new connection, and close the longest waiting one if it is one too many."""
        name = network(address)
        peer = self._peers.setdefault(name, _Peer())
        peer.open += 1
        peer.reading[connection] = None
        self._all[connection] = name
        if peer.open > self.limits.connections_per_address and not self._is_proxy(address):
            self._make_room(peer, "from your address")
        elif len(self._all) > self.limits.connections:
            # The address with the most connections gives one up.
            self._make_room(max(self._peers.values(), key=lambda each: each.open), "in all")
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)

    def remove(self, connection: Connection) -> None:
        """The connection is closed, or about to be."""
        name = self._all.pop(connection, None)
        if name is None:
            return
        peer = self._peers[name]
        peer.open -= 1
        peer.forget(connection)
        if not peer.open:
            del self._peers[name]

    def is_reading(self, connection: Connection) -> None:
        """A request has begun to arrive."""
        if peer := self._without(connection):
            peer.reading[connection] = None

    def is_busy(self, connection: Connection) -> None:
        """A request is under way."""
        self._without(connection)

    def is_idle(self, connection: Connection) -> None:
        """A request is done, the next has not begun."""
        if peer := self._without(connection):
            peer.idle[connection] = None

    def is_closing(self, connection: Connection) -> None:
        """The client has its last answer, and may still be sending."""
        if peer := self._without(connection):
            peer.closing[connection] = None

    def _without(self, connection: Connection) -> _Peer | None:
        """The connection's peer, in whose queues it no longer is; None once it is removed."""
        name = self._all.get(connection)
        if name is None:
            return None
        peer = self._peers[name]
        peer.forget(connection)
        return peer

    def _make_room(self, peer: _Peer, where: str) -> None:
        victim = peer.longest_waiting()
        if victim is not None:
            self.remove(victim)
            victim.refuse(
                ServerBusy(f"Too many connections are open {where}: close some, or try again in a moment.")
            )

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now, closed = loop.time(), 0
        for connection in list(self._all):
            closed += connection.expire(now)
            if closed == _CLOSED_AT_ONCE:
                break
        wait = _NEXT_CLOSED_SECONDS if closed == _CLOSED_AT_ONCE else _SWEEP_SECONDS
        self._timer = loop.call_later(wait, self._sweep) if self._all else None
