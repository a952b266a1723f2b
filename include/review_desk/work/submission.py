"""Answers: committed before they are acknowledged, and corrected while their output has not left the desk.

An answer given with ``correctable`` holds the loop's output.json back for DeskConfig.correction_seconds, but
neither past the task's time limit nor past the loop's availability. Until then, and for as long as other
people's answers are missing, the same person may replace it. The end of an answer's hold is in its
``lease_expires_ms``, which nothing else uses once a task is answered.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.errors import TaskGone
from include.review_desk.loops.status import COMPLETED, STOPPED, STOPPING
from include.review_desk.storage import schema
from include.review_desk.storage.journal_entries import note_answer
from include.review_desk.work import task_rows
from include.review_desk.work.answers import canonical_answer, check_answer
from include.review_desk.work.box_edits import count_answer

if TYPE_CHECKING:
    from include.review_desk.context import Desk
    from include.review_desk.people.sessions import Worker
    from include.review_desk.storage.database import AnyRow

_loops = schema.human_loops
_assignments = schema.assignments
_outbox = schema.outbox

_ANSWER = (
    update(_assignments)
    .where(task_rows.IS_WORKING)
    .values(
        state="answered",
        submitted_ms=task_rows.NOW,
        paused_ms=task_rows.ALL_PAUSES_MS,
        paused_since_ms=None,
    )
)
_COUNT_ANSWER = (
    update(_loops)
    .where(_loops.c.id == bindparam("loop"))
    .values(answers=_loops.c.answers + 1)
    .returning(_loops.c.id, _loops.c.status, _loops.c.answers, _loops.c.task_count)
)
_AT_WORK = (
    select(_assignments.c.id)
    .where(_assignments.c.loop_id == bindparam("loop"), _assignments.c.state == "working")
    .limit(1)
)
_HELD_UNTIL = select(func.max(_assignments.c.lease_expires_ms)).where(
    _assignments.c.loop_id == bindparam("loop"), _assignments.c.state == "answered"
)
_QUEUE_OUTPUT = insert(_outbox)


@dataclass(frozen=True)
class Acknowledgement:
    """A committed answer. ``correctable_until_ms`` is None once it is final."""

    loop: str
    status: str
    correctable_until_ms: int | None


def answer(
    desk: Desk, worker: Worker, task: str, content: Any, *, correctable: bool = False
) -> Acknowledgement:
    """Commit an answer; with the last one output.json is queued in the same transaction.

    Sending the same answer again gives the same result.

    Raises
    ------
    MissingTask, TaskGone, BadAnswer
    """
    stored = canonical_answer(content)
    with desk.database.read() as connection:
        row = task_rows.find_page(connection, worker, task)
    if row.state == "working":
        edits = _checked(desk, row, content)
        row = _commit_answer(desk, worker, task, stored, edits, correctable=correctable)
    if row.state != "answered":
        raise task_rows.gone(row.state, task)
    if row.answer != stored:
        raise TaskGone(f"The task {task} was answered already, and differently: the first answer counts.")
    return _acknowledged(desk, row)


def correct(desk: Desk, worker: Worker, task: str, content: Any) -> Acknowledgement:
    """Replace an answer whose output has not left the desk; the hold restarts within the same bounds.

    Sending the same correction again gives the same result, at any time.

    Raises
    ------
    MissingTask, TaskGone, BadAnswer
    """
    stored = canonical_answer(content)
    with desk.database.read() as connection:
        row = task_rows.find_page(connection, worker, task)
    if row.state == "working":
        raise TaskGone(f"The task {task} has no answer yet: submit one before correcting it.")
    if row.state != "answered":
        raise task_rows.gone(row.state, task)
    if row.answer != stored:
        edits = _checked(desk, row, content)
        row = _commit_correction(desk, worker, row, stored, edits)
    return _acknowledged(desk, row)


def _acknowledged(desk: Desk, row: AnyRow) -> Acknowledgement:
    return Acknowledgement(row.loop_name, row.status, task_rows.correctable_until(row, desk.clock()))


def _checked(desk: Desk, row: AnyRow, content: Any) -> str | None:
    """Check the answer against the page; what became of the model's boxes (JSON), if it drew any."""
    elements = desk.known_elements.of(row.loop_id, lambda: task_rows.render_to_check(desk, row))
    check_answer(content, elements)
    edits = count_answer(elements, content)
    return None if edits is None else json.dumps(asdict(edits))


def _commit_answer(
    desk: Desk, worker: Worker, task: str, stored: str, edits: str | None, *, correctable: bool
) -> AnyRow:
    now_ms = desk.clock()
    with desk.database.write() as connection:
        row = task_rows.lock_row(connection, worker, task)
        taken = connection.execute(
            _ANSWER,
            {
                "assignment": row.id,
                "now_ms": now_ms,
                "answer": stored,
                "edits": edits,
                "lease_expires_ms": _hold_end(desk, row, now_ms) if correctable else now_ms,
            },
        )
        if taken.rowcount == 0 and row.state == "working":
            raise task_rows.gone("expired", task)
        if taken.rowcount:
            note_answer(connection, row.id)
            loop = connection.execute(_COUNT_ANSWER, {"loop": row.loop_id}).one()
            queue_output(connection, loop, now_ms)
        row = task_rows.find_row(connection, worker, task)
    desk.outbox_changed.set()
    return row


def _commit_correction(desk: Desk, worker: Worker, seen: AnyRow, stored: str, edits: str | None) -> AnyRow:
    now_ms = desk.clock()
    with desk.database.write() as connection:
        row = task_rows.lock_row(connection, worker, seen.task)
        if row.answer == stored:
            return row
        hold_ms = _hold_end(desk, row, now_ms)
        if not _hold_again(connection, row, now_ms, hold_ms):
            raise TaskGone(f"The time to correct the task {row.task} is over: its answer is final.")
        connection.execute(
            update(_assignments)
            .where(_assignments.c.id == row.id, _assignments.c.corrections == row.corrections)
            .values(
                answer=stored,
                edits=edits,
                submitted_ms=now_ms,
                # The time since the first submission was spent on other tasks.
                paused_ms=_assignments.c.paused_ms + (now_ms - _assignments.c.submitted_ms),
                lease_expires_ms=hold_ms,
                corrections=_assignments.c.corrections + 1,
            )
        )
        note_answer(connection, row.id)
        on = f"loop/{row.loop_name}"
        record(connection, now_ms, Action.ANSWER_CORRECTED, on, by=worker.id, team=row.team_id)
        return task_rows.find_row(connection, worker, seen.task)


def _hold_end(desk: Desk, row: AnyRow, now_ms: int) -> int:
    """Until when an answer given now holds the output back."""
    wanted_ms = now_ms + desk.config.correction_seconds * 1000
    return max(now_ms, min(wanted_ms, int(row.limit_ms), int(row.available_until_ms)))


def _hold_again(connection: Connection, row: AnyRow, now_ms: int, hold_ms: int) -> bool:
    """Whether the output has not left the desk; if it is queued, it waits for the new hold."""
    if task_rows.correctable_until(row, now_ms) is None:
        return False
    if row.output_attempts is None:
        return True
    held = connection.execute(
        update(_outbox)
        .where(_outbox.c.loop_id == row.loop_id, _outbox.c.attempts == 0, _outbox.c.next_attempt_ms > now_ms)
        .values(next_attempt_ms=max(hold_ms, row.output_due_ms))
    )
    return held.rowcount == 1


def queue_output(connection: Connection, loop: AnyRow, now_ms: int) -> None:
    """Queue output.json once all have answered, or once the last person on a stopping loop has."""
    this = {"loop": loop.id}
    if loop.status == STOPPING:
        complete, final_status = connection.scalar(_AT_WORK, this) is None, STOPPED
    else:
        complete, final_status = loop.answers >= loop.task_count, COMPLETED
    if not complete:
        return
    held_until_ms = connection.scalar(_HELD_UNTIL, this)
    connection.execute(
        _QUEUE_OUTPUT,
        {
            "loop_id": loop.id,
            "final_status": final_status,
            "attempts": 0,
            "next_attempt_ms": max(now_ms, held_until_ms or 0),
            "queued_ms": now_ms,
        },
    )
