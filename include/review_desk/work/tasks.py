"""A worker's tasks: take, view, send heartbeats, pause, hand back, decline.

A person takes a task for TaskTimeLimitInSeconds at most. A client that sends heartbeats gives it back
sooner when it falls silent, unless it paused. A person who declined or answered a loop never sees it again;
one who handed it back or let the time run out may.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select, update

from include.review_desk.loops import flow_config
from include.review_desk.loops.lifecycle import finish_stopping
from include.review_desk.loops.status import IN_PROGRESS
from include.review_desk.storage import schema
from include.review_desk.work import task_rows
from include.review_desk.work.assignment import (
    claim_task,
    held_task,
    takeable_page,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.review_desk.context import Desk
    from include.review_desk.people.sessions import Worker
    from include.review_desk.storage.database import AnyRow
    from include.review_desk.worker_templates.rendering import Page

_MAX_REASON_CHARACTERS = 500

_loops = schema.human_loops
_assignments = schema.assignments

# Values of an assignment whose pause ends.
_RESUMED: dict[str, Any] = {"paused_ms": task_rows.ALL_PAUSES_MS, "paused_since_ms": None}


@dataclass(frozen=True)
class Task:
    """What a worker is given. ``task`` is the key to answer with; times are milliseconds since 1970 UTC.

    ``answer`` is the answerContent once there is one; ``correctable_until_ms`` is None when it is final.
    """

    task: str
    loop: str
    flow: str
    title: str
    description: str
    state: str
    paused: bool
    accepted_ms: int
    limit_ms: int
    lease_expires_ms: int
    answer: Any
    correctable_until_ms: int | None


def next_task(desk: Desk, worker: Worker) -> Task | None:
    """The task this session holds already, else the oldest that this person may take, else None.

    So it is safe to call twice: a lost response loses no task.
    """
    task = held_task(desk, worker) or claim_task(desk, worker)
    return own_task(desk, worker, task) if task else None


def next_page(desk: Desk, worker: Worker) -> tuple[Task, Page, Any] | None:
    """As ``next_task``, with the task's page and the input it was made of.

    Raises
    ------
    TaskGone
        Its time ran out at this moment.
    """
    task = held_task(desk, worker) or claim_task(desk, worker)
    if task is None:
        return None
    row = _shown(desk, worker, task)
    return _task(desk, row), _render(desk, row), json.loads(row.input_content)


def own_task(desk: Desk, worker: Worker, task: str) -> Task:
    """One of this person's tasks, in any state.

    Raises
    ------
    MissingTask
    """
    with desk.database.read() as connection:
        row = task_rows.find_row(connection, worker, task)
    return _task(desk, row)


def render_task(desk: Desk, worker: Worker, task: str) -> Page:
    """The page of a task that this person works on or has answered.

    Raises
    ------
    MissingTask, TaskGone
    """
    return _render(desk, _shown(desk, worker, task))


def render_ahead(desk: Desk, worker: Worker, loop: str) -> Page:
    """The page that this person would be given for a loop which they could take now; claims nothing.

    Its links are those of the task itself, if that is taken soon (storage.links).

    Raises
    ------
    MissingTask
    """
    row = takeable_page(desk, worker, loop)
    return task_rows.render(desk, row, seconds=flow_config.time_limit_seconds(row.config))


def decline(desk: Desk, worker: Worker, task: str, reason: str) -> dict[str, str]:
    """Give the task back to other people; this person is not asked again.

    Raises
    ------
    MissingTask, TaskGone
    """
    return _leave(desk, worker, task, "declined", reason[:_MAX_REASON_CHARACTERS])


def hand_back(desk: Desk, worker: Worker, task: str) -> dict[str, str]:
    """Give the task back to the queue; this person may take it again.

    Raises
    ------
    MissingTask, TaskGone
    """
    return _leave(desk, worker, task, "returned", None)


def heartbeat(desk: Desk, worker: Worker, task: str) -> int:
    """Note that the person is still working; returns when the task goes back (milliseconds since 1970 UTC).

    Ends a pause.

    Raises
    ------
    MissingTask, TaskGone
    """
    now_ms = desk.clock()

    def lease(row: AnyRow) -> dict[str, Any]:
        return _RESUMED | {"lease_expires_ms": min(row.limit_ms, now_ms + desk.config.silence_seconds * 1000)}

    return int(_change(desk, worker, task, now_ms, lease).lease_expires_ms)


def pause(desk: Desk, worker: Worker, task: str) -> int:
    """Stop the person's time: silence does not give the task back, the time limit still does.

    Returns that limit (milliseconds since 1970 UTC). Pausing twice is pausing once.

    Raises
    ------
    MissingTask, TaskGone
    """
    now_ms = desk.clock()

    def paused(row: AnyRow) -> dict[str, Any]:
        since_ms = now_ms if row.paused_since_ms is None else row.paused_since_ms
        return {"paused_since_ms": since_ms, "lease_expires_ms": row.limit_ms}

    return int(_change(desk, worker, task, now_ms, paused).limit_ms)


def resume(desk: Desk, worker: Worker, task: str) -> int:
    """Go on after a pause; the lease lasts to the time limit until the next heartbeat.

    Returns when the task goes back (milliseconds since 1970 UTC).

    Raises
    ------
    MissingTask, TaskGone
    """
    now_ms = desk.clock()
    return int(_change(desk, worker, task, now_ms, lambda _row: _RESUMED).lease_expires_ms)


def release(
    desk: Desk,
    connection: Connection,
    assignment_id: int,
    state: str,
    now_ms: int,
    reason: str | None = None,
) -> bool:
    """End a piece of work without an answer and offer the loop again; False when it had ended already.

    The caller has locked the loop (storage.locks), and forgets the desk's ``queue_marks`` after the commit.
    """
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
    finish_stopping(desk, connection, int(loop_id or 0), now_ms)
    return True


def _task(desk: Desk, row: AnyRow) -> Task:
    return Task(
        task=row.task,
        loop=row.loop_name,
        flow=row.flow_name,
        title=flow_config.title(row.config),
        description=flow_config.description(row.config),
        state=row.state,
        paused=row.state == "working" and row.paused_since_ms is not None,
        accepted_ms=row.accepted_ms,
        limit_ms=row.limit_ms,
        lease_expires_ms=row.lease_expires_ms,
        answer=json.loads(row.answer) if row.answer is not None else None,
        correctable_until_ms=task_rows.correctable_until(row, desk.clock()),
    )


def _leave(desk: Desk, worker: Worker, task: str, state: str, reason: str | None) -> dict[str, str]:
    with desk.database.write() as connection:
        row = task_rows.lock_row(connection, worker, task)
        if not release(desk, connection, row.id, state, desk.clock(), reason):
            now = task_rows.find_row(connection, worker, task).state
            if now != state:
                raise task_rows.gone(now, task)
        row = task_rows.find_row(connection, worker, task)
    desk.queue_marks.forget()
    return {"loop": row.loop_name, "status": row.status}


def _change(
    desk: Desk, worker: Worker, task: str, now_ms: int, values: Callable[[AnyRow], dict[str, Any]]
) -> AnyRow:
    """Change a task that is still being worked on, by compare-and-swap; returns it as it is then."""
    with desk.database.write() as connection:
        row = task_rows.lock_row(connection, worker, task)
        changed = connection.execute(
            update(_assignments).where(task_rows.IS_WORKING).values(values(row)),
            {"assignment": row.id, "now_ms": now_ms},
        )
        if changed.rowcount == 0:
            raise task_rows.gone("expired" if row.state == "working" else row.state, task)
        return task_rows.find_row(connection, worker, task)


def _shown(desk: Desk, worker: Worker, task: str) -> AnyRow:
    with desk.database.read() as connection:
        row = task_rows.find_page(connection, worker, task)
    if row.state not in ("working", "answered"):
        raise task_rows.gone(row.state, task)
    return row


def _render(desk: Desk, row: AnyRow) -> Page:
    page = task_rows.render(desk, row, seconds=task_rows.limit_seconds(row))
    desk.known_elements.learn(row.loop_id, page.html)
    return page
