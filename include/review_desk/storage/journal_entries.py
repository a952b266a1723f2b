"""What the journal keeps of loops, answers and acts. Rows name each other as programs and people do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from include.review_desk.storage import schema
from include.review_desk.storage.journal import is_kept, note

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

LOOP, ANSWER, ACT = "loop", "answer", "act"
RESTORED = "restored"
"""The database was restored: ids in acts after it are those of another one."""

_loops = schema.human_loops
_flows = schema.flow_definitions
_teams = schema.workteams
_assignments = schema.assignments
_workers = schema.workers


def note_loop(connection: Connection, loop_id: int) -> None:
    """Keep a loop that was started, with its flow definition and worker template."""
    if not is_kept(connection):
        return
    loop = _row(connection, _loops, loop_id)
    flow = _row(connection, _flows, loop.pop("flow_id"))
    team = connection.scalar(select(_teams.c.name).where(_teams.c.id == loop.pop("team_id")))
    template = connection.scalar(
        select(schema.templates.c.content).where(schema.templates.c.sha256 == loop["template_sha256"])
    )
    del flow["team_id"]
    note(connection, {"kind": LOOP, "loop": loop, "flow": flow, "team": team, "template": template})


def note_answer(connection: Connection, assignment_id: int) -> None:
    """Keep an answer, as it is now, and who gave it, as output.json calls the person."""
    if not is_kept(connection):
        return
    answer = _row(connection, _assignments, assignment_id)
    loop = connection.execute(
        select(_loops.c.name, _loops.c.created_ms).where(_loops.c.id == answer.pop("loop_id"))
    ).one()
    worker = connection.execute(
        select(_workers.c.public_id, _workers.c.subject).where(_workers.c.id == answer.pop("worker_id"))
    ).one()
    # Sessions do not outlive a restore.
    del answer["session_sha256"]
    note(
        connection,
        {"kind": ANSWER, "loop": loop._asdict(), "worker": worker._asdict(), "answer": answer},
    )


def note_act(connection: Connection, act: dict[str, Any]) -> None:
    """Keep a row of the audit trail; ids in it are those of the database."""
    note(connection, {"kind": ACT, "act": act})


def _row(connection: Connection, table: Table, row_id: int) -> dict[str, Any]:
    row = dict(connection.execute(select(table).where(table.c.id == row_id)).mappings().one())
    del row["id"]
    return row
