"""Links with which people make their own account: 256 random bits, stored hashed, valid once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.errors import InvalidRequest, InvitationGone, NameInUse
from include.review_desk.people import sessions, teams, workers
from include.review_desk.people.departures import ID_CHARACTERS, withdraw_invitations
from include.review_desk.people.passwords import check_password, hash_password
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from include.review_desk.context import Desk
    from include.review_desk.people.sessions import Session, Worker
    from include.review_desk.storage.database import Database

DEFAULT_HOURS = 72
MAX_HOURS = 30 * 24
_KEEP_MS = 30 * 24 * 3600 * 1000

_invitations = schema.invitations


@dataclass(frozen=True)
class NewInvitation:
    """An invitation just made; the only place that ever holds its token."""

    token: str
    team: str
    expires_ms: int

    def link(self, public_url: str) -> str:
        """The address to send to the person who is invited."""
        return f"{public_url.rstrip('/')}/join/{self.token}"


@dataclass(frozen=True)
class Invitation:
    """What a valid invitation offers. Without ``name`` the person chooses one."""

    team: str
    name: str | None
    lead: bool
    expires_ms: int


@dataclass(frozen=True)
class OpenInvitation:
    """An invitation that still serves, without its token. ``made_by`` is a lead's name; None: a command."""

    id: str
    team: str
    name: str | None
    lead: bool
    made_by: str | None
    created_ms: int
    expires_ms: int


def create(
    database: Database,
    now_ms: int,
    *,
    team: str,
    name: str | None = None,
    lead: bool = False,
    hours: int = DEFAULT_HOURS,
    by: int | None = None,
) -> NewInvitation:
    """Make an invitation into ``team``, which is made when missing.

    ``by`` is the lead who makes it (``workers.id``), None for a command.

    Raises
    ------
    InvalidRequest
        An invalid team or person name, or a lifetime that is not 1 hour to 30 days.
    NameInUse
        There is an account of this name already.
    """
    teams.check_team_name(team)
    if not 1 <= hours <= MAX_HOURS:
        raise InvalidRequest(f"An invitation is good for 1 to {MAX_HOURS} hours, not {hours}.")
    if name is not None:
        workers.check_name(name)
        workers.check_not_reserved(name)
    token = secrets.token_urlsafe(32)
    digest = sessions.hash_token(token)
    expires_ms = now_ms + hours * 3600 * 1000
    with database.write() as connection:
        taken = select(schema.workers.c.id).where(schema.workers.c.name == name)
        if name is not None and connection.scalar(taken) is not None:
            raise NameInUse(f"There is an account {name!r} already: put it into the team with add-worker.")
        connection.execute(delete(_invitations).where(_invitations.c.expires_ms < now_ms - _KEEP_MS))
        team_id = teams.ensure_team(connection, team, now_ms)
        connection.execute(
            insert(_invitations).values(
                token_sha256=digest,
                team_id=team_id,
                name=name,
                lead=lead,
                created_ms=now_ms,
                expires_ms=expires_ms,
                made_by=by,
            )
        )
        record(connection, now_ms, Action.INVITATION_MADE, _named(digest), by=by, team=team_id)
    return NewInvitation(token, team, expires_ms)


def create_as_lead(
    desk: Desk, worker: Worker, *, team: str, name: str | None = None, hours: int = DEFAULT_HOURS
) -> NewInvitation:
    """An invitation from a lead of ``team``. Leads are made by command only.

    Raises
    ------
    Forbidden
        The person does not lead this team.
    InvalidRequest, NameInUse
        See ``create``.
    """
    with desk.database.read() as connection:
        teams.led_team(connection, worker, team)
    return create(desk.database, desk.clock(), team=team, name=name, hours=hours, by=worker.id)


def look_up(desk: Desk, token: str) -> Invitation:
    """What the link offers; opening the page does not use the invitation up.

    Raises
    ------
    InvitationGone
        Unknown, used or expired.
    """
    query = (
        select(_invitations, schema.workteams.c.name.label("team"))
        .join(schema.workteams, schema.workteams.c.id == _invitations.c.team_id)
        .where(*_good(token, desk.clock()))
    )
    with desk.database.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise _gone()
    return Invitation(row.team, row.name, row.lead, row.expires_ms)


def accept(desk: Desk, token: str, *, name: str, password: str) -> Session:
    """Make the account, put it into the team, use the invitation up and sign in: all of it or nothing.

    ``name`` is ignored when the invitation has one.

    Raises
    ------
    InvitationGone
        Unknown, used (perhaps at the same moment) or expired.
    InvalidRequest, NameInUse
        The name or password is not allowed; the invitation stays valid.
    """
    name = look_up(desk, token).name or name
    workers.check_name(name)
    workers.check_not_reserved(name)
    check_password(password)
    password_hash = hash_password(password)
    now_ms = desk.clock()
    try:
        with desk.database.write() as connection:
            good = _good(token, now_ms)
            used = connection.execute(update(_invitations).where(*good).values(used_ms=now_ms))
            if used.rowcount == 0:
                raise _gone()
            worker_id = workers.insert_worker(connection, now_ms, name=name, password_hash=password_hash)
            digest = sessions.hash_token(token)
            mine = _invitations.c.token_sha256 == digest
            row = connection.execute(select(_invitations).where(mine)).one()
            connection.execute(update(_invitations).where(mine).values(worker_id=worker_id))
            on, team_id = _named(digest), row.team_id
            record(connection, now_ms, Action.INVITATION_USED, on, person=worker_id, team=team_id)
            teams.ensure_member(connection, now_ms, team_id, worker_id, lead=row.lead)
            record(connection, now_ms, Action.SIGNED_IN, "sign-in/invitation", by=worker_id)
            return sessions.start_session(desk, connection, worker_id=worker_id, name=name)
    except IntegrityError:
        raise NameInUse(f"The name {name!r} is taken: choose another one.") from None


def list_open(database: Database, now_ms: int, team_id: int | None = None) -> list[OpenInvitation]:
    """Invitations that still serve, the oldest first: those into one team, or all."""
    query = (
        select(_invitations, schema.workteams.c.name.label("team"), schema.workers.c.name.label("maker"))
        .join(schema.workteams, schema.workteams.c.id == _invitations.c.team_id)
        .outerjoin(schema.workers, schema.workers.c.id == _invitations.c.made_by)
        .where(_invitations.c.used_ms.is_(None), _invitations.c.expires_ms > now_ms)
        .order_by(_invitations.c.created_ms, _invitations.c.token_sha256)
    )
    if team_id is not None:
        query = query.where(_invitations.c.team_id == team_id)
    with database.read() as connection:
        return [
            OpenInvitation(
                id=row.token_sha256[:ID_CHARACTERS],
                team=row.team,
                name=row.name,
                lead=row.lead,
                made_by=row.maker,
                created_ms=row.created_ms,
                expires_ms=row.expires_ms,
            )
            for row in connection.execute(query)
        ]


def withdraw(database: Database, now_ms: int, invitation_id: str) -> None:
    """Make an open invitation's link useless.

    Raises
    ------
    InvalidRequest
        No open invitation has this id, as ``list_open`` shows it.
    """
    with database.write() as connection:
        if not withdraw_invitations(connection, now_ms, _has_id(invitation_id)):
            raise InvalidRequest(
                f"There is no open invitation {invitation_id[:64]!r}: it was used, has expired or was "
                "withdrawn. See list-invitations."
            )


def withdraw_as_lead(desk: Desk, lead: Worker, *, team: str, invitation_id: str) -> None:
    """As ``withdraw``, by a lead of the team that it leads to.

    Raises
    ------
    Forbidden
        The person does not lead this team.
    InvalidRequest
        No open invitation into the team has this id.
    """
    with desk.database.write() as connection:
        team_id = teams.led_team(connection, lead, team)
        which = (_has_id(invitation_id), _invitations.c.team_id == team_id)
        if not withdraw_invitations(connection, desk.clock(), *which, by=lead.id):
            raise InvalidRequest("This invitation was used, has expired or was withdrawn already.")


def _has_id(invitation_id: str) -> ColumnElement[bool]:
    return func.substr(_invitations.c.token_sha256, 1, ID_CHARACTERS) == invitation_id


def _named(digest: str) -> str:
    """What the audit trail calls an invitation."""
    return f"invitation/{digest[:ID_CHARACTERS]}"


def _good(token: str, now_ms: int) -> tuple[ColumnElement[bool], ...]:
    return (
        _invitations.c.token_sha256 == sessions.hash_token(token),
        _invitations.c.used_ms.is_(None),
        _invitations.c.expires_ms > now_ms,
    )


def _gone() -> InvitationGone:
    return InvitationGone("This invitation was used or has expired: ask its sender for a new one.")
