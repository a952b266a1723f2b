"""A desk's database with as much in it as a test wants, put there in bulk: loops, people, answers."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from include.review_desk.storage import schema
from tests.support.desk import input_content

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from include.review_desk.storage.database import Database
    from tests.support.desk import Flow

DAY_MS = 24 * 3600 * 1000


def add_people(database: Database, now_ms: int, names: list[str]) -> list[int]:
    """People who cannot sign in, only have worked; their ids."""
    rows = [
        {"name": name, "public_id": uuid.uuid4().hex[:16], "subject": str(uuid.uuid4()), "created_ms": now_ms}
        for name in names
    ]
    with database.write() as connection:
        connection.execute(insert(schema.workers), rows)
        known = connection.execute(
            select(schema.workers.c.name, schema.workers.c.id).where(schema.workers.c.name.in_(names))
        )
        ids = {row.name: row.id for row in known}
    return [ids[name] for name in names]


def person_id(database: Database, name: str) -> int:
    """The id of an account."""
    with database.read() as connection:
        return int(connection.scalar(select(schema.workers.c.id).where(schema.workers.c.name == name)) or 0)


def add_loops(database: Database, flow: Flow, count: int, **values: Any) -> list[int]:
    """Loops of a flow, open unless ``values`` say otherwise; their ids, the oldest first."""
    flows, uis = schema.flow_definitions, schema.human_task_uis
    with database.write() as connection:
        row = connection.execute(select(flows).where(flows.c.name == flow.name)).one()
        sha256 = connection.scalar(select(uis.c.template_sha256).where(uis.c.name == flow.ui))
        first = {
            "flow_id": row.id,
            "flow_name": row.name,
            "team_id": row.team_id,
            "template_sha256": sha256,
            "input_content": input_content(),
            "data_attributes": "null",
            "output_uri": "s3://review-desk-tests/unused.json",
            "task_count": 1,
            "open_slots": 1,
            "answers": 0,
            "status": "InProgress",
            "created_ms": 1_600_000_000_000,
            "available_until_ms": 4_000_000_000_000,
        } | values
        names = [f"filled-{uuid.uuid4().hex}" for _ in range(count)]
        connection.execute(
            insert(schema.human_loops), [first | {"name": name, "live_name": name} for name in names]
        )
        return _ids(connection, row.id, count)


def _ids(connection: Connection, flow_id: int, count: int) -> list[int]:
    loops = schema.human_loops
    latest = select(loops.c.id).where(loops.c.flow_id == flow_id).order_by(loops.c.id.desc()).limit(count)
    return sorted(connection.scalars(latest))


def assignment(loop_id: int, worker_id: int, accepted_ms: int, **values: Any) -> dict[str, Any]:
    """An answer a minute after acceptance, unless ``values`` say otherwise."""
    return {
        "task": uuid.uuid4().hex,
        "loop_id": loop_id,
        "worker_id": worker_id,
        "session_sha256": "none",
        "state": "answered",
        "accepted_ms": accepted_ms,
        "limit_ms": accepted_ms + 3_600_000,
        "lease_expires_ms": accepted_ms + 60_000,
        "submitted_ms": accepted_ms + 60_000,
        "answer": "{}",
        "paused_ms": 0,
        "corrections": 0,
        "edits": None,
    } | values


def add_assignments(database: Database, rows: list[dict[str, Any]]) -> None:
    """Write them all."""
    with database.write() as connection:
        connection.execute(insert(schema.assignments), rows)


def edits(**counts: int) -> str:
    """What the desk notes of the model's boxes."""
    fates = ("accepted", "moved", "relabelled", "removed", "added")
    return json.dumps({fate: counts.get(fate, 0) for fate in fates})
