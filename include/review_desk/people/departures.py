"""What happens to a person's tasks and invitations when they leave a team or the desk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update

from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement, Connection

ID_CHARACTERS = 12
"""How much of an invitation's hash people see: enough to name it, of no use to open it."""

_assignments = schema.assignments
_invitations = schema.invitations


def give_back(
    connection: Connection, now_ms: int, worker_id: int, team_ids: Collection[int] | None = None
) -> None:
    """End the time of the tasks that this person holds: of these teams, or all.

    A running desk gives back tasks whose time is over within a second, a stopped one when it starts. The
    caller has locked the person (storage.locks).
    """
    held = [_assignments.c.worker_id == worker_id, _assignments.c.state == "working"]
    if team_ids is not None:
        loops = schema.human_loops
        held.append(_assignments.c.loop_id.in_(select(loops.c.id).where(loops.c.team_id.in_(team_ids))))
    connection.execute(update(_assignments).where(*held).values(lease_expires_ms=now_ms))


def withdraw_invitations(
    connection: Connection, now_ms: int, *which: ColumnElement[bool], by: int | None = None
) -> int:
    """Withdraw the open invitations that fulfil all of ``which``; returns how many there were."""
    open_ones = (_invitations.c.used_ms.is_(None), _invitations.c.expires_ms > now_ms, *which)
    query = select(_invitations.c.token_sha256, _invitations.c.team_id).where(*open_ones)
    withdrawn = 0
    for row in connection.execute(query.order_by(_invitations.c.created_ms)).all():
        mine = (_invitations.c.token_sha256 == row.token_sha256, _invitations.c.used_ms.is_(None))
        if connection.execute(delete(_invitations).where(*mine)).rowcount:
            on = f"invitation/{row.token_sha256[:ID_CHARACTERS]}"
            record(connection, now_ms, Action.INVITATION_WITHDRAWN, on, by=by, team=row.team_id)
            withdrawn += 1
    return withdrawn


def invitations_to_led_teams(worker_id: int) -> ColumnElement[bool]:
    """Invitations to the teams that this person leads: the person may know their links."""
    members = schema.team_members
    led = select(members.c.team_id).where(members.c.worker_id == worker_id, members.c.lead)
    return _invitations.c.team_id.in_(led)
