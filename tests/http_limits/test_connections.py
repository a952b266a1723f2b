"""Who has to go when there are too many connections."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from include.http_limits.addresses import network
from include.http_limits.connections import ConnectionLimits, Connections
from include.http_limits.refusals import RequestRefused


class Fake:
    def __init__(self) -> None:
        self.refused: list[RequestRefused] = []
        self.late = False

    def refuse(self, refused: RequestRefused) -> None:
        self.refused.append(refused)

    def expire(self, now: float) -> bool:
        return self.late


def add(connections: Connections, address: str, count: int = 1) -> list[Fake]:
    made = [Fake() for _ in range(count)]
    for connection in made:
        connections.add(connection, address)
    return made


def gone(made: list[Fake]) -> list[int]:
    return [number for number, connection in enumerate(made) if connection.refused]


async def test_a_hundred_browsers_behind_one_address_stay():
    connections = Connections(ConnectionLimits())
    assert gone(add(connections, "192.0.2.1", 600)) == []


async def test_the_longest_waiting_head_goes_before_idle_connections_and_those_at_work():
    connections = Connections(ConnectionLimits(connections_per_address=4))
    made = add(connections, "192.0.2.1", 4)
    connections.is_idle(made[0])
    connections.is_busy(made[1])
    made += add(connections, "192.0.2.1", 3)
    # Heads in their order; the last newcomer is the only head left besides.
    assert gone(made) == [2, 3, 4]
    connections.is_busy(made[5])
    connections.is_busy(made[6])
    made += add(connections, "192.0.2.1")
    assert gone(made) == [2, 3, 4, 7]


async def test_a_connection_that_was_refused_and_lingers_goes_first():
    connections = Connections(ConnectionLimits(connections_per_address=2))
    made = add(connections, "192.0.2.1", 2)
    connections.is_closing(made[1])
    add(connections, "192.0.2.1")
    assert gone(made) == [1]


async def test_one_address_does_not_use_up_what_others_may():
    connections = Connections(ConnectionLimits(connections=10, connections_per_address=8))
    many = add(connections, "192.0.2.1", 8)
    few = [connection for number in range(6) for connection in add(connections, f"192.0.2.{number + 2}")]
    assert gone(few) == []
    assert len(gone(many)) == 4
    assert len(connections) == 10


async def test_an_ipv6_network_is_one_client():
    connections = Connections(ConnectionLimits(connections_per_address=1))
    (first,) = add(connections, "2001:db8::1")
    add(connections, "2001:db8::2")
    assert first.refused
    (other,) = add(connections, "2001:db8:0:1::1")
    assert not other.refused


async def test_a_proxy_is_counted_in_all_only():
    limits = ConnectionLimits(connections=5, connections_per_address=2)
    connections = Connections(limits, lambda address: address == "10.0.0.1")
    made = add(connections, "10.0.0.1", 5)
    assert gone(made) == []
    add(connections, "10.0.0.1")
    assert gone(made) == [0]


async def test_what_is_closed_is_counted_no_more():
    connections = Connections(ConnectionLimits(connections=2))
    for connection in add(connections, "192.0.2.1", 2):
        connections.remove(connection)
        connections.remove(connection)
        connections.is_idle(connection)
    assert len(connections) == 0
    assert gone(add(connections, "192.0.2.1", 2)) == []


async def test_a_thousand_late_connections_are_closed_by_and_by(monkeypatch):
    monkeypatch.setattr("include.http_limits.connections._SWEEP_SECONDS", 0.0)
    connections = Connections(ConnectionLimits())
    made, turns, turn = add(connections, "192.0.2.1", 120), [], 0

    def close(connection: Fake) -> bool:
        connections.remove(connection)
        turns.append(turn)
        return True

    for connection in made:
        connection.expire = lambda _now, connection=connection: close(connection)
    while len(connections):
        turn += 1
        await asyncio.sleep(0)
    # Three goes: the loop served others between them.
    assert sorted(Counter(turns).values()) == [20, 50, 50]


async def test_the_sentence_says_what_and_what_to_do():
    connections = Connections(ConnectionLimits(connections=1))
    (first,) = add(connections, "192.0.2.1")
    add(connections, "192.0.2.2")
    (refused,) = first.refused
    assert refused.status == 503
    assert refused.message == ("Too many connections are open in all: close some, or try again in a moment.")
    assert b"Retry-After: 5" in refused.http()


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
        ("x" * 500, "x" * 200),
    ],
)
def test_addresses_of_one_client(address, name):
    assert network(address) == name
