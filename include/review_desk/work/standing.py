"""What a person sees of the queue: how much is waiting, how long it usually takes, what they did last."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select

from include.review_desk.loops import flow_config
from include.review_desk.storage import schema
from include.review_desk.work import task_rows
from include.review_desk.work.assignment import takeable_flows, team_ids

if TYPE_CHECKING:
    from include.review_desk.context import Desk
    from include.review_desk.people.sessions import Worker

# Counting further is not worth its cost.
COUNTED_PER_TEAM = 1000
LATEST = 20
_TYPICAL_OF = 100
# Enough people to measure a large team's pace.
_PEOPLE_ASKED = 50
_DAY_MS = 24 * 3600 * 1000

_loops = schema.human_loops
_assignments = schema.assignments
_flows = schema.flow_definitions


@dataclass(frozen=True)
class FlowQueue:
    """How many loops of one flow definition this person could take now."""

    flow: str
    title: str
    waiting: int


@dataclass(frozen=True)
class Queue:
    """What is waiting for a person; ``more`` says that counting stopped at COUNTED_PER_TEAM.

    ``mine`` is what they hold now, ``answered_today`` counts the UTC day, ``typical_seconds`` is the median
    of their teams' last 100 answers without pauses.
    """

    waiting: int
    more: bool
    mine: int
    answered_today: int
    typical_seconds: float | None
    flows: list[FlowQueue]


@dataclass(frozen=True)
class GivenAnswer:
    """One of a person's own answers; ``seconds`` leaves pauses out."""

    task: str
    loop: str
    flow: str
    title: str
    submitted_ms: int
    seconds: float
    correctable_until_ms: int | None
    corrections: int


def queue(desk: Desk, worker: Worker) -> Queue:
    """Count what this person could take now; costs the same however long the queue is."""
    now_ms = desk.clock()
    waiting: Counter[int] = Counter()
    more = False
    with desk.database.read() as connection:
        teams = team_ids(connection, worker)
        for team_id in teams:
            found = takeable_flows(desk, connection, worker, team_id, limit=COUNTED_PER_TEAM + 1)
            more = more or len(found) > COUNTED_PER_TEAM
            waiting.update(found[:COUNTED_PER_TEAM])
        own = _assignments.c.worker_id == worker.id
        mine = connection.scalar(
            select(func.count()).where(
                own,
                _assignments.c.submitted_ms.is_(None),
                _assignments.c.state == "working",
                _assignments.c.lease_expires_ms > now_ms,
            )
        )
        today = connection.scalar(
            select(func.count()).where(own, _assignments.c.submitted_ms >= now_ms - now_ms % _DAY_MS)
        )
        return Queue(
            waiting=waiting.total(),
            more=more,
            mine=int(mine or 0),
            answered_today=int(today or 0),
            typical_seconds=_typical_seconds(connection, teams),
            flows=_flow_queues(connection, waiting),
        )


def latest_answers(desk: Desk, worker: Worker) -> list[GivenAnswer]:
    """This person's last answers, newest first."""
    now_ms = desk.clock()
    with desk.database.read() as connection:
        rows = task_rows.latest_answered(connection, worker, LATEST)
    return [
        GivenAnswer(
            task=row.task,
            loop=row.loop_name,
            flow=row.flow_name,
            title=flow_config.title(row.config),
            submitted_ms=row.submitted_ms,
            seconds=task_rows.spent_ms(row) / 1000,
            correctable_until_ms=task_rows.correctable_until(row, now_ms),
            corrections=row.corrections,
        )
        for row in rows
    ]


def _flow_queues(connection: Connection, waiting: Counter[int]) -> list[FlowQueue]:
    rows = connection.execute(
        select(_flows.c.id, _flows.c.name, _flows.c.config)
        .where(_flows.c.id.in_(waiting))
        .order_by(_flows.c.name, _flows.c.id)
    )
    return [FlowQueue(row.name, flow_config.title(row.config), waiting[row.id]) for row in rows]


def _typical_seconds(connection: Connection, teams: list[int]) -> float | None:
    """The median over the teams' last answers.

    One query for each person: the index leads to their newest answers, and old ones are not read.
    """
    members = schema.team_members
    people = connection.scalars(
        select(members.c.worker_id).where(members.c.team_id.in_(teams)).distinct().limit(_PEOPLE_ASKED)
    ).all()
    latest = sorted(
        (
            row
            for worker_id in people
            for row in connection.execute(
                select(_assignments.c.submitted_ms, _assignments.c.accepted_ms, _assignments.c.paused_ms)
                .join(_loops, _loops.c.id == _assignments.c.loop_id)
                .where(
                    _assignments.c.worker_id == worker_id,
                    _assignments.c.submitted_ms.is_not(None),
                    _loops.c.team_id.in_(teams),
                )
                .order_by(_assignments.c.submitted_ms.desc())
                .limit(_TYPICAL_OF)
            )
        ),
        key=lambda row: -row.submitted_ms,
    )[:_TYPICAL_OF]
    return statistics.median(task_rows.spent_ms(row) for row in latest) / 1000 if latest else None
