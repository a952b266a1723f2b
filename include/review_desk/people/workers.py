"""Accounts of people who review: adding them, signing in with a password and changing it.

Passwords are stored as Argon2id hashes, so that read access to the database signs no one in.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.errors import InvalidRequest, NotSignedIn, SecondFactorNeeded
from include.review_desk.people import second_factor, sessions, teams
from include.review_desk.people.passwords import check_password, hash_password, password_fits
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from include.review_desk.context import Desk
    from include.review_desk.people.limits import SignInLimiter
    from include.review_desk.people.sessions import Session, Worker
    from include.review_desk.storage.database import Database

MAX_NAME_CHARACTERS = 128
# What accounts that were erased are called, with their pseudonym (``leaving``).
ERASED = "erased-"

_CLOSED = "This account is closed: ask your team lead."


def add_worker(
    database: Database, now_ms: int, *, team: str, name: str, password: str | None, lead: bool = False
) -> bool:
    """Make the account and the team where missing, put the person into the team, set the password.

    Returns whether the account is new. Repeating the call changes nothing but the password, and another
    password ends the person's sessions; an account that was closed is open again. Without a password the
    account must be one of single sign-on, and with one it must not: the names of those are chosen by the
    person who signed in first.

    Raises
    ------
    InvalidRequest
        Name or password that is too short or too long, a team name that A2I would refuse, or an account that
        signs in by other means.
    """
    teams.check_team_name(team)
    check_name(name)
    if password is not None:
        check_password(password)
    values = {"password_hash": hash_password(password)} if password is not None else {}
    # Outside of the transaction: it takes a while, and other writers would wait.
    same = password is not None and password_fits(_password_hash(database, name), password)
    for last in (False, True):
        try:
            with database.write() as connection:
                team_id = teams.ensure_team(connection, team, now_ms)
                worker_id, created = _ensure_worker(connection, now_ms, name, values, same=same)
                teams.ensure_member(connection, now_ms, team_id, worker_id, lead=lead)
                return created
        except IntegrityError:
            # Another command made the account at the same moment: now it exists.
            if last:
                raise
    raise AssertionError("unreachable")


def _password_hash(database: Database, name: str) -> str | None:
    query = select(schema.workers.c.password_hash).where(schema.workers.c.name == name)
    with database.read() as connection:
        return connection.scalar(query)


def _ensure_worker(
    connection: Connection, now_ms: int, name: str, values: dict[str, str], *, same: bool
) -> tuple[int, bool]:
    """The account's id and whether it is new; ``same``: its password is the one that is set again."""
    workers, sessions = schema.workers, schema.sessions
    # Locked, so that an account which is erased at this moment is not opened again.
    mine = select(workers).where(workers.c.name == name).with_for_update()
    row = connection.execute(mine).one_or_none()
    single_sign_on = row is not None and row.oidc_subject is not None
    _check_way_in(name, password=bool(values), single_sign_on=single_sign_on)
    if row is None:
        check_not_reserved(name)
        return insert_worker(connection, now_ms, name=name, **values), True
    if row.erased_ms is not None:
        raise InvalidRequest(
            f"The name of the account {name!r} was erased, which is for good: choose another name, which "
            "makes a new account."
        )
    connection.execute(update(workers).where(workers.c.id == row.id).values(disabled_ms=None, **values))
    if row.disabled_ms is not None:
        record(connection, now_ms, Action.ACCOUNT_OPENED, person=row.id)
    if values and not same:
        connection.execute(delete(sessions).where(sessions.c.worker_id == row.id))
        record(connection, now_ms, Action.PASSWORD_CHANGED, person=row.id)
    return int(row.id), False


def _check_way_in(name: str, *, password: bool, single_sign_on: bool) -> None:
    if single_sign_on and password:
        raise InvalidRequest(
            f"The account {name!r} belongs to a person who uses single sign-on: make sure who it is, "
            "then add --single-sign-on, which sets no password."
        )
    if not password and not single_sign_on:
        raise InvalidRequest(
            f"There is no account {name!r} of single sign-on: the first sign-in makes it, "
            "list-workers shows it."
        )


def insert_worker(connection: Connection, now_ms: int, **values: str | None) -> int:
    """A new row of ``workers`` with its opaque ids; an IntegrityError when the name is taken."""
    result = connection.execute(
        insert(schema.workers).values(
            public_id=secrets.token_hex(8), subject=str(uuid.uuid4()), created_ms=now_ms, **values
        )
    )
    worker_id = schema.inserted_id(result)
    record(connection, now_ms, Action.ACCOUNT_MADE, person=worker_id)
    return worker_id


def sign_in(
    desk: Desk,
    limiter: SignInLimiter,
    *,
    name: str,
    password: str,
    address: str,
    device: str | None = None,
    code: str | None = None,
) -> Session:
    """Start a session.

    Parameters
    ----------
    device
        The browser, if this person has signed in with it before (``devices``).
    code
        Of the second factor, if it is known already.

    Raises
    ------
    NotSignedIn
        Name and password do not fit (which of the two is not said), or they do and the account is closed; or
        the code is not right.
    SecondFactorNeeded
        All is right, and a code is needed, too.
    TooManyAttempts
        See SignInLimiter.
    """
    now_ms = desk.clock()
    limiter.begin(name, address, now_ms, device)
    row = None
    if _is_name(name):
        workers = schema.workers
        query = select(workers.c.id, workers.c.password_hash, workers.c.disabled_ms)
        with desk.database.read() as connection:
            row = connection.execute(query.where(workers.c.name == name)).one_or_none()
    fits = password_fits(row.password_hash if row else None, password)
    if row is None or not fits:
        _record_failure(desk, "wrong-password", row.id if row else None)
        raise NotSignedIn("Name and password do not fit.")
    limiter.succeeded(name, address, now_ms, device)
    if row.disabled_ms is not None:
        _record_failure(desk, "closed-account", row.id)
        raise NotSignedIn(_CLOSED)
    if second_factor.state(desk, row.id).on:
        if code is None:
            raise SecondFactorNeeded(row.id, name, _fingerprint(row.password_hash))
        second_factor.check(desk, worker_id=row.id, name=name, code=code, address=address, device=device)
    return _enter(desk, row.id, name)


def sign_in_with_code(
    desk: Desk, needed: SecondFactorNeeded, *, code: str, address: str, device: str | None = None
) -> Session:
    """Start the session of a person whose password was right a moment ago.

    Raises
    ------
    NotSignedIn
        The code is not right, or the account or its password has changed since.
    TooManyAttempts
        See SignInLimiter.
    """
    workers = schema.workers
    query = select(workers.c.password_hash, workers.c.disabled_ms).where(workers.c.id == needed.worker_id)
    with desk.database.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None or _fingerprint(row.password_hash) != needed.password_sha256:
        raise NotSignedIn("The password has changed: sign in again.")
    if row.disabled_ms is not None:
        raise NotSignedIn(_CLOSED)
    second_factor.check(
        desk, worker_id=needed.worker_id, name=needed.name, code=code, address=address, device=device
    )
    return _enter(desk, needed.worker_id, needed.name)


def _enter(desk: Desk, worker_id: int, name: str) -> Session:
    with desk.database.write() as connection:
        record(connection, desk.clock(), Action.SIGNED_IN, "sign-in/password", by=worker_id)
        return sessions.start_session(desk, connection, worker_id=worker_id, name=name)


def _fingerprint(password_hash: str | None) -> str:
    return hashlib.sha256((password_hash or "").encode()).hexdigest()


def _record_failure(desk: Desk, reason: str, worker_id: int | None) -> None:
    """Record a failed sign-in; of a name that no account has, nothing: it may be a mistyped password."""
    with desk.database.write() as connection:
        record(connection, desk.clock(), Action.SIGN_IN_FAILED, f"sign-in/{reason}", person=worker_id)


def has_password(desk: Desk, worker: Worker) -> bool:
    """Whether the person can sign in without the OpenID Connect provider."""
    query = select(schema.workers.c.password_hash).where(schema.workers.c.id == worker.id)
    with desk.database.read() as connection:
        return connection.scalar(query) is not None


def change_password(
    desk: Desk, worker: Worker, *, old: str, new: str, address: str, device: str | None = None
) -> None:
    """Set another password and end the person's other sessions.

    Raises
    ------
    NotSignedIn
        ``old`` is not the present password.
    InvalidRequest
        ``new`` is not allowed.
    TooManyAttempts
        See SignInLimiter: a stolen session must not serve to guess the password.
    """
    check_password(new)
    check_present_password(desk, worker, old, address=address, device=device)
    new_hash = hash_password(new)
    mine = schema.workers.c.id == worker.id
    with desk.database.write() as connection:
        connection.execute(update(schema.workers).where(mine).values(password_hash=new_hash))
        record(connection, desk.clock(), Action.PASSWORD_CHANGED, by=worker.id)
    sessions.sign_out_elsewhere(desk, worker)


def check_present_password(
    desk: Desk, worker: Worker, password: str, *, address: str, device: str | None = None
) -> None:
    """Make sure that the signed-in person is there.

    Raises
    ------
    NotSignedIn
        It is another password.
    TooManyAttempts
        See SignInLimiter.
    """
    now_ms = desk.clock()
    desk.sign_in_limiter.begin(worker.name, address, now_ms, device)
    query = select(schema.workers.c.password_hash).where(schema.workers.c.id == worker.id)
    with desk.database.read() as connection:
        password_hash = connection.scalar(query)
    if not password_fits(password_hash, password):
        _record_failure(desk, "wrong-present-password", worker.id)
        raise NotSignedIn("The present password is not right.")
    desk.sign_in_limiter.succeeded(worker.name, address, now_ms, device)


def check_name(name: str) -> None:
    """Raise InvalidRequest for a name that people could not read or type."""
    if not _is_name(name):
        raise InvalidRequest(
            f"The name must be 1 to {MAX_NAME_CHARACTERS} printable characters without spaces at its ends."
        )


def is_reserved(name: str) -> bool:
    """Whether people would take it for the name of an account that was erased."""
    return name.lower().startswith(ERASED)


def check_not_reserved(name: str) -> None:
    """Raise InvalidRequest for a new name that is kept for accounts which were erased."""
    if is_reserved(name):
        raise InvalidRequest(
            f"Names that begin with {ERASED!r} are kept for accounts that were erased: choose another one."
        )


def _is_name(name: str) -> bool:
    return bool(name) and name == name.strip() and len(name) <= MAX_NAME_CHARACTERS and name.isprintable()
