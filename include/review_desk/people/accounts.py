"""Closing accounts and listing them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update

from include.review_desk.errors import InvalidRequest
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from include.review_desk.storage.database import Database


@dataclass(frozen=True)
class Account:
    """One person; ``teams`` are names, those the person leads with a star after them."""

    name: str
    teams: tuple[str, ...]
    single_sign_on: bool
    created_ms: int
    disabled_ms: int | None


@dataclass(frozen=True)
class Closed:
    """What closing an account changed: whether it was open, how many invitations are withdrawn."""

    was_open: bool
    withdrawn: int


def remove_worker(database: Database, now_ms: int, name: str) -> Closed:
    """Close an account: its sessions end, the tasks it holds go back, its answers stay.

    Open invitations to teams that the person led are withdrawn: the person could use them to come back.
    ``add_worker`` opens the account again.

    Raises
    ------
    InvalidRequest
        There is no account of this name.
    """
    workers, assignments = schema.workers, schema.assignments
    members, invitations = schema.team_members, schema.invitations
    with database.write() as connection:
        row = connection.execute(select(workers).where(workers.c.name == name)).one_or_none()
        if row is None:
            raise InvalidRequest(f"There is no account {name!r}: see list-workers.")
        if row.disabled_ms is None:
            connection.execute(update(workers).where(workers.c.id == row.id).values(disabled_ms=now_ms))
        connection.execute(delete(schema.sessions).where(schema.sessions.c.worker_id == row.id))
        led = select(members.c.team_id).where(members.c.worker_id == row.id, members.c.lead)
        withdrawn = connection.execute(
            delete(invitations).where(
                invitations.c.team_id.in_(led),
                invitations.c.used_ms.is_(None),
                invitations.c.expires_ms > now_ms,
            )
        ).rowcount
        # A running desk gives back tasks without a lease within a second, a stopped one when it starts.
        connection.execute(
            update(assignments)
            .where(assignments.c.worker_id == row.id, assignments.c.state == "working")
            .values(lease_expires_ms=now_ms)
        )
    return Closed(row.disabled_ms is None, withdrawn)


def list_workers(database: Database) -> list[Account]:
    """All accounts by name, closed ones included."""
    workers, members, teams = schema.workers, schema.team_members, schema.workteams
    with database.read() as connection:
        people = connection.execute(select(workers).order_by(workers.c.name)).all()
        pairs = connection.execute(
            select(members.c.worker_id, teams.c.name, members.c.lead)
            .join(teams, teams.c.id == members.c.team_id)
            .order_by(teams.c.name)
        ).all()
    of_person: dict[int, list[str]] = {}
    for pair in pairs:
        of_person.setdefault(pair.worker_id, []).append(pair.name + ("*" if pair.lead else ""))
    return [
        Account(
            name=person.name,
            teams=tuple(of_person.get(person.id, ())),
            single_sign_on=person.oidc_subject is not None,
            created_ms=person.created_ms,
            disabled_ms=person.disabled_ms,
        )
        for person in people
    ]
