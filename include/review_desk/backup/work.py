"""Loops and answers since the backup, added to it: each at most once, whatever the backup has of them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, insert, select, update

from include.review_desk.loops.status import COMPLETED, FAILED, IN_PROGRESS, STOPPED, STOPPING
from include.review_desk.people import teams
from include.review_desk.storage import schema
from include.review_desk.storage.locks import lock_loop
from include.review_desk.work.submission import queue_output

if TYPE_CHECKING:
    from include.review_desk.storage.database import AnyRow
    from include.review_desk.storage.journal import Entry

_loops = schema.human_loops
_flows = schema.flow_definitions
_uis = schema.human_task_uis
_templates = schema.templates
_assignments = schema.assignments
_workers = schema.workers
_outbox = schema.outbox


def add_loop(connection: Connection, entry: Entry, now_ms: int) -> bool:
    """Add a loop that was started since, as it was then, and what it needs; whether it was missing."""
    loop, flow = entry["loop"], entry["flow"]
    if _loop(connection, loop) is not None:
        return False
    team_id = teams.ensure_team(connection, entry["team"], now_ms) if entry["team"] else 0
    sha256 = loop["template_sha256"]
    if connection.scalar(select(_templates.c.sha256).where(_templates.c.sha256 == sha256)) is None:
        connection.execute(insert(_templates).values(sha256=sha256, content=entry["template"]))
    flow_id = _ensure_flow(connection, flow, team_id, sha256)
    free = connection.scalar(select(_loops.c.id).where(_loops.c.live_name == loop["live_name"])) is None
    name = loop["live_name"] if free else None
    connection.execute(
        insert(_loops).values(**{**loop, "flow_id": flow_id, "team_id": team_id, "live_name": name})
    )
    return True


def add_answer(connection: Connection, entry: Entry, now_ms: int) -> bool | None:
    """Add an answer, or what it was corrected to; whether it was missing, None where its loop is gone."""
    loop, answer = _loop(connection, entry["loop"]), entry["answer"]
    if loop is None:
        return None
    lock_loop(connection, loop.id)
    worker_id = _ensure_worker(connection, entry["worker"], now_ms)
    mine = (_assignments.c.loop_id == loop.id, _assignments.c.worker_id == worker_id)
    row = connection.execute(select(_assignments).where(*mine)).one_or_none()
    if row is not None and row.state == "answered" and row.submitted_ms >= answer["submitted_ms"]:
        return False
    # No session of before the restore is there any more; an answer needs none.
    values = {**answer, "session_sha256": secrets.token_hex(32)}
    if row is None:
        connection.execute(insert(_assignments).values(loop_id=loop.id, worker_id=worker_id, **values))
    else:
        connection.execute(update(_assignments).where(_assignments.c.id == row.id).values(**values))
    _count(connection, loop, now_ms)
    return True


def stop_loop(connection: Connection, name: str, now_ms: int) -> None:
    """Stop a loop again, at once: after a restore no one is at work on it."""
    row = connection.execute(select(_loops).where(_loops.c.live_name == name)).one_or_none()
    if row is None or row.status not in (IN_PROGRESS, STOPPING) or _is_queued(connection, row.id):
        return
    connection.execute(
        update(_loops).where(_loops.c.id == row.id).values(status=STOPPED, open_slots=0, ended_ms=now_ms)
    )


def delete_loop(connection: Connection, name: str, now_ms: int) -> None:
    """Delete a loop again, if it has ended."""
    connection.execute(
        update(_loops)
        .where(_loops.c.live_name == name, _loops.c.status.in_((COMPLETED, FAILED, STOPPED)))
        .values(live_name=None, deleted_ms=now_ms)
    )


def end_sessions(connection: Connection, now_ms: int) -> None:
    """Sign everybody out, and offer the tasks that people had in hand at the backup again."""
    connection.execute(schema.sessions.delete())
    at_work = _assignments.c.state == "working"
    connection.execute(update(_assignments).where(at_work).values(lease_expires_ms=now_ms))


def _loop(connection: Connection, named: dict[str, Any]) -> AnyRow | None:
    same = (_loops.c.name == named["name"], _loops.c.created_ms == named["created_ms"])
    return connection.execute(select(_loops).where(*same)).one_or_none()


def _ensure_flow(connection: Connection, flow: dict[str, Any], team_id: int, sha256: str) -> int:
    same = (_flows.c.name == flow["name"], _flows.c.created_ms == flow["created_ms"])
    known = connection.scalar(select(_flows.c.id).where(*same))
    if known is not None:
        return int(known)
    ui = flow["human_task_ui"]
    if connection.scalar(select(_uis.c.id).where(_uis.c.name == ui)) is None:
        values = {"name": ui, "template_sha256": sha256, "created_ms": flow["created_ms"]}
        connection.execute(insert(_uis).values(**values))
    free = connection.scalar(select(_flows.c.id).where(_flows.c.live_name == flow["live_name"])) is None
    values = {**flow, "team_id": team_id, "live_name": flow["live_name"] if free else None}
    return schema.inserted_id(connection.execute(insert(_flows).values(**values)))


def _ensure_worker(connection: Connection, worker: dict[str, str], now_ms: int) -> int:
    """Who answered; a person who joined since the backup has a closed account without a name."""
    known = connection.scalar(select(_workers.c.id).where(_workers.c.public_id == worker["public_id"]))
    if known is not None:
        return int(known)
    name = f"restored-{worker['public_id']}"
    values = {**worker, "name": name, "created_ms": now_ms, "disabled_ms": now_ms}
    return schema.inserted_id(connection.execute(insert(_workers).values(**values)))


def _count(connection: Connection, loop: AnyRow, now_ms: int) -> None:
    """Bring the loop's numbers up to its assignments, and queue its output if it is complete."""
    states = (
        select(_assignments.c.state, func.count().label("count"))
        .where(_assignments.c.loop_id == loop.id)
        .group_by(_assignments.c.state)
    )
    counts: dict[str, int] = {row.state: row[1] for row in connection.execute(states)}
    answers = counts.get("answered", 0)
    left = max(0, loop.task_count - answers - counts.get("working", 0))
    slots = left if loop.status == IN_PROGRESS else 0
    connection.execute(update(_loops).where(_loops.c.id == loop.id).values(answers=answers, open_slots=slots))
    if loop.status in (IN_PROGRESS, STOPPING) and not _is_queued(connection, loop.id):
        queue_output(
            connection, connection.execute(select(_loops).where(_loops.c.id == loop.id)).one(), now_ms
        )


def _is_queued(connection: Connection, loop_id: int) -> bool:
    queued = select(_outbox.c.loop_id).where(_outbox.c.loop_id == loop_id)
    return connection.execute(queued).first() is not None
