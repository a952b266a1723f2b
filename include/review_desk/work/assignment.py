"""Who gets which loop: the oldest first, TaskCount different people each, every step a compare-and-swap."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from include.review_desk.aws_api.loops import DEFAULT_TIME_LIMIT_SECONDS, IN_PROGRESS
from include.review_desk.errors import MissingTask
from include.review_desk.storage import schema
from include.review_desk.work.queue_marks import START

if TYPE_CHECKING:
    from include.review_desk.context import Desk
    from include.review_desk.people.workers import Worker
    from include.review_desk.storage.database import AnyRow
    from include.review_desk.work.queue_marks import Place

_CANDIDATES = 16
# Whoever let a task run out or handed it back may take the loop again.
_GIVEN_BACK = ("expired", "returned")

_loops = schema.human_loops
_assignments = schema.assignments
_flows = schema.flow_definitions


def held_task(desk: Desk, worker: Worker) -> str | None:
    """A task of this session, or of one of this person's sessions that has ended."""
    sessions, now_ms = schema.sessions, desk.clock()
    alive = exists().where(
        sessions.c.token_sha256 == _assignments.c.session_sha256, sessions.c.expires_ms > now_ms
    )
    held = and_(
        _assignments.c.worker_id == worker.id,
        _assignments.c.state == "working",
        # Not yet submitted, so that the person's index leads past all their answers.
        _assignments.c.submitted_ms.is_(None),
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
            .where(is_working(row.id, now_ms), _assignments.c.session_sha256 == row.session_sha256)
            .values(session_sha256=worker.session)
        )
    return row.task if adopted.rowcount else None


def claim_task(desk: Desk, worker: Worker) -> str | None:
    """Take one of the oldest loops.

    Looking and taking are one transaction, so that on SQLite the first candidate is never gone. On PostgreSQL
    somebody may be faster: then the next one, and after the last a new look.
    """
    while True:
        with desk.database.write() as connection:
            candidates = _candidates(desk, connection, worker)
            for candidate in candidates:
                task = _claim_loop(desk, connection, worker, candidate)
                if task is not None:
                    return task
        if len(candidates) < _CANDIDATES:
            return None


def ahead(desk: Desk, worker: Worker) -> str | None:
    """The name of the loop that this person would be given after the present one; claims nothing."""
    with desk.database.read() as connection:
        candidates = _candidates(desk, connection, worker, limit=1)
        if not candidates:
            return None
        name = connection.scalar(select(_loops.c.name).where(_loops.c.id == candidates[0].id))
    return str(name)


def takeable_page(desk: Desk, worker: Worker, loop: str) -> AnyRow:
    """What the page of a loop is made of, if this person could take the loop now.

    ``loop_name``, ``input_content``, ``template`` and the flow definition's ``config``.

    Raises
    ------
    MissingTask
    """
    templates = schema.templates
    query = (
        _queue(worker, desk.clock())
        .add_columns(
            _loops.c.name.label("loop_name"), _loops.c.input_content, templates.c.content.label("template")
        )
        .join(templates, templates.c.sha256 == _loops.c.template_sha256)
        .where(_loops.c.live_name == loop, _loops.c.team_id.in_(_teams(worker)))
    )
    with desk.database.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise MissingTask(f"The loop {loop[:64]} is not one that you could take now.")
    return row


def _candidates(
    desk: Desk, connection: Connection, worker: Worker, *, limit: int = _CANDIDATES
) -> list[AnyRow]:
    """The oldest loops that this person may take, over all teams.

    One query for each team: the index then gives the order, and nothing is sorted however long the queue is.
    """
    # Read before the database is asked: what is given back meanwhile must not end before a mark.
    marks, age, now_ms = desk.queue_marks, desk.queue_marks.age, desk.clock()
    rows: list[AnyRow] = []
    for team_id in team_ids(connection, worker):
        query = _team_queue(worker, team_id, now_ms, marks.place(worker.id, team_id, now_ms))
        found = connection.execute(query.limit(limit)).all()
        first = (found[0].created_ms, found[0].id) if found else None
        marks.note(age, worker.id, team_id, first, now_ms)
        rows.extend(found)
    return sorted(rows, key=lambda row: (row.created_ms, row.id))[:limit]


def takeable_flows(
    desk: Desk, connection: Connection, worker: Worker, team_id: int, *, limit: int
) -> list[int]:
    """The flow definition's id of each loop of a team that this person could take, the oldest ``limit``."""
    now_ms = desk.clock()
    place = desk.queue_marks.place(worker.id, team_id, now_ms)
    query = _team_queue(worker, team_id, now_ms, place).with_only_columns(_loops.c.flow_id)
    return list(connection.scalars(query.limit(limit)))


def team_ids(connection: Connection, worker: Worker) -> list[int]:
    """The teams that this person belongs to."""
    return list(connection.scalars(_teams(worker)))


def _teams(worker: Worker) -> Select[*tuple[Any, ...]]:
    members = schema.team_members
    return select(members.c.team_id).where(members.c.worker_id == worker.id)


def _team_queue(worker: Worker, team_id: int, now_ms: int, place: Place) -> Select[*tuple[Any, ...]]:
    """Loops of one team from ``place`` on that this person may take, oldest first."""
    query = _queue(worker, now_ms).where(_loops.c.team_id == team_id)
    if place == START:
        return query
    return query.where(tuple_(_loops.c.created_ms, _loops.c.id) >= tuple_(*place))


def _queue(worker: Worker, now_ms: int) -> Select[*tuple[Any, ...]]:
    """Loops that this person may take, whatever their team, oldest first."""
    taken = exists().where(
        _assignments.c.loop_id == _loops.c.id,
        _assignments.c.worker_id == worker.id,
        _assignments.c.state.not_in(_GIVEN_BACK),
    )
    return (
        select(_loops.c.id, _loops.c.created_ms, _flows.c.config)
        .join(_flows, _flows.c.id == _loops.c.flow_id)
        .where(
            # Literal, so that the partial index serves.
            text("human_loops.open_slots > 0"),
            _loops.c.status == IN_PROGRESS,
            _loops.c.available_until_ms > now_ms,
            ~taken,
        )
        .order_by(_loops.c.created_ms, _loops.c.id)
    )


def time_limit_seconds(config: str) -> int:
    """How long a person has for one task of a flow definition with this ``config`` (JSON)."""
    loop_config = json.loads(config)["HumanLoopConfig"]
    return int(loop_config.get("TaskTimeLimitInSeconds", DEFAULT_TIME_LIMIT_SECONDS))


def _claim_loop(desk: Desk, connection: Connection, worker: Worker, candidate: AnyRow) -> str | None:
    now_ms = desk.clock()
    limit = time_limit_seconds(candidate.config)
    task = secrets.token_urlsafe(24)
    values = {
        "task": task,
        "session_sha256": worker.session,
        "state": "working",
        "accepted_ms": now_ms,
        "limit_ms": now_ms + limit * 1000,
        "lease_expires_ms": now_ms + limit * 1000,
        "decline_reason": None,
        "paused_ms": 0,
        "paused_since_ms": None,
    }
    try:
        with connection.begin_nested():
            return task if _take_slot(connection, worker, candidate.id, values) else None
    except IntegrityError:
        # Another session of this person took the loop in this moment; the slot is rolled back with it.
        return None


def _take_slot(connection: Connection, worker: Worker, loop_id: int, values: dict[str, Any]) -> bool:
    slot = connection.execute(
        update(_loops)
        .where(_loops.c.id == loop_id, _loops.c.open_slots > 0, _loops.c.status == IN_PROGRESS)
        .values(open_slots=_loops.c.open_slots - 1)
    )
    if slot.rowcount == 0:
        return False
    again = connection.execute(
        update(_assignments)
        .where(
            _assignments.c.loop_id == loop_id,
            _assignments.c.worker_id == worker.id,
            _assignments.c.state.in_(_GIVEN_BACK),
        )
        .values(values)
    )
    if again.rowcount == 0:
        person = {"loop_id": loop_id, "worker_id": worker.id}
        connection.execute(insert(_assignments).values(values | person))
    return True


def is_working(assignment_id: int, now_ms: int) -> ColumnElement[bool]:
    """The assignment is somebody's, and its lease has not ended."""
    return and_(
        _assignments.c.id == assignment_id,
        _assignments.c.state == "working",
        _assignments.c.lease_expires_ms > now_ms,
    )
