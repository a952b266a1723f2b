"""Clients that are slow, endless or many, against a real server."""

from __future__ import annotations

import contextlib
import json
import socket
from contextlib import ExitStack

import pytest

from include.http_limits.requests import RequestLimits

HEAD = b"POST %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n"
KIB, MIB = 1024, 1024 * 1024


def head(path: bytes, *headers: bytes) -> bytes:
    return HEAD % (path, b"\r\n".join(headers or (b"Content-Length: 0",)))


def until_closed(connection: socket.socket) -> bytes:
    answer = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65_536):
            answer += part
    return answer


def answer_of(connection: socket.socket) -> bytes:
    """One answer of the application, whose body is ``ok``."""
    answer = b""
    while not answer.endswith(b"\r\n\r\nok"):
        part = connection.recv(65_536)
        assert part, answer
        answer += part
    return answer


def sent_until_cut_off(connection: socket.socket, part: bytes) -> int:
    """Send without end; the number of bytes that the server let through. Hangs if it never cuts off."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        while True:
            connection.sendall(part)
            sent += len(part)
    return sent


def refusal(answer: bytes) -> tuple[int, str]:
    """Status and sentence, told in the form of AWS's errors and in that of the worker API."""
    top, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in top.lower()
    document = json.loads(body)
    assert document["message"] == document["error"]
    assert document["__type"].encode() in top
    return int(top.split()[1]), document["message"]


@pytest.mark.parametrize("beginning", [b"POST / HT", b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_head_that_does_not_end_is_refused_in_time(serve, beginning):
    server = serve(head_seconds=0.2)
    with server.connect() as connection:
        connection.sendall(beginning)
        status, sentence = refusal(until_closed(connection))
    assert (status, sentence) == (408, "Request line and headers did not arrive within 0.2 seconds.")


def test_a_second_head_has_a_deadline_too(serve):
    server = serve(head_seconds=0.2)
    with server.connect() as connection:
        connection.sendall(head(b"/ignore"))
        answer_of(connection)
        connection.sendall(b"GET / HTTP/1.1\r\n")
        assert refusal(until_closed(connection))[0] == 408


def test_a_connection_that_says_nothing_is_closed_in_time(serve):
    with serve(head_seconds=0.2).connect() as connection:
        assert until_closed(connection) == b""


def test_a_request_may_take_longer_than_its_head(serve):
    server = serve(head_seconds=0.2)
    with server.connect() as connection, server.connect() as silent:
        connection.sendall(head(b"/wait"))
        # Closed by the deadline that does not hold for the other.
        assert until_closed(silent) == b""
        server.application.go_on.set()
        assert answer_of(connection).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("line", [b"X-Long: " + b"a" * 80_000, b"X: a\r\n" * 20_000], ids=["one", "many"])
def test_a_long_head_is_refused(serve, line):
    with serve().connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + line[:70_000])
        status, sentence = refusal(until_closed(connection))
    assert (status, sentence) == (431, "Request line and headers are larger than 64 KiB.")


def whole_head(size: int, *, in_line: bool) -> bytes:
    """A request without a body whose line and headers have this many bytes."""
    form = b"GET /%s HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n"
    filler = b"a" * (size - len(form % (b"", b"")))
    return form % ((filler, b"") if in_line else (b"", filler))


@pytest.mark.parametrize("in_line", [True, False], ids=["line", "headers"])
@pytest.mark.parametrize("size", [64 * KIB + 1, 70_000, 99_000])
def test_a_whole_head_beyond_the_limit_is_refused(serve, size, in_line):
    with serve().connect() as connection:
        connection.sendall(whole_head(size, in_line=in_line))
        status, sentence = refusal(until_closed(connection))
    assert (status, sentence) == (431, "Request line and headers are larger than 64 KiB.")


@pytest.mark.parametrize("in_line", [True, False], ids=["line", "headers"])
def test_a_head_of_just_the_limit_passes_again_and_again(serve, in_line):
    with serve().connect() as connection:
        for _ in range(3):
            connection.sendall(whole_head(64 * KIB, in_line=in_line))
            assert answer_of(connection).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("headers", [b"Content-Length: 1000000", b"Transfer-Encoding: chunked"])
def test_a_body_that_stops_is_refused_in_time(serve, headers):
    server = serve(RequestLimits(body_seconds=0.2, bytes_per_second=10**9))
    with server.connect() as connection:
        connection.sendall(head(b"/read", headers) + b"5\r\nhello\r\n")
        status, sentence = refusal(until_closed(connection))
    assert status == 408
    assert "The body did not arrive in time" in sentence


def test_a_body_that_keeps_coming_has_more_time(serve):
    """Two bytes a second are asked for; each one that comes gives half a second more."""
    server = serve(RequestLimits(body_seconds=0.3, bytes_per_second=1000))
    with server.connect() as connection:
        connection.sendall(head(b"/read", b"Content-Length: 1200"))
        connection.sendall(b"a" * 1000)
        while server.application.read_bytes < 1000:
            pass
        connection.sendall(b"a" * 200)
        assert answer_of(connection).startswith(b"HTTP/1.1 200")


def test_a_client_that_is_answered_early_hears_the_answer_and_is_cut_off(serve):
    """A client that sends a long body all at once and reads only then."""
    server = serve(linger_bytes=8 * MIB)
    with server.connect() as connection:
        connection.sendall(head(b"/ignore", b"Content-Length: %d" % (4 * MIB)))
        connection.sendall(bytes(4 * MIB))
        answer = until_closed(connection)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer


@pytest.mark.parametrize("headers", [b"Content-Length: 10000000000", b"Transfer-Encoding: chunked"])
def test_a_body_without_end_is_not_read_after_the_answer(serve, headers):
    server = serve(linger_bytes=2 * MIB)
    part = b"100000\r\n" + bytes(0x100000) + b"\r\n"
    with server.connect() as connection:
        connection.sendall(head(b"/ignore", headers))
        assert sent_until_cut_off(connection, part) < 1000 * MIB


def test_who_goes_on_sending_slowly_is_cut_off_too(serve):
    server = serve(linger_seconds=0.2)
    with server.connect() as connection:
        connection.sendall(head(b"/ignore", b"Content-Length: 1000000"))
        assert until_closed(connection).startswith(b"HTTP/1.1 200")
        sent_until_cut_off(connection, b"a")


def test_a_short_body_that_nobody_read_does_not_end_the_connection(serve):
    with serve().connect() as connection:
        for _ in range(3):
            connection.sendall(head(b"/ignore", b"Content-Length: 1000") + b"a" * 1000)
            assert b"connection: close" not in answer_of(connection)


def test_the_rest_of_a_short_body_has_a_deadline(serve):
    server = serve(idle_body_seconds=0.2)
    with server.connect() as connection:
        connection.sendall(head(b"/ignore", b"Content-Length: 1000") + b"a")
        answer_of(connection)
        assert until_closed(connection) == b""


def test_trailers_and_chunk_extensions_without_end_are_cut_off(serve):
    server = serve()
    for endless in (b"0\r\nX-Trailer: ", b"5;ext="):
        with server.connect() as connection:
            connection.sendall(head(b"/read", b"Transfer-Encoding: chunked") + endless)
            assert sent_until_cut_off(connection, b"a" * 65_536) < 16 * MIB


def test_a_hundred_requests_in_one_packet_are_refused(serve):
    server = serve()
    with server.connect() as connection:
        connection.sendall(head(b"/wait") + head(b"/ignore") * 100)
        assert b"HTTP/1.1 400" in until_closed(connection)


def test_a_client_that_does_not_read_its_answers_is_cut_off(serve):
    server = serve(write_seconds=0.2)
    with server.connect() as connection:
        sent_until_cut_off(connection, head(b"/ignore") * 4)


def test_silent_connections_give_way_to_those_that_ask(serve):
    server = serve(connections=20, connections_per_address=10)
    with ExitStack() as stack:
        first = server.connect(stack)
        first.sendall(b"GET / HTTP/1.1\r\nX: ")
        with server.connect() as asking:
            asking.sendall(head(b"/ignore"))
            answer_of(asking)
        for _ in range(30):
            server.connect(stack).sendall(b"GET / HTTP/1.1\r\nX: ")
        for _ in range(5):
            asking = server.connect(stack)
            asking.sendall(head(b"/ignore"))
            assert answer_of(asking).startswith(b"HTTP/1.1 200")
        status, sentence = refusal(until_closed(first))
        assert status == 503
        assert "Too many connections are open from your address" in sentence
        assert len(server.connections) <= 10


def test_a_server_of_busy_connections_refuses_the_next(serve):
    server = serve(connections=3)
    with ExitStack() as stack:
        busy = [server.connect(stack) for _ in range(3)]
        for connection in busy:
            connection.sendall(head(b"/wait"))
        # Answered, so the three before it are under way.
        late = server.connect(stack)
        late.sendall(head(b"/ignore"))
        answer = until_closed(late)
        server.application.go_on.set()
        assert [answer_of(connection)[:12] for connection in busy] == [b"HTTP/1.1 200"] * 3
    assert b"200 OK" not in answer


def test_a_server_stops_at_once_although_clients_are_silent(serve):
    server = serve()
    with server.connect() as silent, server.connect() as half:
        half.sendall(b"GET / HT")
        server.stop()
        assert until_closed(silent) == b""
        until_closed(half)
