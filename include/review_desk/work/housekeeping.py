"""Time-driven work: leases end, loops expire, deletions finish, old sessions and loops are removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select, text

from include.review_desk.loops import flows, lifecycle
from include.review_desk.storage import schema
from include.review_desk.storage.locks import lock_loop
from include.review_desk.work.task_rows import IN_TEAM
from include.review_desk.work.tasks import release

if TYPE_CHECKING:
    from include.review_desk.context import Desk

# A2I keeps its copy of a deleted loop 30 days (SageMaker Developer Guide, "Delete a Human Loop").
_KEEP_DELETED_MS = 30 * 24 * 3600 * 1000
_BATCH = 200

_loops = schema.human_loops
_assignments = schema.assignments
_workers = schema.workers


def sweep(desk: Desk) -> None:
    """Do everything that is due by the desk's clock. Safe to repeat, and to run in several processes."""
    end_leases(desk)
    lifecycle.expire_due(desk)
    flows.finish_deletions(desk)


def purge(desk: Desk) -> None:
    """Delete expired sessions and loops that were deleted long ago."""
    now_ms = desk.clock()
    with desk.database.write() as connection:
        connection.execute(delete(schema.sessions).where(schema.sessions.c.expires_ms <= now_ms))
        old = select(_loops.c.id).where(_loops.c.deleted_ms < now_ms - _KEEP_DELETED_MS).limit(_BATCH)
        connection.execute(delete(_loops).where(_loops.c.id.in_(old)))


def end_leases(desk: Desk) -> None:
    """Give back the tasks whose time is over, and those of people who have left the team or the desk."""
    now_ms = desk.clock()
    stays = IN_TEAM & _workers.c.disabled_ms.is_(None)
    query = (
        select(_assignments.c.id, _assignments.c.loop_id, stays.label("stays"))
        .join(_loops, _loops.c.id == _assignments.c.loop_id)
        .join(_workers, _workers.c.id == _assignments.c.worker_id)
        .where(text("assignments.state = 'working'"), _assignments.c.lease_expires_ms <= now_ms)
    )
    with desk.database.read() as connection:
        ended = connection.execute(query.limit(_BATCH)).all()
    for row in ended:
        with desk.database.write() as connection:
            lock_loop(connection, row.loop_id)
            # A heartbeat may have come since it was read.
            still = connection.scalar(query.where(_assignments.c.id == row.id))
            if still is not None:
                # Only of people who are still here does it count as run out of time.
                release(desk, connection, row.id, "expired" if row.stays else "returned", now_ms)
        desk.queue_marks.forget()
