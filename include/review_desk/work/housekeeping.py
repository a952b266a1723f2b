"""What time does: leases end, loops expire, flow definitions go, old sessions and loops are forgotten."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, select, text, update

from include.review_desk.aws_api.loops import FAILED, IN_PROGRESS, STOPPING
from include.review_desk.events.event import record_end
from include.review_desk.storage import schema
from include.review_desk.storage.locks import lock_loop
from include.review_desk.work.tasks import release

if TYPE_CHECKING:
    from include.review_desk.context import Desk
    from include.review_desk.storage.database import AnyRow

# A2I keeps its copy of a deleted loop 30 days (SageMaker Developer Guide, "Delete a Human Loop").
_KEEP_DELETED_MS = 30 * 24 * 3600 * 1000
_BATCH = 200

_loops = schema.human_loops
_flows = schema.flow_definitions
_assignments = schema.assignments


def sweep(desk: Desk) -> None:
    """Do everything that is due by the desk's clock. Safe to repeat, and to run in several processes."""
    _end_leases(desk)
    _expire_loops(desk)
    _finish_flow_deletions(desk)


def purge(desk: Desk) -> None:
    """Forget what nobody can ask for any more."""
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


def _expire_loops(desk: Desk) -> None:
    """A loop fails when its availability ends, or after that when the last person at work leaves."""
    now_ms = desk.clock()
    at_work = exists().where(_assignments.c.loop_id == _loops.c.id, _assignments.c.state == "working")
    waiting = exists().where(schema.outbox.c.loop_id == _loops.c.id)
    due = (
        text("human_loops.ended_ms IS NULL"),
        _loops.c.status == IN_PROGRESS,
        _loops.c.available_until_ms <= now_ms,
        ~at_work,
        ~waiting,
    )
    with desk.database.read() as connection:
        rows = connection.execute(
            select(_loops.c.id, _loops.c.answers, _loops.c.task_count, _flows.c.config)
            .join(_flows, _flows.c.id == _loops.c.flow_id)
            .where(*due)
            .limit(_BATCH)
        ).all()
    for row in rows:
        with desk.database.write() as connection:
            lock_loop(connection, row.id)
            expired = connection.execute(
                update(_loops)
                .where(_loops.c.id == row.id, *due)
                .values(
                    status=FAILED,
                    failure_code="Expired",
                    failure_reason=_expiry_reason(row),
                    open_slots=0,
                    ended_ms=now_ms,
                )
            )
            if expired.rowcount:
                record_end(desk, connection, row.id)


def _expiry_reason(row: AnyRow) -> str:
    lifetime = json.loads(row.config)["HumanLoopConfig"].get("TaskAvailabilityLifetimeInSeconds")
    after = f"{lifetime} seconds" if lifetime else "its availability lifetime"
    return f"The task expired: {row.answers} of {row.task_count} answers were submitted within {after}."


def _finish_flow_deletions(desk: Desk) -> None:
    unfinished = exists().where(_loops.c.flow_id == _flows.c.id, _loops.c.status.in_((IN_PROGRESS, STOPPING)))
    query = select(_flows.c.id).where(
        _flows.c.status == "Deleting", _flows.c.live_name.is_not(None), ~unfinished
    )
    with desk.database.read() as connection:
        gone = connection.scalars(query).all()
    for flow_id in gone:
        with desk.database.write() as connection:
            connection.execute(update(_flows).where(_flows.c.id == flow_id).values(live_name=None))
