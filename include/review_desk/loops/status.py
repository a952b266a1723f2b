"""The statuses of a human loop, and how many loops have each."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Connection, func, select, text

from include.review_desk.storage import schema

IN_PROGRESS = "InProgress"
STOPPING = "Stopping"
STOPPED = "Stopped"
COMPLETED = "Completed"
FAILED = "Failed"
ENDED = (STOPPED, COMPLETED, FAILED)

_loops = schema.human_loops


def count_by_status(connection: Connection, flow_name: str | None = None) -> dict[str, int]:
    """Count the loops of each status; deleted ones are left out."""
    query = select(_loops.c.status, func.count()).group_by(_loops.c.status)
    if flow_name is not None:
        query = query.where(_loops.c.flow_name == flow_name)
    counts: Counter[str] = Counter()
    # One query for each partial index; with both conditions in one, every row would be read.
    for condition in ("ended_ms IS NULL", "ended_ms IS NOT NULL AND live_name IS NOT NULL"):
        for status, count in connection.execute(query.where(text(condition))):
            counts[status] += count
    return dict(counts)
