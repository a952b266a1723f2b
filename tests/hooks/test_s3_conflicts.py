"""Conditional writes to an S3 that answers 409 now and then: nothing was written, so they are repeated."""

from __future__ import annotations

import http.client
import io
import json
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from secondlook import backoff
from secondlook.failures.explain import will_pass
from secondlook.hooks.s3 import CONFLICT_ATTEMPTS, ObjectChangedError, ObjectStore, StoreError
from secondlook.layout import Layout
from secondlook.records.budgets import ReviewBudget
from secondlook.review import NightSelector
from secondlook.runtime.pace import Timing
from secondlook.settings import ReviewSettings

# What Amazon S3 says (API reference, PutObject, "ConditionalRequestConflict").
CONFLICT = (
    b"<Error><Code>ConditionalRequestConflict</Code>"
    b"<Message>The conditional request cannot succeed due to a conflicting operation.</Message></Error>"
)


class BusyS3(ThreadingHTTPServer):
    """Hands every request on to a real S3 server, except for the first ``conflicts`` conditional writes."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Relay)
        self.behind = behind.removeprefix("http://")
        self.conflicts = 0
        self.writes = 0


class _Relay(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: BusyS3

    def _relay(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers["If-None-Match"] or self.headers["If-Match"]:
            self.server.writes += 1
            if self.server.writes <= self.server.conflicts:
                self._answer(409, {"Content-Type": "application/xml"}, CONFLICT)
                return
        connection = http.client.HTTPConnection(self.server.behind)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        self._answer(answer.status, dict(answer.getheaders()), answer.read())
        connection.close()

    do_GET = do_PUT = do_HEAD = _relay

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def busy(
    monkeypatch: pytest.MonkeyPatch, aws_credentials: Any, s3_server: str, bucket: str
) -> Iterator[BusyS3]:
    monkeypatch.setattr(backoff, "LONGEST_PAUSE_SECONDS", 0.0)
    with BusyS3(s3_server) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        connection = {
            "conn_type": "aws",
            "login": aws_credentials.access_key_id,
            "password": aws_credentials.secret_access_key,
            "extra": {
                "region_name": "us-east-1",
                "service_config": {"s3": {"endpoint_url": f"http://127.0.0.1:{server.server_port}"}},
            },
        }
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def store(busy: BusyS3, bucket: str) -> ObjectStore:
    return ObjectStore(bucket)


def swap(store: ObjectStore) -> None:
    store.compare_and_swap("key", b"new", store.write("key", b"old"))


WRITES: dict[str, Callable[[ObjectStore], object]] = {
    "once": lambda store: store.write_if_absent("key", b"new"),
    "a file, once": lambda store: store.upload_if_absent("key", io.BytesIO(b"new")),
    "compare and swap": swap,
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_write_that_met_another_request_is_repeated(
    store: ObjectStore, busy: BusyS3, write: Callable[[ObjectStore], object]
) -> None:
    busy.conflicts = CONFLICT_ATTEMPTS - 1
    write(store)
    assert store.read("key")[0] == b"new"
    assert busy.writes == CONFLICT_ATTEMPTS


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_conflict_that_stays_is_an_error_that_passes_and_not_a_lost_race(
    store: ObjectStore, busy: BusyS3, write: Callable[[ObjectStore], object]
) -> None:
    busy.conflicts = 1000
    with pytest.raises(StoreError, match=r" for now \(ConditionalRequestConflict: ") as refused:
        write(store)
    assert busy.writes == CONFLICT_ATTEMPTS
    assert not isinstance(refused.value, ObjectChangedError)
    assert will_pass(refused.value)


def test_an_object_that_is_there_after_a_conflict_is_told(store: ObjectStore, busy: BusyS3) -> None:
    store.write("key", b"old")
    busy.conflicts = 1
    with pytest.raises(ObjectChangedError):
        store.write_if_absent("key", b"new")
    assert store.read("key")[0] == b"old"


def test_a_selection_that_met_another_request_is_written_before_it_is_followed(
    store: ObjectStore, busy: BusyS3, bucket: str
) -> None:
    busy.conflicts = 1
    review = ReviewSettings(month_limit=5, postponed_nights=0)
    budget = ReviewBudget(
        store, Layout(bucket, "p"), "2026-11-22", review, image_cost=Decimal, timing=Timing()
    )
    settings = NightSelector("2026-11-22", "m-1", "flow", ["RBC"], review).settings(images=0)
    selection = budget.select([], 5, lambda line, night: True, settings)
    assert budget.read_selection() == selection
