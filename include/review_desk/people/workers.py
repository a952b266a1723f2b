"""People who review: accounts, teams, sign-in sessions.

Passwords are kept as Argon2id hashes (OWASP's parameters), session tokens as SHA-256 hashes: who reads the
database can sign in as nobody.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, delete, insert, select, update

from include.review_desk.errors import InvalidRequest, NotSignedIn, TooManyAttempts
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from include.review_desk.context import Desk
    from include.review_desk.storage.database import Database

MIN_PASSWORD_CHARACTERS = 8
MAX_PASSWORD_CHARACTERS = 1024
MAX_NAME_CHARACTERS = 128

_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Each hash takes 19 MiB and a core for a moment: a crowd signing in at once waits its turn.
_hashing = threading.BoundedSemaphore(2)
# Verified when the name is unknown, so that the answer takes as long as with a known one.
_nobody = _hasher.hash(secrets.token_hex(16))


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


def add_worker(database: Database, now_ms: int, *, team: str, name: str, password: str) -> bool:
    """Make the account and the team where missing, put the person into the team, set the password.

    Returns whether the account is new. Repeating the call changes nothing but the password.

    Raises
    ------
    InvalidRequest
        Name or password that is too short or too long, or a team name that A2I would refuse.
    """
    _check_account(team, name, password)
    password_hash = _hash(password)
    with database.write() as connection:
        team_id = _ensure_team(connection, team, now_ms)
        worker_id = connection.scalar(select(schema.workers.c.id).where(schema.workers.c.name == name))
        created = worker_id is None
        if worker_id is None:
            result = connection.execute(
                insert(schema.workers).values(
                    name=name,
                    password_hash=password_hash,
                    public_id=secrets.token_hex(8),
                    subject=str(uuid.uuid4()),
                    created_ms=now_ms,
                )
            )
            worker_id = schema.inserted_id(result)
        else:
            workers = schema.workers
            connection.execute(
                update(workers).where(workers.c.id == worker_id).values(password_hash=password_hash)
            )
        _ensure_member(connection, team_id, worker_id)
    return created


class SignInLimiter:
    """Counts failed sign-ins by name and by address; in memory, since a restart takes longer than a guess."""

    def __init__(self, *, window_seconds: int = 300, per_name: int = 8, per_address: int = 60) -> None:
        self._window_ms = window_seconds * 1000
        self._limits = {"name": per_name, "address": per_address}
        self._failures: dict[tuple[str, str], list[int]] = {}
        self._lock = threading.Lock()

    def check(self, name: str, address: str, now_ms: int) -> None:
        """Raise TooManyAttempts while too many failures lie in the window."""
        with self._lock:
            for key in self._keys(name, address):
                recent = self._recent(key, now_ms)
                if len(recent) >= self._limits[key[0]]:
                    wait = (recent[0] + self._window_ms - now_ms + 999) // 1000
                    raise TooManyAttempts(f"Too many failed sign-ins: try again in {wait} seconds.", wait)

    def failed(self, name: str, address: str, now_ms: int) -> None:
        """Count one failure."""
        with self._lock:
            if len(self._failures) > 20_000:
                self._failures = {
                    key: times for key in self._failures if (times := self._recent(key, now_ms))
                }
            for key in self._keys(name, address):
                self._failures.setdefault(key, []).append(now_ms)

    def _keys(self, name: str, address: str) -> list[tuple[str, str]]:
        # A name is limited per address, so that nobody can lock another person out from elsewhere.
        return [("name", f"{address} {name}"), ("address", address)]

    def _recent(self, key: tuple[str, str], now_ms: int) -> list[int]:
        recent = [time for time in self._failures.get(key, []) if time > now_ms - self._window_ms]
        if recent:
            self._failures[key] = recent
        return recent


def sign_in(desk: Desk, limiter: SignInLimiter, *, name: str, password: str, address: str) -> Session:
    """Start a session.

    Raises
    ------
    NotSignedIn
        Name and password do not fit; which of the two is not said.
    TooManyAttempts
        See SignInLimiter.
    """
    now_ms = desk.clock()
    limiter.check(name, address, now_ms)
    with desk.database.read() as connection:
        row = connection.execute(
            select(schema.workers.c.id, schema.workers.c.password_hash).where(schema.workers.c.name == name)
        ).one_or_none()
    known = _verify(row.password_hash if row else _nobody, password)
    if row is None or not known:
        limiter.failed(name, address, now_ms)
        raise NotSignedIn("Name and password do not fit.")
    token = secrets.token_urlsafe(32)
    expires_ms = now_ms + desk.config.session_seconds * 1000
    with desk.database.write() as connection:
        connection.execute(delete(schema.sessions).where(schema.sessions.c.expires_ms <= now_ms))
        connection.execute(
            insert(schema.sessions).values(
                token_sha256=hash_token(token), worker_id=row.id, created_ms=now_ms, expires_ms=expires_ms
            )
        )
    return Session(token, name, expires_ms)


def authenticate(desk: Desk, token: str) -> Worker:
    """The person behind ``token``, or NotSignedIn."""
    session = hash_token(token)
    sessions, workers = schema.sessions, schema.workers
    with desk.database.read() as connection:
        row = connection.execute(
            select(workers.c.id, workers.c.name)
            .join(sessions, sessions.c.worker_id == workers.c.id)
            .where(sessions.c.token_sha256 == session, sessions.c.expires_ms > desk.clock())
        ).one_or_none()
    if row is None:
        raise NotSignedIn("The session is unknown or has expired: sign in again.")
    return Worker(row.id, row.name, session)


def sign_out(desk: Desk, worker: Worker) -> None:
    """End this session; tasks it holds go to the person's next session or back when their time is over."""
    with desk.database.write() as connection:
        connection.execute(delete(schema.sessions).where(schema.sessions.c.token_sha256 == worker.session))


def hash_token(token: str) -> str:
    """How a token is stored. Tokens are 256 random bits: a plain hash suffices."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _check_account(team: str, name: str, password: str) -> None:
    plain = team.replace("-", "")
    if not (plain.isascii() and plain.isalnum()) or len(team) > 63 or team[0] == "-" or team[-1] == "-":
        raise InvalidRequest(
            f"The team name {team!r} must be 1 to 63 letters, digits and hyphens, with no hyphen at its ends."
        )
    if not name.strip() or name != name.strip() or len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
        raise InvalidRequest(
            f"The name must be 1 to {MAX_NAME_CHARACTERS} printable characters without outer spaces."
        )
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise InvalidRequest(
            f"The password must have {MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters."
        )


def _ensure_team(connection: Connection, name: str, now_ms: int) -> int:
    teams = schema.workteams
    team_id = connection.scalar(select(teams.c.id).where(teams.c.name == name))
    if team_id is not None:
        return int(team_id)
    settings = {"MemberDefinitions": [{"OidcMemberDefinition": {"Groups": [name]}}]}
    result = connection.execute(
        insert(teams).values(
            name=name,
            description=f"Reviewers of the team {name}",
            settings=json.dumps(settings),
            created_ms=now_ms,
            updated_ms=now_ms,
        )
    )
    return schema.inserted_id(result)


def _ensure_member(connection: Connection, team_id: int, worker_id: int) -> None:
    members = schema.team_members
    known = select(members).where(members.c.team_id == team_id, members.c.worker_id == worker_id)
    if connection.execute(known).first() is None:
        connection.execute(insert(members).values(team_id=team_id, worker_id=worker_id))


def _hash(password: str) -> str:
    with _hashing:
        return _hasher.hash(password)


def _verify(password_hash: str, password: str) -> bool:
    with _hashing:
        try:
            return _hasher.verify(password_hash, password[: MAX_PASSWORD_CHARACTERS + 1])
        except (VerificationError, InvalidHashError):
            return False
