"""The second factor of a person who signs in with a password: codes of an app, and recovery codes.

Its secret is encrypted with a key derived from the desk's own, so that read access to the database makes no
codes. Every code serves once. Who signs in by OpenID Connect has the provider's second factor instead.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, func, insert, select, update

from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.errors import DeskSetupError, InvalidRequest, NotSignedIn
from include.review_desk.people import accounts, sessions, totp
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

    from include.review_desk.context import Desk
    from include.review_desk.people.desk_key import DeskKey
    from include.review_desk.people.sessions import Worker
    from include.review_desk.storage.database import AnyRow, Database

logger = logging.getLogger(__name__)

RECOVERY_CODES = 10

_PURPOSE = "second-factor"
_WRONG = "The code is not right, or was used before: wait for the next one."

_factors = schema.second_factors
_codes = schema.recovery_codes


@dataclass(frozen=True)
class Setup:
    """What goes into the app: a secret in Base32, and the same as a link."""

    secret: str
    link: str


@dataclass(frozen=True)
class State:
    """Whether it is in force, and how many recovery codes are left."""

    on: bool
    recovery_codes: int


def state(desk: Desk, worker_id: int) -> State:
    """How a person's second factor is set up."""
    with desk.database.read() as connection:
        row = _row(connection, worker_id)
        left = select(func.count()).select_from(_codes).where(_codes.c.worker_id == worker_id)
        return State(row is not None and row.confirmed_ms is not None, connection.scalar(left) or 0)


def begin(desk: Desk, worker: Worker) -> Setup:
    """A new secret, in force once ``confirm`` has seen a code of it. The caller has asked for the password.

    Raises
    ------
    InvalidRequest
        There is a second factor already, or the desk has no key of its own to keep one with.
    """
    secret = totp.new_secret()
    box = _box(desk.key, make=True)
    with desk.database.write() as connection:
        row = _row(connection, worker.id)
        if row is not None and row.confirmed_ms is not None:
            raise InvalidRequest("You have a second factor already: turn it off first.")
        connection.execute(delete(_factors).where(_factors.c.worker_id == worker.id))
        encrypted = box.encrypt(secret).decode()
        connection.execute(
            insert(_factors).values(worker_id=worker.id, secret=encrypted, created_ms=desk.clock())
        )
    return _setup(desk, worker, secret)


def unconfirmed(desk: Desk, worker: Worker) -> Setup | None:
    """What ``begin`` returned, None where there is nothing to confirm."""
    with desk.database.read() as connection:
        row = _row(connection, worker.id)
    secret = _secret(desk, row.secret) if row is not None and row.confirmed_ms is None else None
    return None if secret is None else _setup(desk, worker, secret)


def confirm(desk: Desk, worker: Worker, code: str) -> list[str]:
    """Put it in force with a first code; returns the recovery codes, which are shown this once.

    The person's other sessions end.

    Raises
    ------
    InvalidRequest
        The code is not right, or there is nothing to confirm.
    """
    now_ms = desk.clock()
    recovery = [_new_recovery_code() for _ in range(RECOVERY_CODES)]
    with desk.database.write() as connection:
        row = _row(connection, worker.id)
        if row is None or row.confirmed_ms is not None:
            raise InvalidRequest("There is no second factor to confirm: start again on the page Account.")
        if not _use_app_code(desk, connection, worker.id, code):
            raise InvalidRequest("The code is not right: check the phone's time, and enter the present code.")
        mine = _factors.c.worker_id == worker.id
        connection.execute(update(_factors).where(mine).values(confirmed_ms=now_ms))
        connection.execute(delete(_codes).where(_codes.c.worker_id == worker.id))
        rows = [{"worker_id": worker.id, "code_sha256": _hash(text)} for text in recovery]
        connection.execute(insert(_codes), rows)
        record(connection, now_ms, Action.SECOND_FACTOR_SET, by=worker.id)
    sessions.sign_out_elsewhere(desk, worker)
    return recovery


def check(
    desk: Desk, *, worker_id: int, name: str, code: str, address: str, device: str | None = None
) -> None:
    """Use up a code of the app, or a recovery code.

    Raises
    ------
    NotSignedIn
        It is not right or was used before.
    TooManyAttempts
        See SignInLimiter; codes are counted apart from passwords.
    """
    now_ms, counted = desk.clock(), f"\0code of {name}"
    desk.sign_in_limiter.begin(counted, address, now_ms, device)
    with desk.database.write() as connection:
        right = _use_app_code(desk, connection, worker_id, code) or _use_recovery_code(
            connection, worker_id, code
        )
        if not right:
            record(connection, now_ms, Action.SIGN_IN_FAILED, "sign-in/wrong-code", person=worker_id)
    if not right:
        raise NotSignedIn(_WRONG)
    desk.sign_in_limiter.succeeded(counted, address, now_ms, device)


def remove(desk: Desk, worker: Worker, *, code: str, address: str, device: str | None = None) -> None:
    """Turn it off, with a code.

    Raises
    ------
    NotSignedIn, TooManyAttempts
        See ``check``.
    """
    check(desk, worker_id=worker.id, name=worker.name, code=code, address=address, device=device)
    with desk.database.write() as connection:
        _forget(connection, worker.id)
        record(connection, desk.clock(), Action.SECOND_FACTOR_REMOVED, by=worker.id)


def reset(database: Database, now_ms: int, name: str) -> bool:
    """Turn it off for a person who has lost app and recovery codes; returns whether there was one.

    Raises
    ------
    InvalidRequest
        There is no account of this name.
    """
    with database.write() as connection:
        worker_id = accounts.account(connection, name).id
        was_there = _forget(connection, worker_id)
        if was_there:
            record(connection, now_ms, Action.SECOND_FACTOR_REMOVED, person=worker_id)
    return was_there


def _setup(desk: Desk, worker: Worker, secret: bytes) -> Setup:
    return Setup(totp.in_base32(secret), totp.app_link(secret, worker.name, desk.config.public_host))


def _row(connection: Connection, worker_id: int) -> AnyRow | None:
    return connection.execute(select(_factors).where(_factors.c.worker_id == worker_id)).one_or_none()


def _use_app_code(desk: Desk, connection: Connection, worker_id: int, code: str) -> bool:
    digits = "".join(code.split())
    row = _row(connection, worker_id)
    secret = _secret(desk, row.secret) if row is not None and totp.is_code(digits) else None
    if secret is None:
        return False
    step = totp.step_of(secret, digits, desk.clock())
    if step is None:
        return False
    # Of two who use the same code at the same moment, one gets in.
    unused = (_factors.c.worker_id == worker_id, _factors.c.last_step < step)
    return connection.execute(update(_factors).where(*unused).values(last_step=step)).rowcount == 1


def _use_recovery_code(connection: Connection, worker_id: int, code: str) -> bool:
    mine = (_codes.c.worker_id == worker_id, _codes.c.code_sha256 == _hash(code))
    return connection.execute(delete(_codes).where(*mine)).rowcount == 1


def _forget(connection: Connection, worker_id: int) -> bool:
    connection.execute(delete(_codes).where(_codes.c.worker_id == worker_id))
    return connection.execute(delete(_factors).where(_factors.c.worker_id == worker_id)).rowcount == 1


def _secret(desk: Desk, encrypted: str) -> bytes | None:
    """None: it was encrypted with another key, and only a recovery code or ``reset`` helps."""
    from cryptography.fernet import InvalidToken

    try:
        return _box(desk.key).decrypt(encrypted.encode())
    except (InvalidRequest, InvalidToken):
        logger.error("A second factor cannot be checked: the desk's own key is not the one it was made with.")
        return None


def _box(key: DeskKey, *, make: bool = False) -> Fernet:
    # Takes a tenth of a second to import, which most desks need not spend.
    from cryptography.fernet import Fernet

    try:
        if make and not key.exists():
            key.make()
        return Fernet(base64.urlsafe_b64encode(key.derive(_PURPOSE)))
    except DeskSetupError as error:
        raise InvalidRequest(f"The Review Desk cannot keep a second factor. {error.message}") from None


def _new_recovery_code() -> str:
    """80 random bits, in groups of four."""
    text = base64.b32encode(secrets.token_bytes(10)).decode()
    return "-".join(text[start : start + 4] for start in range(0, 16, 4))


def _hash(code: str) -> str:
    plain = "".join(code.upper().replace("-", "").split())
    return hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest()
