"""Numbers about the desk for machines and for the status page; nothing here names a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from include.review_desk.aws_api import loops
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from include.review_desk.context import Desk
    from include.review_desk.counts import OperationCounts

_WORKER = "worker:"


def status_report(desk: Desk, counts: OperationCounts, implemented: list[str]) -> dict[str, Any]:
    """What GET /_status answers."""
    totals = counts.totals()
    with desk.database.read() as connection:
        assignments, outbox = schema.assignments, schema.outbox
        human_loops = schema.human_loops
        waiting = connection.scalar(
            select(func.count()).where(
                human_loops.c.open_slots > 0, human_loops.c.status == loops.IN_PROGRESS
            )
        )
        at_work = connection.scalar(select(func.count()).where(assignments.c.state == "working"))
        queued = connection.execute(
            select(func.count(), func.min(outbox.c.queued_ms), func.max(outbox.c.last_error))
        ).one()
        by_status = loops.count_by_status(connection)
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
