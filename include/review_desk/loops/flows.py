"""Deleting a flow definition: its loops are stopped first, and people may finish what they work on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, exists, select, update

from include.review_desk.loops import lifecycle
from include.review_desk.loops.status import IN_PROGRESS, STOPPED, STOPPING
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from include.review_desk.context import Desk

ACTIVE = "Active"
DELETING = "Deleting"

_flows = schema.flow_definitions
_loops = schema.human_loops


def begin_deletion(desk: Desk, connection: Connection, flow_id: int, now_ms: int) -> None:
    """Stop the flow definition's loops and delete those that no one is working on.

    If none is left the flow definition's name is free at once, otherwise ``finish_deletions`` frees it. The
    caller has locked its row.
    """
    connection.execute(update(_flows).where(_flows.c.id == flow_id).values(status=DELETING))
    of_flow = _loops.c.flow_id == flow_id
    in_progress = connection.scalars(select(_loops.c.id).where(of_flow, _loops.c.status == IN_PROGRESS)).all()
    for loop_id in in_progress:
        lifecycle.close(desk, connection, loop_id, now_ms)
    connection.execute(
        update(_loops)
        .where(of_flow, _loops.c.id.in_(in_progress), _loops.c.status == STOPPED)
        .values(live_name=None, deleted_ms=now_ms)
    )
    unfinished = select(_loops.c.id).where(of_flow, _loops.c.status.in_((IN_PROGRESS, STOPPING)))
    if connection.execute(unfinished.limit(1)).first() is None:
        connection.execute(update(_flows).where(_flows.c.id == flow_id).values(live_name=None))


def finish_deletions(desk: Desk) -> None:
    """Free the names of flow definitions whose last loops have ended."""
    unfinished = exists().where(_loops.c.flow_id == _flows.c.id, _loops.c.status.in_((IN_PROGRESS, STOPPING)))
    query = select(_flows.c.id).where(
        _flows.c.status == DELETING, _flows.c.live_name.is_not(None), ~unfinished
    )
    with desk.database.read() as connection:
        finished = connection.scalars(query).all()
    for flow_id in finished:
        with desk.database.write() as connection:
            connection.execute(update(_flows).where(_flows.c.id == flow_id).values(live_name=None))
