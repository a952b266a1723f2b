"""Endpoints for monitoring: /healthz, /metrics and /_status. None of them names a person."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from include.review_desk.loops.status import IN_PROGRESS, count_by_status
from include.review_desk.storage import schema
from include.review_desk.web.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from include.review_desk.context import Desk
    from include.review_desk.counts import OperationCounts
    from include.review_desk.periodic import Periodic
    from include.review_desk.web.exposure import Guard
    from include.review_desk.web.metrics import Metrics

logger = logging.getLogger(__name__)

_WORKER = "worker:"


# Load balancers and supervisors wait a second or more.
_HEALTH_SECONDS = 0.9


def routes(
    desk: Desk,
    counts: OperationCounts,
    implemented: list[str],
    metrics: Metrics,
    threads: list[Periodic],
    guard: Guard,
) -> list[Route]:
    """GET /healthz, open to everyone who reaches the port; /metrics and /_status, private where told."""
    health = Health(lambda: health_report(desk, threads))

    def exposition(_request: Request) -> Response:
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)

    def status(_request: Request) -> Response:
        return JSONResponse(status_report(desk, counts, implemented))

    return [
        Route("/healthz", health.answer),
        Route("/metrics", guard(exposition)),
        Route("/_status", guard(status)),
    ]


class Health:
    """Answers whether the desk can work, within a second whatever else is going on.

    ``look`` runs in a thread that nothing else uses, so that a hundred slow requests do not make a well desk
    look ill; requests that come while it runs share its result. A look that takes too long is bad news
    itself.
    """

    def __init__(self, look: Callable[[], dict[str, Any]]) -> None:
        self._look = look
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="health")
        self._running: asyncio.Future[dict[str, Any]] | None = None

    async def answer(self, _request: Request) -> Response:
        """GET /healthz."""
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().run_in_executor(self._thread, self._look)
        await asyncio.wait({self._running}, timeout=_HEALTH_SECONDS)
        if not self._running.done():
            return JSONResponse({"status": "unavailable", "database": "slow"}, status_code=503)
        report = self._running.result()
        return JSONResponse(report, status_code=200 if report["status"] == "ok" else 503)


def health_report(desk: Desk, threads: list[Periodic]) -> dict[str, Any]:
    """Whether the desk can work: database and journal, if it has one, can be used, all threads run."""
    stopped = [thread.name for thread in threads if not thread.alive]
    works = {"database": _database_answers(desk)}
    if desk.database.journal is not None:
        works["journal"] = desk.database.journal.is_writable()
    return {
        "status": "ok" if all(works.values()) and not stopped else "unavailable",
        **{part: "ok" if well else "unavailable" for part, well in works.items()},
        "stopped_threads": stopped,
    }


def _database_answers(desk: Desk) -> bool:
    try:
        with desk.database.read() as connection:
            connection.execute(select(1))
    except Exception:
        logger.exception("the database does not answer")
        return False
    return True


def status_report(desk: Desk, counts: OperationCounts, implemented: list[str]) -> dict[str, Any]:
    """The body of GET /_status."""
    totals = counts.totals()
    with desk.database.read() as connection:
        assignments, outbox = schema.assignments, schema.outbox
        human_loops = schema.human_loops
        waiting = connection.scalar(
            select(func.count()).where(human_loops.c.open_slots > 0, human_loops.c.status == IN_PROGRESS)
        )
        at_work = connection.scalar(select(func.count()).where(assignments.c.state == "working"))
        queued = connection.execute(
            select(func.count(), func.min(outbox.c.queued_ms), func.max(outbox.c.last_error))
        ).one()
        by_status = count_by_status(connection)
        people = connection.scalar(select(func.count()).select_from(schema.workers))
    oldest_seconds = (desk.clock() - queued[1]) / 1000 if queued[1] is not None else 0.0
    return {
        "operations": {name: count for name, count in totals.items() if not name.startswith(_WORKER)},
        "worker_requests": {
            name.removeprefix(_WORKER): count for name, count in totals.items() if name.startswith(_WORKER)
        },
        "implemented": implemented,
        "human_loops": by_status,
        "queue": {
            "waiting": waiting,
            "in_work": at_work,
            "outputs_not_written": queued[0],
            "oldest_output_seconds": oldest_seconds,
            "last_output_error": queued[2],
        },
        "workers": people,
    }
