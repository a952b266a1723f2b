"""Accounts of people whom an OpenID Connect provider vouches for.

The account belongs to the provider's issuer and subject, never to a name: a person whose name is taken gets a
different name, not the other person's account.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.errors import NotSignedIn
from include.review_desk.people import sessions, teams, workers
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from include.review_desk.context import Desk
    from include.review_desk.people.sessions import Session
    from include.review_desk.storage.database import AnyRow

_FALLBACK_NAME = "reviewer"
_ATTEMPTS = 5


@dataclass(frozen=True)
class Identity:
    """What a verified id_token says. ``name`` is a suggestion, ``groups`` decide about teams."""

    issuer: str
    subject: str
    name: str
    groups: frozenset[str]


def sign_in(desk: Desk, identity: Identity) -> Session:
    """Start a session; the first makes the account. Teams follow the groups, see ``teams.follow_groups``.

    Raises
    ------
    NotSignedIn
        The account is closed.
    """
    for attempt in range(_ATTEMPTS):
        try:
            with desk.database.write() as connection:
                return _sign_in(desk, connection, identity)
        except NotSignedIn:
            _record_refusal(desk, identity)
            raise
        except IntegrityError:
            # Another person took the name, or this person signed in twice, at the same moment.
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _sign_in(desk: Desk, connection: Connection, identity: Identity) -> Session:
    now_ms = desk.clock()
    row = _account(connection, identity)
    if row is None:
        name = _free_name(connection, identity.name)
        worker_id = workers.insert_worker(
            connection,
            now_ms,
            name=name,
            oidc_issuer=identity.issuer,
            oidc_subject=identity.subject,
        )
    elif row.disabled_ms is not None:
        raise NotSignedIn("This account is closed: ask your team lead.")
    else:
        worker_id, name = row.id, row.name
    teams.follow_groups(connection, now_ms, worker_id, identity.groups)
    record(connection, now_ms, Action.SIGNED_IN, "sign-in/single-sign-on", by=worker_id)
    return sessions.start_session(desk, connection, worker_id=worker_id, name=name)


def _account(connection: Connection, identity: Identity) -> AnyRow | None:
    accounts = schema.workers
    return connection.execute(
        select(accounts.c.id, accounts.c.name, accounts.c.disabled_ms).where(
            accounts.c.oidc_issuer == identity.issuer, accounts.c.oidc_subject == identity.subject
        )
    ).one_or_none()


def _record_refusal(desk: Desk, identity: Identity) -> None:
    """In a transaction of its own: that of the sign-in was rolled back."""
    with desk.database.write() as connection:
        row = _account(connection, identity)
        person = None if row is None else row.id
        record(connection, desk.clock(), Action.SIGN_IN_FAILED, "sign-in/closed-account", person=person)


def _free_name(connection: Connection, wish: str) -> str:
    plain = "".join(character for character in wish if character.isprintable()).strip()
    plain = plain[: workers.MAX_NAME_CHARACTERS - 12].strip() or _FALLBACK_NAME
    if workers.is_reserved(plain):
        plain = _FALLBACK_NAME
    name, number = plain, 1
    while connection.scalar(select(schema.workers.c.id).where(schema.workers.c.name == name)) is not None:
        number += 1
        name = f"{plain} ({number})"
    return name
