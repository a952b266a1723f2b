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

from include.review_desk.errors import InvalidRequest
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from collections.abc import Collection

    from include.review_desk.context import Desk
    from include.review_desk.people.sessions import Worker

_teams = schema.workteams
_members = schema.team_members


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


def ensure_member(connection: Connection, team_id: int, worker_id: int, *, lead: bool = False) -> None:
    """Put a person into a team for good, whatever a token says later. ``lead`` is given, never taken."""
    values = {"by_group": False} | ({"lead": True} if lead else {})
    known = connection.execute(
        update(_members)
        .where(_members.c.team_id == team_id, _members.c.worker_id == worker_id)
        .values(values)
    )
    if known.rowcount == 0:
        connection.execute(insert(_members).values(team_id=team_id, worker_id=worker_id, lead=lead))


def follow_groups(connection: Connection, worker_id: int, groups: Collection[str]) -> None:
    """Sync a person's teams with these groups; memberships given by other means stay."""
    rows = connection.execute(select(_teams.c.id, _teams.c.settings))
    wanted = {row.id for row in rows if oidc_groups(row.settings) & set(groups)}
    present = set(
        connection.scalars(select(_members.c.team_id).where(_members.c.worker_id == worker_id)).all()
    )
    for team_id in sorted(wanted - present):
        connection.execute(insert(_members).values(team_id=team_id, worker_id=worker_id, by_group=True))
    connection.execute(
        delete(_members).where(
            _members.c.worker_id == worker_id,
            _members.c.by_group,
            _members.c.team_id.not_in(wanted),
        )
    )


def oidc_groups(settings: str) -> set[str]:
    """The groups that bring people into a team, of its ``settings``."""
    definitions = json.loads(settings).get("MemberDefinitions", [])
    return {
        group
        for definition in definitions
        for group in definition.get("OidcMemberDefinition", {}).get("Groups", [])
    }
