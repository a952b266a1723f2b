"""Metrics for Prometheus at /metrics: queue length, response times, outputs and events not delivered.

No personal data: labels hold operations, route templates and statuses, whose number is bounded, never names,
paths or addresses. The database is queried at each scrape, through indexes only; what happens in this process
is counted from its start, as Prometheus expects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select, text

from include.review_desk.loops import status as loop_status
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric
    from sqlalchemy import Connection

    from include.review_desk.context import Desk

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_PREFIX = "review_desk"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE"})
_SIGN_IN_ROUTES = frozenset({"/sign-in", "/worker/sessions", "/oidc/callback"})
_REFUSED = frozenset({400, 401, 403, 429})
_ANSWER_ROUTE = "/worker/tasks/{task}/answer"
_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Counts this process's requests and, when scraped, queries the database for the rest."""

    def __init__(self, desk: Desk) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._registry.register(_DeskCollector(desk))
        self._calls = Counter(
            f"{_PREFIX}_aws_calls",
            "Authenticated calls of the AWS API.",
            ("operation", "http_status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            f"{_PREFIX}_request_duration_seconds",
            "Time until a page or worker request began to be answered.",
            ("method", "route"),
            buckets=_BUCKETS_SECONDS,
            registry=self._registry,
        )
        self._requests = Counter(
            f"{_PREFIX}_requests",
            "Page and worker requests.",
            ("method", "route", "http_status"),
            registry=self._registry,
        )
        self._sign_in_failures = Counter(
            f"{_PREFIX}_sign_in_failures", "Sign-ins that were refused.", registry=self._registry
        )
        self._answers = Counter(
            f"{_PREFIX}_answers", "Answers and corrections that were accepted.", registry=self._registry
        )

    def count_call(self, operation: str, http_status: int) -> None:
        """Count a call of the AWS API."""
        self._calls.labels(operation, str(http_status)).inc()

    def count_request(self, method: str, route: str, http_status: int, seconds: float) -> None:
        """Count a request for a page or of a worker; ``route`` is the template of its path."""
        method = method if method in _METHODS else "other"
        self._seconds.labels(method, route).observe(seconds)
        self._requests.labels(method, route, str(http_status)).inc()
        if route in _SIGN_IN_ROUTES and method != "DELETE" and http_status in _REFUSED:
            self._sign_in_failures.inc()
        if route == _ANSWER_ROUTE and http_status == 200:
            self._answers.inc()

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)


class _DeskCollector(Collector):
    """What the database holds at the moment of the scrape."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def describe(self) -> list[Metric]:
        """Nothing: registering must not query the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read everything in one transaction, so that the numbers are consistent."""
        now_ms = self._desk.clock()
        with self._desk.database.read() as connection:
            families = [
                _loops_by_status(connection),
                *_work(connection, now_ms),
                *_outputs(connection, now_ms),
                *self._events(connection, now_ms),
            ]
        yield from families

    def _events(self, connection: Connection, now_ms: int) -> list[Metric]:
        events = schema.events
        rows = connection.execute(
            select(events.c.destination, func.count(), func.min(events.c.created_ms)).group_by(
                events.c.destination
            )
        ).all()
        configured: dict[str, tuple[int, int]] = {
            destination.name: (0, now_ms) for destination in self._desk.destinations
        }
        waiting = configured | {name: (count, oldest) for name, count, oldest in rows}
        number = _gauge("events_not_delivered", "Events that a receiver has not accepted.", ("destination",))
        age = _gauge("oldest_event_age_seconds", "Age of the oldest of these.", ("destination",))
        for name, (count, oldest_ms) in sorted(waiting.items()):
            number.add_metric([name], count)
            age.add_metric([name], (now_ms - oldest_ms) / 1000)
        return [number, age]


def _loops_by_status(connection: Connection) -> Metric:
    family = _gauge("human_loops", "Human loops that are not deleted, by status.", ("status",))
    counts = dict.fromkeys((loop_status.IN_PROGRESS, loop_status.STOPPING, *loop_status.ENDED), 0)
    counts |= loop_status.count_by_status(connection)
    for status, count in counts.items():
        family.add_metric([status], count)
    return family


def _work(connection: Connection, now_ms: int) -> Iterator[Metric]:
    human_loops, assignments, sessions = schema.human_loops, schema.assignments, schema.sessions
    # Literals, so that the partial indexes serve.
    waiting = select(func.count()).select_from(human_loops).where(text("human_loops.open_slots > 0"))
    at_work = select(func.count()).select_from(assignments).where(text("assignments.state = 'working'"))
    signed_in = select(func.count()).select_from(sessions).where(sessions.c.expires_ms > now_ms)
    for name, help_text, query in (
        ("loops_waiting", "Human loops that can still be taken.", waiting),
        ("tasks_in_work", "Tasks that people hold.", at_work),
        ("worker_sessions", "Sign-ins that are valid.", signed_in),
    ):
        yield _single(name, help_text, connection.scalar(query) or 0)


def _outputs(connection: Connection, now_ms: int) -> Iterator[Metric]:
    outbox = schema.outbox
    count, oldest_ms = connection.execute(select(func.count(), func.min(outbox.c.queued_ms))).one()
    yield _single("outputs_not_written", "output.json files not yet written to S3.", count)
    age_seconds = (now_ms - oldest_ms) / 1000 if oldest_ms is not None else 0.0
    yield _single("oldest_output_age_seconds", "Age of the oldest of these.", age_seconds)


def _gauge(name: str, help_text: str, labels: tuple[str, ...]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", help_text, labels=labels)


def _single(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", help_text, value=value)
