"""Sign-in sessions: the one a request comes with, and the others of the same person.

Session tokens are stored as SHA-256 hashes, so that read access to the database signs no one in. A session
ends when its time is over, or earlier when it is left idle; pages that look for news by themselves do not
keep it alive.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Connection, bindparam, delete, insert, or_, select, update

from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.errors import NotSignedIn
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from include.review_desk.context import Desk

# How exactly it is noted when a session was last used: not a write for every request.
_SEEN_MS = 60_000

# Run for every request, so built once (storage.database).
_SIGNED_IN = (
    select(schema.workers.c.id, schema.workers.c.name, schema.sessions.c.seen_ms)
    .join(schema.sessions, schema.sessions.c.worker_id == schema.workers.c.id)
    .where(
        schema.sessions.c.token_sha256 == bindparam("session"),
        schema.sessions.c.expires_ms > bindparam("now_ms"),
        schema.sessions.c.seen_ms > bindparam("idle_since_ms", type_=BigInteger()),
        schema.workers.c.disabled_ms.is_(None),
    )
)


@dataclass(frozen=True)
class Worker:
    """A signed-in person. ``session`` is the hash of the token, never the token."""

    id: int
    name: str
    session: str


@dataclass(frozen=True)
class Session:
    """A new session; the only place that ever holds its token."""

    token: str
    worker_name: str
    expires_ms: int


@dataclass(frozen=True)
class OpenSession:
    """A session of a person, and when it ends unless it is used; milliseconds since 1970 UTC."""

    started_ms: int
    expires_ms: int
    present: bool


def start_session(desk: Desk, connection: Connection, *, worker_id: int, name: str) -> Session:
    """Start a session for an authenticated person; sessions that are over are deleted."""
    now_ms = desk.clock()
    token = secrets.token_urlsafe(32)
    expires_ms = now_ms + desk.config.session_seconds * 1000
    over = or_(schema.sessions.c.expires_ms <= now_ms, schema.sessions.c.seen_ms <= _idle_since(desk, now_ms))
    connection.execute(delete(schema.sessions).where(over))
    connection.execute(
        insert(schema.sessions).values(
            token_sha256=hash_token(token),
            worker_id=worker_id,
            created_ms=now_ms,
            expires_ms=expires_ms,
            seen_ms=now_ms,
        )
    )
    return Session(token, name, expires_ms)


def authenticate(desk: Desk, token: str, *, active: bool = True) -> Worker:
    """The person behind ``token``, or NotSignedIn.

    Parameters
    ----------
    active
        False for requests that a page sends whether or not the person is there.
    """
    session, now_ms = hash_token(token), desk.clock()
    wanted = {"session": session, "now_ms": now_ms, "idle_since_ms": _idle_since(desk, now_ms)}
    with desk.database.read() as connection:
        row = connection.execute(_SIGNED_IN, wanted).one_or_none()
    if row is None:
        raise NotSignedIn("The session is unknown, has expired or was left idle: sign in again.")
    if active and now_ms - row.seen_ms >= _SEEN_MS:
        mine = schema.sessions.c.token_sha256 == session
        with desk.database.write() as connection:
            connection.execute(update(schema.sessions).where(mine).values(seen_ms=now_ms))
    return Worker(row.id, row.name, session)


def sign_out(desk: Desk, worker: Worker) -> None:
    """End this session; its tasks go to the person's next session, or back when their time is over."""
    with desk.database.write() as connection:
        connection.execute(delete(schema.sessions).where(schema.sessions.c.token_sha256 == worker.session))


def end_session(desk: Desk, token: str) -> None:
    """End the session with this token, if there is one."""
    with desk.database.write() as connection:
        connection.execute(delete(schema.sessions).where(schema.sessions.c.token_sha256 == hash_token(token)))


def sign_out_elsewhere(desk: Desk, worker: Worker) -> int:
    """End this person's other sessions; returns how many there were."""
    sessions = schema.sessions
    with desk.database.write() as connection:
        result = connection.execute(
            delete(sessions).where(
                sessions.c.worker_id == worker.id, sessions.c.token_sha256 != worker.session
            )
        )
        record(connection, desk.clock(), Action.SESSIONS_ENDED, by=worker.id)
    return result.rowcount


def open_sessions(desk: Desk, worker: Worker) -> list[OpenSession]:
    """This person's sessions, the latest first."""
    sessions, now_ms = schema.sessions, desk.clock()
    idle_ms = desk.config.idle_seconds * 1000
    query = (
        select(sessions)
        .where(
            sessions.c.worker_id == worker.id,
            sessions.c.expires_ms > now_ms,
            sessions.c.seen_ms > _idle_since(desk, now_ms),
        )
        .order_by(sessions.c.created_ms.desc(), sessions.c.token_sha256)
    )
    with desk.database.read() as connection:
        rows = connection.execute(query).all()
    return [
        OpenSession(
            row.created_ms,
            min(row.expires_ms, row.seen_ms + idle_ms),
            row.token_sha256 == worker.session,
        )
        for row in rows
    ]


def _idle_since(desk: Desk, now_ms: int) -> int:
    return now_ms - desk.config.idle_seconds * 1000


def hash_token(token: str) -> str:
    """How a token is stored. Tokens are 256 random bits: a plain hash suffices."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
