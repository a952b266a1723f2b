"""Closing accounts and listing them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update

from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.errors import InvalidRequest
from include.review_desk.people.departures import (
    give_back,
    invitations_to_led_teams,
    withdraw_invitations,
)
from include.review_desk.storage import schema
from include.review_desk.storage.locks import lock_person

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from include.review_desk.storage.database import AnyRow, Database


@dataclass(frozen=True)
class Account:
    """One person; ``teams`` are names, those the person leads with a star after them."""

    name: str
    teams: tuple[str, ...]
    single_sign_on: bool
    created_ms: int
    disabled_ms: int | None
    erased_ms: int | None


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
    with database.write() as connection:
        return close(connection, now_ms, account(connection, name).id)


def account(connection: Connection, name: str) -> AnyRow:
    """The row of the person who signs in by this name.

    Raises
    ------
    InvalidRequest
        There is no account of this name.
    """
    row = connection.execute(select(schema.workers).where(schema.workers.c.name == name)).one_or_none()
    if row is None:
        raise InvalidRequest(f"There is no account {name!r}: see list-workers.")
    return row


def close(connection: Connection, now_ms: int, worker_id: int) -> Closed:
    """Close the account in the transaction of the caller."""
    workers, sessions = schema.workers, schema.sessions
    was_open = lock_person(connection, worker_id)
    if was_open:
        connection.execute(update(workers).where(workers.c.id == worker_id).values(disabled_ms=now_ms))
        record(connection, now_ms, Action.ACCOUNT_CLOSED, person=worker_id)
    connection.execute(delete(sessions).where(sessions.c.worker_id == worker_id))
    withdrawn = withdraw_invitations(connection, now_ms, invitations_to_led_teams(worker_id))
    give_back(connection, now_ms, worker_id)
    return Closed(was_open, withdrawn)


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
            erased_ms=person.erased_ms,
        )
        for person in people
    ]
