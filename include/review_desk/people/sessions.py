"""Sign-in sessions: the one a request comes with, and the others of the same person.

Session tokens are stored as SHA-256 hashes, so that read access to the database signs no one in.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, delete, insert, select

from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.errors import NotSignedIn
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from include.review_desk.context import Desk

# Run for every request, so built once (storage.database).
_SIGNED_IN = (
    select(schema.workers.c.id, schema.workers.c.name)
    .join(schema.sessions, schema.sessions.c.worker_id == schema.workers.c.id)
    .where(
        schema.sessions.c.token_sha256 == bindparam("session"),
        schema.sessions.c.expires_ms > bindparam("now_ms"),
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
    """A session of a person; times are milliseconds since 1970 UTC."""

    started_ms: int
    expires_ms: int
    present: bool


def start_session(desk: Desk, connection: Connection, *, worker_id: int, name: str) -> Session:
    """Start a session for an authenticated person; expired sessions are deleted."""
    now_ms = desk.clock()
    token = secrets.token_urlsafe(32)
    expires_ms = now_ms + desk.config.session_seconds * 1000
    connection.execute(delete(schema.sessions).where(schema.sessions.c.expires_ms <= now_ms))
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


def authenticate(desk: Desk, token: str) -> Worker:
    """The person behind ``token``, or NotSignedIn."""
    session = hash_token(token)
    with desk.database.read() as connection:
        row = connection.execute(_SIGNED_IN, {"session": session, "now_ms": desk.clock()}).one_or_none()
    if row is None:
        raise NotSignedIn("The session is unknown or has expired: sign in again.")
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
    sessions = schema.sessions
    query = (
        select(sessions)
        .where(sessions.c.worker_id == worker.id, sessions.c.expires_ms > desk.clock())
        .order_by(sessions.c.created_ms.desc(), sessions.c.token_sha256)
    )
    with desk.database.read() as connection:
        rows = connection.execute(query).all()
    return [OpenSession(row.created_ms, row.expires_ms, row.token_sha256 == worker.session) for row in rows]


def hash_token(token: str) -> str:
    """How a token is stored. Tokens are 256 random bits: a plain hash suffices."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
