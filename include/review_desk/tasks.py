"""Handing out tasks: oldest loop first, TaskCount different people each, every step a compare-and-swap.

A person takes a task for TaskTimeLimitInSeconds at most. A client that sends heartbeats gives it back
sooner when it falls silent. Whoever declined or answered a loop never sees it again; whoever let the time
run out may.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, exists, insert, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from include.review_desk import schema
from include.review_desk.answers import canonical_answer, check_answer
from include.review_desk.crowd import find_elements
from include.review_desk.errors import MissingTask, RenderFailure, TaskGone
from include.review_desk.loops import (
    COMPLETED,
    DEFAULT_TIME_LIMIT_SECONDS,
    IN_PROGRESS,
    STOPPED,
    STOPPING,
    settle_stopping,
)

if TYPE_CHECKING:
    from include.review_desk.context import Desk
    from include.review_desk.database import AnyRow
    from include.review_desk.workers import Worker

_CANDIDATES = 16
_MAX_REASON_CHARACTERS = 500

_loops = schema.human_loops
_assignments = schema.assignments
_flows = schema.flow_definitions


@dataclass(frozen=True)
class Task:
    """What a worker is given. ``task`` is the key to answer with; times are milliseconds since 1970 UTC."""

    task: str
    loop: str
    flow: str
    title: str
    description: str
    task_input: Any
    html: str
    accepted_ms: int
    lease_expires_ms: int


def next_task(desk: Desk, worker: Worker) -> Task | None:
    """The task this session holds already, else the oldest that this person may take, else None.

    Asking twice is therefore safe: a lost response costs nobody a task.
    """
    held = _held_by(desk, worker)
    task = held or _claim(desk, worker)
    return _load(desk, worker, task) if task else None


def answer(desk: Desk, worker: Worker, task: str, content: Any) -> dict[str, str]:
    """Commit an answer; with the last one output.json is queued in the same transaction.

    Returns the loop's name and status. The same answer again is answered the same.

    Raises
    ------
    MissingTask, TaskGone, BadAnswer
    """
    stored = canonical_answer(content)
    with desk.database.read() as connection:
        row = _find(connection, worker, task)
    if row.state == "working":
        check_answer(content, find_elements(_render(desk, row)))
        row = _commit_answer(desk, worker, task, stored)
    if row.state != "answered":
        raise _gone(row.state, task)
    if row.answer != stored:
        raise TaskGone(f"The task {task} was answered already, and differently: the first answer stands.")
    return {"loop": row.loop_name, "status": row.status}


def decline(desk: Desk, worker: Worker, task: str, reason: str) -> dict[str, str]:
    """Give the task back to other people; this person is not asked again.

    Raises
    ------
    MissingTask, TaskGone
    """
    with desk.database.write() as connection:
        row = _find(connection, worker, task)
        if not release(connection, row.id, "declined", desk.clock(), reason[:_MAX_REASON_CHARACTERS]):
            state = _find(connection, worker, task).state
            if state != "declined":
                raise _gone(state, task)
        row = _find(connection, worker, task)
    return {"loop": row.loop_name, "status": row.status}


def heartbeat(desk: Desk, worker: Worker, task: str) -> int:
    """Say that the person is still at it; returns when the task goes back (milliseconds since 1970 UTC).

    Raises
    ------
    MissingTask, TaskGone
    """
    now_ms = desk.clock()
    with desk.database.write() as connection:
        row = _find(connection, worker, task)
        expires_ms = min(row.limit_ms, now_ms + desk.config.silence_seconds * 1000)
        result = connection.execute(
            update(_assignments).where(_is_working(row.id, now_ms)).values(lease_expires_ms=expires_ms)
        )
        if result.rowcount == 0:
            raise _gone("expired" if row.state == "working" else row.state, task)
    return int(expires_ms)


def release(
    connection: Connection, assignment_id: int, state: str, now_ms: int, reason: str | None = None
) -> bool:
    """End a piece of work without an answer and offer the loop again; False when it had ended already."""
    result = connection.execute(
        update(_assignments)
        .where(_assignments.c.id == assignment_id, _assignments.c.state == "working")
        .values(state=state, decline_reason=reason)
    )
    if result.rowcount == 0:
        return False
    loop_id = connection.scalar(select(_assignments.c.loop_id).where(_assignments.c.id == assignment_id))
    connection.execute(
        update(_loops)
        .where(_loops.c.id == loop_id, _loops.c.status == IN_PROGRESS)
        .values(open_slots=_loops.c.open_slots + 1)
    )
    settle_stopping(connection, int(loop_id or 0), now_ms)
    return True


def _held_by(desk: Desk, worker: Worker) -> str | None:
    """A task of this session, or of one of this person's sessions that has ended."""
    sessions, now_ms = schema.sessions, desk.clock()
    alive = exists().where(
        sessions.c.token_sha256 == _assignments.c.session_sha256, sessions.c.expires_ms > now_ms
    )
    held = and_(
        _assignments.c.worker_id == worker.id,
        _assignments.c.state == "working",
        _assignments.c.lease_expires_ms > now_ms,
        or_(_assignments.c.session_sha256 == worker.session, ~alive),
    )
    query = select(_assignments.c.id, _assignments.c.task, _assignments.c.session_sha256).where(held)
    with desk.database.read() as connection:
        row = connection.execute(
            query.order_by(_assignments.c.accepted_ms, _assignments.c.id).limit(1)
        ).first()
    if row is None or row.session_sha256 == worker.session:
        return row.task if row else None
    with desk.database.write() as connection:
        adopted = connection.execute(
            update(_assignments)
            .where(_is_working(row.id, now_ms), _assignments.c.session_sha256 == row.session_sha256)
            .values(session_sha256=worker.session)
        )
    return row.task if adopted.rowcount else None


def _claim(desk: Desk, worker: Worker) -> str | None:
    """Take one of the oldest loops; the next candidate when somebody else was faster."""
    while True:
        with desk.database.read() as connection:
            candidates = connection.execute(_queue(worker, desk.clock()).limit(_CANDIDATES)).all()
        for candidate in candidates:
            task = _claim_loop(desk, worker, candidate)
            if task is not None:
                return task
        if len(candidates) < _CANDIDATES:
            return None


def _queue(worker: Worker, now_ms: int) -> Any:
    """Loops this person may take, oldest first."""
    members = schema.team_members
    taken = exists().where(
        _assignments.c.loop_id == _loops.c.id,
        _assignments.c.worker_id == worker.id,
        _assignments.c.state != "expired",
    )
    return (
        select(_loops.c.id, _flows.c.config)
        .join(_flows, _flows.c.id == _loops.c.flow_id)
        .where(
            # Literal, so that the partial index serves.
            text("human_loops.open_slots > 0"),
            _loops.c.team_id.in_(select(members.c.team_id).where(members.c.worker_id == worker.id)),
            _loops.c.status == IN_PROGRESS,
            _loops.c.available_until_ms > now_ms,
            ~taken,
        )
        .order_by(_loops.c.created_ms, _loops.c.id)
    )


def _claim_loop(desk: Desk, worker: Worker, candidate: AnyRow) -> str | None:
    now_ms = desk.clock()
    limit = json.loads(candidate.config)["HumanLoopConfig"].get(
        "TaskTimeLimitInSeconds", DEFAULT_TIME_LIMIT_SECONDS
    )
    task = secrets.token_urlsafe(24)
    values = {
        "task": task,
        "session_sha256": worker.session,
        "state": "working",
        "accepted_ms": now_ms,
        "limit_ms": now_ms + limit * 1000,
        "lease_expires_ms": now_ms + limit * 1000,
    }
    try:
        with desk.database.write() as connection:
            slot = connection.execute(
                update(_loops)
                .where(_loops.c.id == candidate.id, _loops.c.open_slots > 0, _loops.c.status == IN_PROGRESS)
                .values(open_slots=_loops.c.open_slots - 1)
            )
            if slot.rowcount == 0:
                return None
            again = connection.execute(
                update(_assignments)
                .where(
                    _assignments.c.loop_id == candidate.id,
                    _assignments.c.worker_id == worker.id,
                    _assignments.c.state == "expired",
                )
                .values(values)
            )
            if again.rowcount == 0:
                person = {"loop_id": candidate.id, "worker_id": worker.id}
                connection.execute(insert(_assignments).values(values | person))
    except IntegrityError:
        # Another session of this person took the loop in this moment; the slot is rolled back with it.
        return None
    return task


def _load(desk: Desk, worker: Worker, task: str) -> Task | None:
    with desk.database.read() as connection:
        row = _find(connection, worker, task)
    config = json.loads(row.config)["HumanLoopConfig"]
    return Task(
        task=task,
        loop=row.loop_name,
        flow=row.flow_name,
        title=config["TaskTitle"],
        description=config["TaskDescription"],
        task_input=json.loads(row.input_content),
        html=_render(desk, row),
        accepted_ms=row.accepted_ms,
        lease_expires_ms=row.lease_expires_ms,
    )


def _commit_answer(desk: Desk, worker: Worker, task: str, stored: str) -> AnyRow:
    now_ms = desk.clock()
    with desk.database.write() as connection:
        row = _find(connection, worker, task)
        taken = connection.execute(
            update(_assignments)
            .where(_is_working(row.id, now_ms))
            .values(state="answered", answer=stored, submitted_ms=now_ms)
        )
        if taken.rowcount == 0 and row.state == "working":
            raise _gone("expired", task)
        if taken.rowcount:
            connection.execute(
                update(_loops).where(_loops.c.id == row.loop_id).values(answers=_loops.c.answers + 1)
            )
            _queue_output(connection, row.loop_id, now_ms)
        row = _find(connection, worker, task)
    desk.outbox_changed.set()
    return row


def _queue_output(connection: Connection, loop_id: int, now_ms: int) -> None:
    """Queue output.json once all have answered, or the last one at work on a loop that is being stopped."""
    loop = connection.execute(
        select(_loops.c.status, _loops.c.answers, _loops.c.task_count).where(_loops.c.id == loop_id)
    ).one()
    at_work = connection.scalar(
        select(_assignments.c.id)
        .where(_assignments.c.loop_id == loop_id, _assignments.c.state == "working")
        .limit(1)
    )
    if loop.status == STOPPING:
        complete, final_status = at_work is None, STOPPED
    else:
        complete, final_status = loop.answers >= loop.task_count, COMPLETED
    if complete:
        connection.execute(
            insert(schema.outbox).values(
                loop_id=loop_id,
                final_status=final_status,
                attempts=0,
                next_attempt_ms=now_ms,
                queued_ms=now_ms,
            )
        )


def _find(connection: Connection, worker: Worker, task: str) -> AnyRow:
    """The assignment with its loop, if it is this person's."""
    templates = schema.templates
    row = connection.execute(
        select(
            _assignments,
            _loops.c.name.label("loop_name"),
            _loops.c.flow_name,
            _loops.c.status,
            _loops.c.input_content,
            _flows.c.config,
            templates.c.content.label("template"),
        )
        .join(_loops, _loops.c.id == _assignments.c.loop_id)
        .join(_flows, _flows.c.id == _loops.c.flow_id)
        .join(templates, templates.c.sha256 == _loops.c.template_sha256)
        .where(_assignments.c.task == task, _assignments.c.worker_id == worker.id)
    ).one_or_none()
    if row is None:
        raise MissingTask(f"You have no task {task[:64]}.")
    return row


def _render(desk: Desk, row: AnyRow) -> str:
    """The page of a task; its links live as long as the task."""
    lifetime_seconds = (row.limit_ms - row.accepted_ms) // 1000 + 60
    try:
        return desk.renderer.render(
            row.template, json.loads(row.input_content), link_seconds=lifetime_seconds
        )
    except RenderFailure as failure:
        # It rendered when the loop started, and neither template nor input can change since.
        raise RuntimeError(
            f"The loop {row.loop_name} does not render any more: {failure.message}"
        ) from failure


def _is_working(assignment_id: int, now_ms: int) -> Any:
    return and_(
        _assignments.c.id == assignment_id,
        _assignments.c.state == "working",
        _assignments.c.lease_expires_ms > now_ms,
    )


def _gone(state: str, task: str) -> TaskGone:
    why = {
        "answered": "was answered already",
        "declined": "was declined",
        "expired": "ran out of time and was given back",
        "withdrawn": "was withdrawn",
    }
    return TaskGone(f"The task {task} {why.get(state, 'is not open any more')}: ask for the next one.")
