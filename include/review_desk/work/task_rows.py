"""An assignment as the database has it, and what follows from its row alone."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Connection, Select, and_, bindparam, case, exists, select

from include.review_desk.errors import MissingTask, RenderFailure, TaskGone
from include.review_desk.loops.status import IN_PROGRESS, STOPPING
from include.review_desk.storage import prefixes, schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from include.review_desk.context import Desk
    from include.review_desk.people.sessions import Worker
    from include.review_desk.storage.database import AnyRow
    from include.review_desk.worker_templates.rendering import Page

_loops = schema.human_loops
_assignments = schema.assignments
_flows = schema.flow_definitions
_outbox = schema.outbox
_members = schema.team_members

# Links to images outlive the task by this much, so that none dies under the last answer.
_LINK_MARGIN_SECONDS = 60

NOW = bindparam("now_ms", type_=BigInteger())
"""The desk's clock, as a parameter of statements."""

IS_WORKING = and_(
    _assignments.c.id == bindparam("assignment"),
    _assignments.c.state == "working",
    _assignments.c.lease_expires_ms > NOW,
)
"""A person holds the ``assignment``, and its lease has not ended by ``now_ms``."""

ALL_PAUSES_MS = _assignments.c.paused_ms + case(
    (_assignments.c.paused_since_ms < NOW, NOW - _assignments.c.paused_since_ms), else_=0
)
"""All pauses in milliseconds, the present one taken as ending at ``now_ms``."""

IN_TEAM = exists().where(
    _members.c.team_id == _loops.c.team_id, _members.c.worker_id == _assignments.c.worker_id
)
"""The person of an assignment is in the team of its loop, now."""

_STATE = (
    select(
        _assignments,
        _loops.c.name.label("loop_name"),
        _loops.c.flow_name,
        _loops.c.team_id,
        _loops.c.status,
        _loops.c.available_until_ms,
        _flows.c.config,
        _outbox.c.attempts.label("output_attempts"),
        _outbox.c.next_attempt_ms.label("output_due_ms"),
    )
    .join(_loops, _loops.c.id == _assignments.c.loop_id)
    .join(_flows, _flows.c.id == _loops.c.flow_id)
    .outerjoin(_outbox, _outbox.c.loop_id == _assignments.c.loop_id)
    # Asked again each time: who has left a team sees nothing more of its images.
    .where(IN_TEAM)
)
_IS_MINE = and_(_assignments.c.task == bindparam("task"), _assignments.c.worker_id == bindparam("worker"))
_MINE = _STATE.where(_IS_MINE)
_MY_PAGE = _MINE.add_columns(
    _loops.c.input_content, _loops.c.read_prefixes, schema.templates.c.content.label("template")
).join(schema.templates, schema.templates.c.sha256 == _loops.c.template_sha256)
# As storage.locks does it.
_LOCK_MY_LOOP = (
    select(_loops.c.id)
    .where(_loops.c.id == select(_assignments.c.loop_id).where(_IS_MINE).scalar_subquery())
    .with_for_update(key_share=True)
)
_MY_LATEST = (
    _STATE.where(_assignments.c.worker_id == bindparam("worker"), _assignments.c.submitted_ms.is_not(None))
    .order_by(_assignments.c.submitted_ms.desc(), _assignments.c.id.desc())
    .limit(bindparam("most"))
)


def find_row(connection: Connection, worker: Worker, task: str) -> AnyRow:
    """The assignment with its loop's state, if it is this person's and they are still in the loop's team.

    Raises
    ------
    MissingTask
    """
    return _one(connection, _MINE, worker, task)


def lock_row(connection: Connection, worker: Worker, task: str) -> AnyRow:
    """As ``find_row``, with the assignment and its loop locked until the transaction ends.

    Raises
    ------
    MissingTask
    """
    connection.execute(_LOCK_MY_LOOP, {"task": task, "worker": worker.id})
    return find_row(connection, worker, task)


def find_page(connection: Connection, worker: Worker, task: str) -> AnyRow:
    """As ``find_row``, with all that the task's page is made of: input and template may be large.

    Raises
    ------
    MissingTask
    """
    return _one(connection, _MY_PAGE, worker, task)


def latest_answered(connection: Connection, worker: Worker, limit: int) -> Sequence[AnyRow]:
    """This person's last answers with their loops' states, newest first."""
    return connection.execute(_MY_LATEST, {"worker": worker.id, "most": limit}).all()


def render(desk: Desk, row: AnyRow, *, seconds: int) -> Page:
    """The page made of ``row.template`` and ``row.input_content``; links live for a task of ``seconds`` and
    lead to ``row.read_prefixes`` only."""
    with _rendered_before(row):
        return desk.renderer.page(
            row.template,
            json.loads(row.input_content),
            link_seconds=seconds + _LINK_MARGIN_SECONDS,
            reads=prefixes.loaded(row.read_prefixes),
        )


def render_to_check(desk: Desk, row: AnyRow) -> str:
    """The page without links: an answer is checked and saved whatever has become of S3."""
    with _rendered_before(row):
        return desk.renderer.render_unlinked(row.template, json.loads(row.input_content))


@contextlib.contextmanager
def _rendered_before(row: AnyRow) -> Iterator[None]:
    try:
        yield
    except RenderFailure as failure:
        # It rendered when the loop started, and neither template nor input can change since.
        raise RuntimeError(
            f"The loop {row.loop_name} does not render any more: {failure.message}"
        ) from failure


def limit_seconds(row: AnyRow) -> int:
    """How long the person has for the task in all."""
    return int((row.limit_ms - row.accepted_ms) // 1000)


def spent_ms(row: AnyRow) -> int:
    """From acceptance to submission without the pauses; of rows that were submitted."""
    return max(0, int(row.submitted_ms - row.accepted_ms - row.paused_ms))


def correctable_until(row: AnyRow, now_ms: int) -> int | None:
    """Until when this answer can be corrected, or None once it is final.

    It is final when its time limit has passed, or as soon as the output is due or has been sent to S3. While
    other people's answers are missing, the last of them may make it final sooner than returned here, but
    never before the hold that the answer itself asked for.
    """
    if row.state != "answered" or row.status not in (IN_PROGRESS, STOPPING):
        return None
    if row.output_attempts is None:
        end_ms = row.available_until_ms
    else:
        end_ms = row.output_due_ms if row.output_attempts == 0 else now_ms
    end_ms = min(end_ms, row.limit_ms)
    return int(end_ms) if end_ms > now_ms else None


def gone(state: str, task: str) -> TaskGone:
    """Why the task can no longer be worked on, in one sentence."""
    why = {
        "answered": "was answered already",
        "declined": "was declined",
        "expired": "ran out of time and was given back",
        "returned": "was handed back",
        "withdrawn": "was withdrawn",
    }
    return TaskGone(f"The task {task} {why.get(state, 'is not open any more')}: ask for the next one.")


def _one(connection: Connection, query: Select[*tuple[Any, ...]], worker: Worker, task: str) -> AnyRow:
    row = connection.execute(query, {"task": task, "worker": worker.id}).one_or_none()
    if row is None:
        raise MissingTask(f"You have no task {task[:64]}.")
    return row
