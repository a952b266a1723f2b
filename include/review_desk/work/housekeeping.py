"""Time-driven work: leases end, loops expire, deletions finish, old sessions and loops are removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select, text

from include.review_desk.loops import flows, lifecycle
from include.review_desk.storage import schema
from include.review_desk.storage.locks import lock_loop
from include.review_desk.work.tasks import release

if TYPE_CHECKING:
    from include.review_desk.context import Desk

# A2I keeps its copy of a deleted loop 30 days (SageMaker Developer Guide, "Delete a Human Loop").
_KEEP_DELETED_MS = 30 * 24 * 3600 * 1000
_BATCH = 200

_loops = schema.human_loops
_assignments = schema.assignments


def sweep(desk: Desk) -> None:
    """Do everything that is due by the desk's clock. Safe to repeat, and to run in several processes."""
    _end_leases(desk)
    lifecycle.expire_due(desk)
    flows.finish_deletions(desk)


def purge(desk: Desk) -> None:
    """Delete expired sessions and loops that were deleted long ago."""
    now_ms = desk.clock()
    with desk.database.write() as connection:
        connection.execute(delete(schema.sessions).where(schema.sessions.c.expires_ms <= now_ms))
        old = select(_loops.c.id).where(_loops.c.deleted_ms < now_ms - _KEEP_DELETED_MS).limit(_BATCH)
        connection.execute(delete(_loops).where(_loops.c.id.in_(old)))


def _end_leases(desk: Desk) -> None:
    now_ms = desk.clock()
    query = select(_assignments.c.id, _assignments.c.loop_id).where(
        text("assignments.state = 'working'"), _assignments.c.lease_expires_ms <= now_ms
    )
    with desk.database.read() as connection:
        ended = connection.execute(query.limit(_BATCH)).all()
    for row in ended:
        with desk.database.write() as connection:
            lock_loop(connection, row.loop_id)
            # A heartbeat may have come since it was read.
            still = connection.scalar(query.where(_assignments.c.id == row.id))
            if still is not None:
                release(desk, connection, row.id, "expired", now_ms)
        desk.queue_marks.forget()
