"""How people leave: a team, the lead of one, or the desk with their name.

All of it holds from the next request on: membership is asked for each time (work.task_rows).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, or_, select, update

from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.errors import Forbidden, InvalidRequest
from include.review_desk.people import accounts, teams, workers
from include.review_desk.people.departures import (
    give_back,
    invitations_to_led_teams,
    withdraw_invitations,
)
from include.review_desk.storage import schema
from include.review_desk.storage.locks import lock_person

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from include.review_desk.context import Desk
    from include.review_desk.people.sessions import Worker
    from include.review_desk.storage.database import AnyRow, Database

_workers = schema.workers
_members = schema.team_members
_invitations = schema.invitations


@dataclass(frozen=True)
class Erased:
    """What remains of a person: ``pseudonym`` is the ``workerId`` of their answers in output.json."""

    pseudonym: str
    name: str


def remove_from_team(database: Database, now_ms: int, *, team: str, name: str) -> int:
    """Take a person out of one team; their tasks of it go back, their answers and other teams stay.

    If the person led the team its open invitations are withdrawn: the person could use them to come back.
    A group at the OpenID Connect provider does not bring the person back; ``add_worker`` or an invitation
    does. Returns how many invitations were withdrawn.

    Raises
    ------
    InvalidRequest
        There is no such team or account, or the person is not in the team.
    """
    with database.write() as connection:
        team_id, worker_id = teams.team_id(connection, team), accounts.account(connection, name).id
        return _remove(connection, now_ms, team_id, team, worker_id, name)


def remove_as_lead(desk: Desk, lead: Worker, *, team: str, pseudonym: str) -> str:
    """As ``remove_from_team``, by a lead of the team. Returns the person's name.

    Raises
    ------
    Forbidden
        ``lead`` does not lead this team, or the person leads it: leads are removed by command only.
    InvalidRequest
        The person is not in the team.
    """
    now_ms = desk.clock()
    with desk.database.write() as connection:
        team_id = teams.led_team(connection, lead, team)
        row = connection.execute(
            select(_workers.c.id, _workers.c.name, _members.c.lead)
            .join(_members, _members.c.worker_id == _workers.c.id)
            .where(_workers.c.public_id == pseudonym, _members.c.team_id == team_id)
        ).one_or_none()
        if row is None:
            raise InvalidRequest(f"This person is not in the team {team} any more.")
        if row.lead:
            raise Forbidden(f"{row.name} leads the team {team}: ask the person who runs this desk.")
        _remove(connection, now_ms, team_id, team, row.id, row.name, by=lead.id)
        return str(row.name)


def demote_lead(database: Database, now_ms: int, *, team: str, name: str) -> int:
    """Make a lead an ordinary member of the team.

    The team's open invitations are withdrawn, as the person may know their links. Returns how many.

    Raises
    ------
    InvalidRequest
        There is no such team or account, or the person does not lead the team.
    """
    with database.write() as connection:
        team_id, worker_id = teams.team_id(connection, team), accounts.account(connection, name).id
        lock_person(connection, worker_id)
        mine = (_members.c.team_id == team_id, _members.c.worker_id == worker_id, _members.c.lead)
        if connection.execute(update(_members).where(*mine).values(lead=False)).rowcount == 0:
            raise InvalidRequest(f"{name} does not lead the team {team}: see list-workers.")
        record(connection, now_ms, Action.LEAD_DEMOTED, f"team/{team}", person=worker_id, team=team_id)
        return withdraw_invitations(connection, now_ms, _invitations.c.team_id == team_id)


def erase_worker(database: Database, now_ms: int, name: str) -> Erased:
    """Close an account for good and forget whose it was.

    Name, password, second factor, the identity at the OpenID Connect provider, sessions and teams are
    deleted. Answers stay, under the pseudonym that output.json has called the person by from the start; so
    does the audit trail, which knows people by number and shows the pseudonym from now on.

    Raises
    ------
    InvalidRequest
        There is no account of this name.
    """
    with database.write() as connection:
        return erase(connection, now_ms, accounts.account(connection, name))


def erase(connection: Connection, now_ms: int, row: AnyRow) -> Erased:
    """Erase a person, given by their row of ``workers``, in the transaction of the caller; once."""
    if row.erased_ms is not None:
        return Erased(row.public_id, row.name)
    lock_person(connection, row.id)
    accounts.close(connection, now_ms, row.id)
    for table in (schema.second_factors, schema.recovery_codes, schema.team_exclusions, _members):
        connection.execute(delete(table).where(table.c.worker_id == row.id))
    _forget_invited_name(connection, now_ms, row)
    erased = Erased(row.public_id, _free_name(connection, row.public_id))
    connection.execute(
        update(_workers)
        .where(_workers.c.id == row.id)
        .values(name=erased.name, password_hash=None, oidc_issuer=None, oidc_subject=None, erased_ms=now_ms)
    )
    record(connection, now_ms, Action.NAME_ERASED, person=row.id)
    return erased


def _remove(
    connection: Connection,
    now_ms: int,
    team_id: int,
    team: str,
    worker_id: int,
    name: str,
    *,
    by: int | None = None,
) -> int:
    lock_person(connection, worker_id)
    led = invitations_to_led_teams(worker_id) & (_invitations.c.team_id == team_id)
    withdrawn = withdraw_invitations(connection, now_ms, led, by=by)
    mine = (_members.c.team_id == team_id, _members.c.worker_id == worker_id)
    if connection.execute(delete(_members).where(*mine)).rowcount == 0:
        raise InvalidRequest(f"{name} is not in the team {team}: see list-workers.")
    connection.execute(
        insert(schema.team_exclusions).values(team_id=team_id, worker_id=worker_id, created_ms=now_ms)
    )
    give_back(connection, now_ms, worker_id, [team_id])
    record(connection, now_ms, Action.MEMBER_REMOVED, f"team/{team}", by=by, person=worker_id, team=team_id)
    return withdrawn


def _forget_invited_name(connection: Connection, now_ms: int, row: AnyRow) -> None:
    """Take the name out of the invitations that were made for it."""
    named: ColumnElement[bool] = _invitations.c.name == row.name
    withdraw_invitations(connection, now_ms, named)
    mine = or_(named, _invitations.c.worker_id == row.id)
    connection.execute(update(_invitations).where(mine).values(name=None))


def _free_name(connection: Connection, pseudonym: str) -> str:
    name = f"{workers.ERASED}{pseudonym}"
    taken = select(_workers.c.id).where(_workers.c.name == name)
    return name if connection.scalar(taken) is None else f"{name}-{secrets.token_hex(4)}"
