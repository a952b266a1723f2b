"""Who gets which loop: the oldest first, TaskCount different people each, every step a compare-and-swap.

A person has one task in each session, and MAX_HELD in all sessions together.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    bindparam,
    exists,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from include.review_desk.errors import MissingTask
from include.review_desk.loops.flow_config import time_limit_seconds
from include.review_desk.loops.status import IN_PROGRESS
from include.review_desk.storage import schema
from include.review_desk.storage.locks import lock_person
from include.review_desk.work.task_rows import IN_TEAM, IS_WORKING, NOW

if TYPE_CHECKING:
    from include.review_desk.context import Desk
    from include.review_desk.people.sessions import Worker
    from include.review_desk.storage.database import AnyRow

MAX_HELD = 3
"""Tasks that one person holds at a time.

The page needs one, since loading ahead claims nothing. The others are for a second screen, and for a browser
that was closed without signing out.
"""

_CANDIDATES = 16
# People who let a task run out or handed it back may take the loop again.
_GIVEN_BACK = ("expired", "returned")

_loops = schema.human_loops
_assignments = schema.assignments
_flows = schema.flow_definitions
_sessions = schema.sessions
_members = schema.team_members

_session_lives = exists().where(
    _sessions.c.token_sha256 == _assignments.c.session_sha256, _sessions.c.expires_ms > NOW
)
_ALL_HELD = (
    select(_assignments.c.id, _assignments.c.task, _assignments.c.session_sha256)
    .join(_loops, _loops.c.id == _assignments.c.loop_id)
    .where(
        _assignments.c.worker_id == bindparam("worker"),
        _assignments.c.state == "working",
        # Not yet submitted, so that the person's index skips all their answers.
        _assignments.c.submitted_ms.is_(None),
        _assignments.c.lease_expires_ms > NOW,
        IN_TEAM,
    )
    .order_by(_assignments.c.accepted_ms, _assignments.c.id)
)
_HELD = _ALL_HELD.where(
    or_(_assignments.c.session_sha256 == bindparam("session"), ~_session_lives),
).limit(1)
_ADOPT = update(_assignments).where(IS_WORKING, _assignments.c.session_sha256 == bindparam("session"))

_TEAMS = select(_members.c.team_id).where(_members.c.worker_id == bindparam("worker"))
# Loops that a person may take, whatever their team, oldest first.
_QUEUE = (
    select(_loops.c.id, _loops.c.created_ms, _flows.c.config)
    .join(_flows, _flows.c.id == _loops.c.flow_id)
    .where(
        # Literal, so that the partial index is used.
        text("human_loops.open_slots > 0"),
        _loops.c.status == IN_PROGRESS,
        _loops.c.available_until_ms > NOW,
        ~exists().where(
            _assignments.c.loop_id == _loops.c.id,
            _assignments.c.worker_id == bindparam("worker"),
            _assignments.c.state.not_in(_GIVEN_BACK),
        ),
    )
    .order_by(_loops.c.created_ms, _loops.c.id)
)
# Those of one team, from a place on.
_TEAM_QUEUE = _QUEUE.where(
    _loops.c.team_id == bindparam("team"),
    tuple_(_loops.c.created_ms, _loops.c.id)
    >= tuple_(bindparam("from_ms", type_=BigInteger()), bindparam("from_id", type_=Integer())),
).limit(bindparam("most", type_=Integer()))
_TEAM_QUEUE_FLOWS = _TEAM_QUEUE.with_only_columns(_loops.c.flow_id)
_TAKEABLE_PAGE = (
    _QUEUE.add_columns(
        _loops.c.name.label("loop_name"),
        _loops.c.input_content,
        _loops.c.read_prefixes,
        schema.templates.c.content.label("template"),
    )
    .join(schema.templates, schema.templates.c.sha256 == _loops.c.template_sha256)
    .where(_loops.c.live_name == bindparam("loop"), _loops.c.team_id.in_(_TEAMS))
)

_TAKE_SLOT = (
    update(_loops)
    .where(_loops.c.id == bindparam("loop"), _loops.c.open_slots > 0, _loops.c.status == IN_PROGRESS)
    .values(open_slots=_loops.c.open_slots - 1)
)
_TAKE_AGAIN = update(_assignments).where(
    _assignments.c.loop_id == bindparam("loop"),
    _assignments.c.worker_id == bindparam("worker"),
    _assignments.c.state.in_(_GIVEN_BACK),
)
_TAKE = insert(_assignments)


def held_task(desk: Desk, worker: Worker) -> str | None:
    """A task of this session, or of one of this person's sessions that has ended."""
    now_ms = desk.clock()
    mine = {"worker": worker.id, "session": worker.session, "now_ms": now_ms}
    with desk.database.read() as connection:
        row = connection.execute(_HELD, mine).first()
    if row is None or row.session_sha256 == worker.session:
        return row.task if row else None
    with desk.database.write() as connection:
        before = {"assignment": row.id, "now_ms": now_ms, "session": row.session_sha256}
        adopted = connection.execute(_ADOPT, before | {"session_sha256": worker.session})
    return row.task if adopted.rowcount else None


def claim_task(desk: Desk, worker: Worker) -> str | None:
    """Take one of the oldest loops; a person who holds MAX_HELD tasks gets the first of those instead.

    Finding and taking are one transaction, so on SQLite the first candidate is always free. On PostgreSQL
    another person may take it first: then the next one is tried, and after the last the search starts over.
    """
    while True:
        try:
            with desk.database.write() as connection:
                if not lock_person(connection, worker.id):
                    # Closed since the session was looked at.
                    return None
                held = connection.execute(_ALL_HELD, {"worker": worker.id, "now_ms": desk.clock()}).all()
                if len(held) >= MAX_HELD:
                    return str(held[0].task)
                candidates = _candidates(desk, connection, worker)
                for candidate in candidates:
                    task = _claim_loop(desk, connection, worker, candidate)
                    if task is not None:
                        return task
        except IntegrityError:
            # Another session of this person took that loop at the same moment; the slot is rolled back.
            continue
        if len(candidates) < _CANDIDATES:
            return None


def ahead(desk: Desk, worker: Worker) -> str | None:
    """The name of the loop that this person would get after the current one; claims nothing."""
    with desk.database.read() as connection:
        candidates = _candidates(desk, connection, worker, limit=1)
        if not candidates:
            return None
        name = connection.scalar(select(_loops.c.name).where(_loops.c.id == candidates[0].id))
    return str(name)


def takeable_page(desk: Desk, worker: Worker, loop: str) -> AnyRow:
    """Everything the page of a loop is made of, if this person could take the loop now.

    ``loop_name``, ``input_content``, ``read_prefixes``, ``template`` and the flow definition's ``config``.

    Raises
    ------
    MissingTask
    """
    wanted = {"loop": loop, "worker": worker.id, "now_ms": desk.clock()}
    with desk.database.read() as connection:
        row = connection.execute(_TAKEABLE_PAGE, wanted).one_or_none()
    if row is None:
        raise MissingTask(f"The loop {loop[:64]} is not one that you could take now.")
    return row


def _candidates(
    desk: Desk, connection: Connection, worker: Worker, *, limit: int = _CANDIDATES
) -> list[AnyRow]:
    """The oldest loops that this person may take, over all teams.

    One query for each team: the index then gives the order, and nothing is sorted however long the queue is.
    """
    # Read before the query: a loop given back meanwhile must not end up before a mark.
    age, now_ms = desk.queue_marks.age, desk.clock()
    rows: list[AnyRow] = []
    for team_id in team_ids(connection, worker):
        found = connection.execute(_TEAM_QUEUE, _part(desk, worker, team_id, now_ms, limit)).all()
        first = (found[0].created_ms, found[0].id) if found else None
        desk.queue_marks.note(age, worker.id, team_id, first, now_ms)
        rows.extend(found)
    return sorted(rows, key=lambda row: (row.created_ms, row.id))[:limit]


def takeable_flows(
    desk: Desk, connection: Connection, worker: Worker, team_id: int, *, limit: int
) -> list[int]:
    """The flow definition's id of each loop of a team that this person could take, the oldest ``limit``."""
    return list(connection.scalars(_TEAM_QUEUE_FLOWS, _part(desk, worker, team_id, desk.clock(), limit)))


def team_ids(connection: Connection, worker: Worker) -> list[int]:
    """The teams that this person belongs to."""
    return list(connection.scalars(_TEAMS, {"worker": worker.id}))


def _part(desk: Desk, worker: Worker, team_id: int, now_ms: int, limit: int) -> dict[str, int]:
    """The parameters of _TEAM_QUEUE, starting at the person's mark."""
    from_ms, from_id = desk.queue_marks.place(worker.id, team_id, now_ms)
    return {
        "worker": worker.id,
        "team": team_id,
        "now_ms": now_ms,
        "from_ms": from_ms,
        "from_id": from_id,
        "most": limit,
    }


def _claim_loop(desk: Desk, connection: Connection, worker: Worker, candidate: AnyRow) -> str | None:
    """Take one of the loop's slots; None when they are gone. An IntegrityError when the person has one."""
    if connection.execute(_TAKE_SLOT, {"loop": candidate.id}).rowcount == 0:
        return None
    now_ms = desk.clock()
    limit_ms = now_ms + time_limit_seconds(candidate.config) * 1000
    task = secrets.token_urlsafe(24)
    values = {
        "task": task,
        "session_sha256": worker.session,
        "state": "working",
        "accepted_ms": now_ms,
        "limit_ms": limit_ms,
        "lease_expires_ms": limit_ms,
        "decline_reason": None,
        "paused_ms": 0,
        "paused_since_ms": None,
    }
    again = connection.execute(_TAKE_AGAIN, values | {"loop": candidate.id, "worker": worker.id})
    if again.rowcount == 0:
        connection.execute(_TAKE, values | {"loop_id": candidate.id, "worker_id": worker.id})
    return task
