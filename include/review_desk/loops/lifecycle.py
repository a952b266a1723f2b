"""How a human loop ends when it is stopped, expires or is deleted.

A loop completes in ``work.outbox``, once S3 has its output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, exists, select, text, update

from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.errors import InvalidRequest, MissingResource
from include.review_desk.events.event import record_end
from include.review_desk.loops import flow_config
from include.review_desk.loops.status import COMPLETED, ENDED, FAILED, IN_PROGRESS, STOPPED, STOPPING
from include.review_desk.storage import schema
from include.review_desk.storage.locks import lock_loop

if TYPE_CHECKING:
    from include.review_desk.context import Desk
    from include.review_desk.storage.database import AnyRow

_BATCH = 200

_loops = schema.human_loops
_flows = schema.flow_definitions
_assignments = schema.assignments


def stop(desk: Desk, name: str) -> None:
    """Stop a loop at once if no one is working on it; otherwise it is Stopping until they finish.

    Raises
    ------
    MissingResource
    InvalidRequest
        The loop has Completed or Failed.
    """
    now_ms = desk.clock()
    with desk.database.write() as connection:
        row = _find(connection, name, lock=True)
        if row.status in (COMPLETED, FAILED):
            raise InvalidRequest(f"The human loop {name} has the status {row.status}: it cannot be stopped.")
        if row.status == IN_PROGRESS and close(desk, connection, row.id, now_ms):
            record(connection, now_ms, Action.LOOP_STOPPED, f"loop/{name}", team=row.team_id)


def delete(desk: Desk, name: str) -> None:
    """Delete a loop that has ended: its name is free again, output.json stays in S3.

    Raises
    ------
    MissingResource
    InvalidRequest
        The loop has not ended.
    """
    now_ms = desk.clock()
    with desk.database.write() as connection:
        row = _find(connection, name)
        result = connection.execute(
            update(_loops)
            .where(_loops.c.id == row.id, _loops.c.live_name == name, _loops.c.status.in_(ENDED))
            .values(live_name=None, deleted_ms=now_ms)
        )
        if result.rowcount == 0:
            raise InvalidRequest(
                f"The human loop {name} has the status {row.status}: it can be deleted once it is "
                "Failed, Completed or Stopped."
            )
        record(connection, now_ms, Action.LOOP_DELETED, f"loop/{name}", team=row.team_id)


def close(desk: Desk, connection: Connection, loop_id: int, now_ms: int) -> bool:
    """Stop handing out a loop. It is Stopped if no one is working on it; an answered one still completes.

    Returns whether this changed anything.
    """
    lock_loop(connection, loop_id)
    waiting = select(schema.outbox.c.loop_id).where(schema.outbox.c.loop_id == loop_id)
    if connection.execute(waiting).first() is not None:
        return False
    closed = connection.execute(
        update(_loops)
        .where(_loops.c.id == loop_id, _loops.c.status == IN_PROGRESS)
        .values(status=STOPPING, open_slots=0)
    )
    finish_stopping(desk, connection, loop_id, now_ms)
    return closed.rowcount == 1


def finish_stopping(desk: Desk, connection: Connection, loop_id: int, now_ms: int) -> None:
    """Turn Stopping into Stopped once no one is working on the loop and no output is left to write.

    The caller has locked the loop (storage.locks).
    """
    at_work = select(_assignments.c.id).where(
        _assignments.c.loop_id == loop_id, _assignments.c.state == "working"
    )
    waiting = select(schema.outbox.c.loop_id).where(schema.outbox.c.loop_id == loop_id)
    stopped = connection.execute(
        update(_loops)
        .where(_loops.c.id == loop_id, _loops.c.status == STOPPING, ~at_work.exists(), ~waiting.exists())
        .values(status=STOPPED, ended_ms=now_ms)
    )
    if stopped.rowcount:
        record_end(desk, connection, loop_id)


def expire_due(desk: Desk) -> None:
    """Fail the loops whose availability has ended and that no one is working on (any more)."""
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
    lifetime = flow_config.given_availability_seconds(row.config)
    after = f"{lifetime} seconds" if lifetime else "its availability lifetime"
    return f"The task expired: {row.answers} of {row.task_count} answers were submitted within {after}."


def _find(connection: Connection, name: str, *, lock: bool = False) -> AnyRow:
    """The loop's id, status and team; ``lock`` keeps the row unchanged until the transaction ends."""
    query = select(_loops.c.id, _loops.c.status, _loops.c.team_id).where(_loops.c.live_name == name)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise missing(name)
    return row


def missing(name: str) -> MissingResource:
    """The error for a name that no loop has."""
    return MissingResource(f"The human loop {name} does not exist.")
