"""Who is in which team, and who leads it.

A person is in a team because a command or an invitation says so, or because the OpenID Connect token of the
last sign-in has one of the team's groups (MemberDefinitions of CreateWorkteam, OidcMemberDefinition.Groups).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.errors import Forbidden, InvalidRequest
from include.review_desk.people.departures import give_back
from include.review_desk.storage import schema
from include.review_desk.storage.locks import lock_person

if TYPE_CHECKING:
    from collections.abc import Collection

    from include.review_desk.context import Desk
    from include.review_desk.people.sessions import Worker

_teams = schema.workteams
_members = schema.team_members
_exclusions = schema.team_exclusions


@dataclass(frozen=True)
class Member:
    """A person of a team, as its leads see them. ``pseudonym`` names the person in forms."""

    name: str
    pseudonym: str
    lead: bool
    by_group: bool
    closed: bool


@dataclass(frozen=True)
class Membership:
    """A team that a person is in."""

    team_id: int
    team: str
    lead: bool


def memberships(desk: Desk, worker: Worker) -> list[Membership]:
    """The teams of a person, by name."""
    query = (
        select(_teams.c.id, _teams.c.name, _members.c.lead)
        .join(_members, _members.c.team_id == _teams.c.id)
        .where(_members.c.worker_id == worker.id)
        .order_by(_teams.c.name)
    )
    with desk.database.read() as connection:
        return [Membership(row.id, row.name, row.lead) for row in connection.execute(query)]


def check_team_name(team: str) -> None:
    """Raise InvalidRequest for a name that CreateWorkteam would refuse."""
    plain = team.replace("-", "")
    if not (plain.isascii() and plain.isalnum()) or len(team) > 63 or team[0] == "-" or team[-1] == "-":
        raise InvalidRequest(
            f"The team name {team!r} must be 1 to 63 letters, digits and hyphens, with no hyphen at its ends."
        )


def ensure_team(connection: Connection, name: str, now_ms: int) -> int:
    """The team's id; the team is made when missing, its group named like itself.

    On PostgreSQL others may make it at the same moment: their row is used then, as ON CONFLICT waits for it.
    """
    known = select(_teams.c.id).where(_teams.c.name == name)
    team_id = connection.scalar(known)
    if team_id is not None:
        return int(team_id)
    settings = {"MemberDefinitions": [{"OidcMemberDefinition": {"Groups": [name]}}]}
    insert_into = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(
        insert_into(_teams)
        .values(
            name=name,
            description=f"Reviewers of the team {name}",
            settings=json.dumps(settings),
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        .on_conflict_do_nothing()
    )
    return int(connection.execute(known).scalar_one())


def ensure_member(
    connection: Connection, now_ms: int, team_id: int, worker_id: int, *, lead: bool = False
) -> None:
    """Put a person into a team for good, whatever a token says later. ``lead`` is given, never taken."""
    mine = (_members.c.team_id == team_id, _members.c.worker_id == worker_id)
    connection.execute(
        delete(_exclusions).where(_exclusions.c.team_id == team_id, _exclusions.c.worker_id == worker_id)
    )
    row = connection.execute(select(_members.c.lead).where(*mine)).one_or_none()
    if row is None:
        _insert_member(connection, now_ms, team_id, worker_id, lead=lead)
    else:
        connection.execute(update(_members).where(*mine).values(by_group=False, lead=row.lead or lead))
    if lead and (row is None or not row.lead):
        on = f"team/{_name(connection, team_id)}"
        record(connection, now_ms, Action.LEAD_MADE, on, person=worker_id, team=team_id)


def follow_groups(connection: Connection, now_ms: int, worker_id: int, groups: Collection[str]) -> None:
    """Sync a person's teams with these groups.

    Memberships given by other means stay, and the person does not come back to a team that they were taken
    out of. Tasks of teams that end go back.
    """
    if not lock_person(connection, worker_id):
        # Closed at this moment: a session begins, but no request is answered.
        return
    rows = connection.execute(select(_teams.c.id, _teams.c.settings))
    wanted = {row.id for row in rows if oidc_groups(row.settings) & set(groups)}
    wanted -= set(
        connection.scalars(select(_exclusions.c.team_id).where(_exclusions.c.worker_id == worker_id))
    )
    mine = _members.c.worker_id == worker_id
    present = {row.team_id: row.by_group for row in connection.execute(select(_members).where(mine))}
    for team_id in sorted(wanted - present.keys()):
        _insert_member(connection, now_ms, team_id, worker_id, by_group=True)
    over = sorted(team_id for team_id, by_group in present.items() if by_group and team_id not in wanted)
    if not over:
        return
    connection.execute(delete(_members).where(mine, _members.c.by_group, _members.c.team_id.in_(over)))
    give_back(connection, now_ms, worker_id, over)
    for team_id in over:
        on = f"team/{_name(connection, team_id)}"
        record(connection, now_ms, Action.MEMBER_REMOVED, on, person=worker_id, team=team_id)


def team_id(connection: Connection, team: str) -> int:
    """The id of the team with this name.

    Raises
    ------
    InvalidRequest
        There is none.
    """
    found = connection.scalar(select(_teams.c.id).where(_teams.c.name == team))
    if found is None:
        raise InvalidRequest(f"There is no team {team[:63]!r}: list-workers shows them.")
    return int(found)


def members_of(connection: Connection, team_id: int) -> list[Member]:
    """The people of a team by name, leads first."""
    workers = schema.workers
    query = (
        select(workers, _members.c.lead, _members.c.by_group)
        .join(_members, _members.c.worker_id == workers.c.id)
        .where(_members.c.team_id == team_id)
        .order_by(_members.c.lead.desc(), workers.c.name)
    )
    return [
        Member(row.name, row.public_id, row.lead, row.by_group, row.disabled_ms is not None)
        for row in connection.execute(query)
    ]


def led_team(connection: Connection, worker: Worker, team: str) -> int:
    """The id of a team that this person leads.

    Raises
    ------
    Forbidden
        The person does not lead it, or there is none of this name.
    """
    team_id = connection.scalar(
        select(_teams.c.id)
        .join(_members, _members.c.team_id == _teams.c.id)
        .where(_teams.c.name == team, _members.c.worker_id == worker.id, _members.c.lead)
    )
    if team_id is None:
        raise Forbidden(f"You do not lead the team {team[:63]!r}: this is for those who do.")
    return int(team_id)


def _insert_member(connection: Connection, now_ms: int, team_id: int, worker_id: int, **values: bool) -> None:
    connection.execute(insert(_members).values(team_id=team_id, worker_id=worker_id, **values))
    on = f"team/{_name(connection, team_id)}"
    record(connection, now_ms, Action.MEMBER_ADDED, on, person=worker_id, team=team_id)


def _name(connection: Connection, team_id: int) -> str:
    return str(connection.scalar(select(_teams.c.name).where(_teams.c.id == team_id)))


def oidc_groups(settings: str) -> set[str]:
    """The groups that bring people into a team, of its ``settings``."""
    definitions = json.loads(settings).get("MemberDefinitions", [])
    return {
        group
        for definition in definitions
        for group in definition.get("OidcMemberDefinition", {}).get("Groups", [])
    }
