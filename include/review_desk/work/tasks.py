"""A worker's tasks: take, answer, decline, say that one is still at it.

A person takes a task for TaskTimeLimitInSeconds at most. A client that sends heartbeats gives it back
sooner when it falls silent. Whoever declined or answered a loop never sees it again; whoever let the time
run out may.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select, update

from include.review_desk.aws_api.loops import (
    COMPLETED,
    IN_PROGRESS,
    STOPPED,
    STOPPING,
    settle_stopping,
)
from include.review_desk.errors import MissingTask, RenderFailure, TaskGone
from include.review_desk.storage import schema
from include.review_desk.work.answers import canonical_answer, check_answer
from include.review_desk.work.assignment import claim_task, held_task, is_working
from include.review_desk.worker_templates.crowd import find_elements

if TYPE_CHECKING:
    from include.review_desk.context import Desk
    from include.review_desk.people.workers import Worker
    from include.review_desk.storage.database import AnyRow

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
    task = held_task(desk, worker) or claim_task(desk, worker)
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
        if not release(desk, connection, row.id, "declined", desk.clock(), reason[:_MAX_REASON_CHARACTERS]):
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
            update(_assignments).where(is_working(row.id, now_ms)).values(lease_expires_ms=expires_ms)
        )
        if result.rowcount == 0:
            raise _gone("expired" if row.state == "working" else row.state, task)
    return int(expires_ms)


def release(
    desk: Desk, connection: Connection, assignment_id: int, state: str, now_ms: int, reason: str | None = None
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
    settle_stopping(desk, connection, int(loop_id or 0), now_ms)
    return True


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
            .where(is_working(row.id, now_ms))
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


def _gone(state: str, task: str) -> TaskGone:
    why = {
        "answered": "was answered already",
        "declined": "was declined",
        "expired": "ran out of time and was given back",
        "withdrawn": "was withdrawn",
    }
    return TaskGone(f"The task {task} {why.get(state, 'is not open any more')}: ask for the next one.")
