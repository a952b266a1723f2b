"""A team's work over the last days, for its lead.

Days are UTC days. An answer counts on the day it was submitted (of a corrected one: last submitted), a
declined or unfinished task on the day it was taken, an expired loop on the day it expired. A person who takes
a task again that ran out is counted by its final result.
"""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, func, select, text

from include.review_desk.clock import as_datetime
from include.review_desk.loops.flow_config import MAX_SECONDS
from include.review_desk.loops.status import FAILED
from include.review_desk.storage import schema
from include.review_desk.work.box_edits import BoxEdits
from include.review_desk.work.task_rows import spent_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from include.review_desk.context import Desk
    from include.review_desk.storage.database import AnyRow

DAY_MS = 24 * 3600 * 1000
MAX_DAYS = 366

_loops = schema.human_loops
_assignments = schema.assignments
_workers = schema.workers


@dataclass(frozen=True)
class Pace:
    """Seconds from acceptance to submission, pauses left out; None without answers."""

    median_seconds: float | None
    p90_seconds: float | None


@dataclass(frozen=True)
class ModelBoxes:
    """What became of the boxes that the model drew (work.box_edits), over ``images`` answers that had some.

    Shares are of the model's boxes, 0 to 1; ``added_per_100`` are boxes of people for each 100 of the
    model's. None where the model drew no box.
    """

    images: int
    drawn: int
    accepted: float | None
    moved: float | None
    relabelled: float | None
    removed: float | None
    added_per_100: float | None


@dataclass(frozen=True)
class PersonWork:
    """One person's work; ``by_day`` are answers, the oldest day first."""

    name: str
    done: int
    in_work: int
    declined: int
    ran_out: int
    handed_back: int
    corrected: int
    pace: Pace
    boxes: ModelBoxes
    by_day: list[int]


@dataclass(frozen=True)
class DayWork:
    """One UTC day (``YYYY-MM-DD``) of the team."""

    day: str
    done: int
    declined: int
    ran_out: int
    expired: int
    pace: Pace


@dataclass(frozen=True)
class TeamWork:
    """A team's queue now, and its work since the first of ``days`` UTC days, of which today is the last.

    ``waiting`` counts loops that can still be taken, ``in_work`` tasks that people hold, ``expired`` loops
    whose time passed without all their answers, ``ran_out`` tasks that were taken but not finished in time.
    """

    since: str
    days: int
    waiting: int
    oldest_waiting_ms: int | None
    in_work: int
    done: int
    declined: int
    ran_out: int
    handed_back: int
    expired: int
    corrected: int
    pace: Pace
    boxes: ModelBoxes
    people: list[PersonWork]
    by_day: list[DayWork]


def team_work(desk: Desk, team_id: int, days: int) -> TeamWork:
    """The numbers of one team; ``days`` from 1 to MAX_DAYS."""
    now_ms = desk.clock()
    first_day = now_ms // DAY_MS - days + 1
    with desk.database.read() as connection:
        waiting, oldest_ms = connection.execute(
            # A loop that cannot be taken any more has no open slots: the partial index is enough.
            select(func.count(), func.min(_loops.c.created_ms)).where(
                text("human_loops.open_slots > 0"), _loops.c.team_id == team_id
            )
        ).one()
        answered = connection.execute(_answered(team_id, first_day * DAY_MS)).all()
        left = [
            row for row in connection.execute(_unanswered(team_id)) if _still_counts(row, first_day * DAY_MS)
        ]
        expired = _expired_days(connection, team_id, first_day * DAY_MS)
        names = _names(connection, {row.worker_id for row in [*answered, *left]})
    fates = Counter(row.state for row in left)
    return TeamWork(
        since=_date(first_day),
        days=days,
        waiting=waiting,
        oldest_waiting_ms=oldest_ms,
        in_work=fates["working"],
        done=len(answered),
        declined=fates["declined"],
        ran_out=fates["expired"],
        handed_back=fates["returned"],
        expired=expired.total(),
        corrected=sum(row.corrections > 0 for row in answered),
        pace=_pace(answered),
        boxes=_model_boxes(answered),
        people=_people(names, answered, left, first_day, days),
        by_day=_days(answered, left, expired, first_day, days),
    )


def _answered(team_id: int, since_ms: int) -> Select[*tuple[Any, ...]]:
    """Answers of the period; named by person, so that the index on person and submission is used."""
    return (
        select(
            _assignments.c.worker_id,
            _assignments.c.accepted_ms,
            _assignments.c.submitted_ms,
            _assignments.c.paused_ms,
            _assignments.c.corrections,
            _assignments.c.edits,
        )
        .join(_loops, _loops.c.id == _assignments.c.loop_id)
        .where(
            _assignments.c.worker_id.in_(select(_workers.c.id)),
            _assignments.c.submitted_ms >= since_ms,
            _loops.c.team_id == team_id,
        )
    )


def _unanswered(team_id: int) -> Select[*tuple[Any, ...]]:
    return (
        select(_assignments.c.worker_id, _assignments.c.accepted_ms, _assignments.c.state)
        .join(_loops, _loops.c.id == _assignments.c.loop_id)
        .where(
            _assignments.c.worker_id.in_(select(_workers.c.id)),
            _assignments.c.submitted_ms.is_(None),
            _loops.c.team_id == team_id,
        )
    )


def _still_counts(row: AnyRow, since_ms: int) -> bool:
    return bool(row.state == "working" or row.accepted_ms >= since_ms)


def _expired_days(connection: Connection, team_id: int, since_ms: int) -> Counter[int]:
    """How many loops expired on which day (days since 1970)."""
    flows = schema.flow_definitions
    names = select(flows.c.name).where(flows.c.team_id == team_id)
    ended = connection.scalars(
        select(_loops.c.ended_ms).where(
            _loops.c.flow_name.in_(names),
            # No loop lives longer: with this condition the index on flow and creation skips all older ones.
            _loops.c.created_ms >= since_ms - 2 * MAX_SECONDS * 1000,
            _loops.c.team_id == team_id,
            _loops.c.status == FAILED,
            _loops.c.failure_code == "Expired",
            _loops.c.ended_ms >= since_ms,
        )
    )
    return Counter(ended_ms // DAY_MS for ended_ms in ended)


def _names(connection: Connection, ids: set[int]) -> dict[int, str]:
    rows = connection.execute(select(_workers.c.id, _workers.c.name).where(_workers.c.id.in_(ids)))
    return {row.id: row.name for row in rows}


def _people(
    names: dict[int, str], answered: Sequence[AnyRow], left: Sequence[AnyRow], first_day: int, days: int
) -> list[PersonWork]:
    """Everyone who did something, the most answers first."""
    answers: defaultdict[int, list[AnyRow]] = defaultdict(list)
    fates: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for row in answered:
        answers[row.worker_id].append(row)
    for row in left:
        fates[row.worker_id][row.state] += 1
    people = []
    for worker_id, name in names.items():
        own, fate = answers[worker_id], fates[worker_id]
        per_day = Counter(row.submitted_ms // DAY_MS for row in own)
        people.append(
            PersonWork(
                name=name,
                done=len(own),
                in_work=fate["working"],
                declined=fate["declined"],
                ran_out=fate["expired"],
                handed_back=fate["returned"],
                corrected=sum(row.corrections > 0 for row in own),
                pace=_pace(own),
                boxes=_model_boxes(own),
                by_day=[per_day[day] for day in range(first_day, first_day + days)],
            )
        )
    return sorted(people, key=lambda person: (-person.done, person.name))


def _days(
    answered: Sequence[AnyRow],
    left: Sequence[AnyRow],
    expired: Counter[int],
    first_day: int,
    days: int,
) -> list[DayWork]:
    """Every day of the period, the oldest first."""
    answers: defaultdict[int, list[AnyRow]] = defaultdict(list)
    for row in answered:
        answers[row.submitted_ms // DAY_MS].append(row)
    fates = Counter((row.accepted_ms // DAY_MS, row.state) for row in left)
    return [
        DayWork(
            day=_date(day),
            done=len(answers[day]),
            declined=fates[day, "declined"],
            ran_out=fates[day, "expired"],
            expired=expired[day],
            pace=_pace(answers[day]),
        )
        for day in range(first_day, first_day + days)
    ]


def _pace(answered: Iterable[AnyRow]) -> Pace:
    """Median, and the time that nine of ten answers kept within (nearest rank)."""
    spent = sorted(spent_ms(row) for row in answered)
    if not spent:
        return Pace(None, None)
    p90 = spent[math.ceil(0.9 * len(spent)) - 1]
    return Pace(statistics.median(spent) / 1000, p90 / 1000)


def _model_boxes(answered: Iterable[AnyRow]) -> ModelBoxes:
    # Few of these texts differ: each is parsed once.
    texts = Counter(row.edits for row in answered if row.edits is not None)
    totals: Counter[str] = Counter()
    for edits, times in texts.items():
        totals.update({fate: count * times for fate, count in json.loads(edits).items()})
    fates = asdict(BoxEdits()) | totals
    added = fates.pop("added")
    drawn = sum(fates.values())
    return ModelBoxes(
        images=texts.total(),
        drawn=drawn,
        added_per_100=100 * added / drawn if drawn else None,
        **{fate: count / drawn if drawn else None for fate, count in fates.items()},
    )


def _date(day: int) -> str:
    return f"{as_datetime(day * DAY_MS):%Y-%m-%d}"
