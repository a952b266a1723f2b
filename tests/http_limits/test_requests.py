"""Bodies and requests of an ASGI application, counted and bounded."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable

import pytest

from include.http_limits.bodies import Body, ClientGone, receive_body
from include.http_limits.refusals import RequestRefused, RequestTooLarge
from include.http_limits.requests import LimitedRequests, RequestLimits


def scope(address: str = "192.0.2.1", *headers: tuple[bytes, bytes]) -> dict:
    return {"type": "http", "headers": list(headers), "client": (address, 1)}


def receiving(parts: Iterable[bytes]):
    left = list(parts)

    async def receive() -> dict:
        part = left.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    return receive


class Sent:
    def __init__(self) -> None:
        self.messages: list[dict] = []

    async def __call__(self, message: dict) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return self.messages[0]["status"]

    @property
    def sentence(self) -> str:
        return json.loads(self.messages[1]["body"])["error"]


async def read_all(_scope, receive, send) -> None:
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def test_a_body_beyond_the_largest_is_refused_while_it_arrives():
    sent = Sent()
    limited = LimitedRequests(read_all, RequestLimits(body_bytes=10))
    await limited(scope(), receiving([b"a" * 8, b"a" * 8, b"a" * 8]), sent)
    assert sent.status == 413
    assert "more than 10 bytes" in sent.sentence


@pytest.mark.parametrize(
    ("limits", "addresses", "where"),
    [
        ({"held_bytes": 20, "held_bytes_per_address": 20}, ["192.0.2.1", "192.0.2.2"], "to this server"),
        ({"held_bytes_per_address": 20}, ["192.0.2.1", "192.0.2.1"], "from your address"),
    ],
)
async def test_bytes_of_all_requests_under_way_are_bounded(limits, addresses, where):
    """Two requests of 15 bytes: the second is refused while the first holds its bytes, and not afterwards."""
    limited = LimitedRequests(read_all, RequestLimits(**limits))
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> dict:
        if not arrived.is_set():
            arrived.set()
            return {"type": "http.request", "body": b"a" * 15, "more_body": True}
        await go_on.wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    first, second, third = Sent(), Sent(), Sent()
    waiting = asyncio.create_task(limited(scope(addresses[0]), slow, first))
    await arrived.wait()
    await limited(scope(addresses[1]), receiving([b"a" * 15]), second)
    go_on.set()
    await waiting
    await limited(scope(addresses[1]), receiving([b"a" * 15]), third)
    assert (first.status, second.status, third.status) == (204, 503, 204)
    assert f"Too much is being sent {where}" in second.sentence


async def test_requests_of_one_address_are_bounded():
    go_on = asyncio.Event()

    async def wait(_scope, _receive, send) -> None:
        await go_on.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    limited = LimitedRequests(wait, RequestLimits(requests=3, requests_per_address=2))
    sent = [Sent() for _ in range(5)]
    addresses = ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"]
    running = [
        asyncio.create_task(limited(scope(address), receiving([b""]), each))
        for address, each in zip(addresses, sent, strict=True)
    ]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(*running)
    assert [each.status for each in sent] == [204, 204, 503, 204, 503]


async def test_an_application_may_answer_a_refused_body_itself():
    async def own(_scope, receive, send) -> None:
        with pytest.raises(RequestRefused):
            await receive()
        await send({"type": "http.response.start", "status": 499, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    sent = Sent()
    await LimitedRequests(own, RequestLimits(body_bytes=1))(scope(), receiving([b"aa"]), sent)
    assert sent.status == 499


@pytest.mark.parametrize(
    ("header", "closes"),
    [
        ((b"content-length", b"16384"), False),
        ((b"content-length", b"16385"), True),
        ((b"transfer-encoding", b"chunked"), True),
        ((b"content-length", b"9" * 40), True),
    ],
)
async def test_an_answer_before_a_long_body_was_read_ends_the_connection(header, closes):
    async def at_once(_scope, _receive, send) -> None:
        await send({"type": "http.response.start", "status": 403, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    sent = Sent()
    await LimitedRequests(at_once, RequestLimits())(scope("192.0.2.1", header), receiving([b""]), sent)
    assert ((b"connection", b"close") in sent.messages[0]["headers"]) == closes


@pytest.mark.parametrize("sizes", [[0], [10], [65_536, 1], [3_000_000, 7, 2_000_000]])
async def test_a_body_is_hashed_and_kept_whatever_its_length(sizes):
    parts = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    with Body() as body:
        await receive_body(receiving(parts), body, limit=sum(sizes), what="The body", announced=None)
        assert body.size == sum(sizes)
        assert body.sha256 == hashlib.sha256(b"".join(parts)).hexdigest()
        assert body.read() == b"".join(body.parts()) == b"".join(parts)


async def test_a_body_that_says_it_is_too_long_is_not_read():
    async def never() -> dict:
        raise AssertionError("it was read")

    with Body() as body, pytest.raises(RequestTooLarge, match="at least 11 bytes, more than the 10"):
        await receive_body(never, body, limit=10, what="The body", announced=11)


async def test_a_client_that_leaves_is_no_end_of_a_body():
    async def gone() -> dict:
        return {"type": "http.disconnect"}

    with Body() as body, pytest.raises(ClientGone):
        await receive_body(gone, body, limit=10, what="The body", announced=None)
