"""Keys of the programs that call the AWS API: one for each client, revoked one by one.

The database knows which keys exist but no secret: that is derived from the desk's own key and the access key
id, whose last four characters identify the desk key. Whether a key is valid is cached for a quarter of a
second at most.
"""

from __future__ import annotations

import base64
import logging
import re
import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert, or_, select, update
from starlette.concurrency import run_in_threadpool

from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.errors import AccessDenied, DeskSetupError, InvalidRequest
from include.review_desk.people.purposes import UNLIMITED, Purpose
from include.review_desk.storage import prefixes, schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.review_desk.clock import Clock
    from include.review_desk.people.desk_key import DeskKey
    from include.review_desk.storage.database import AnyRow, Database

logger = logging.getLogger(__name__)

MAX_CLIENT_CHARACTERS = 128
_PREFIX = "SLDK"
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_FORM = re.compile(_PREFIX + "[A-Z2-7]{16}")
_CACHE_SECONDS = 0.25
_USE_MS = 60_000
_CHECK_CHARACTERS = 4

_keys = schema.api_keys


@dataclass(frozen=True)
class ApiKey:
    """One client's key; times are milliseconds since 1970 UTC, ``last_used_ms`` to the minute."""

    access_key_id: str
    client: str
    created_ms: int
    revoked_ms: int | None
    last_used_ms: int | None
    purpose: Purpose


def create_key(
    database: Database, desk_key: DeskKey, now_ms: int, client: str, purpose: Purpose = UNLIMITED
) -> tuple[str, str]:
    """A new access key id and its secret. The desk's own key is made when there is none yet.

    Parameters
    ----------
    purpose
        What the key may do, for good; its ``holder`` is left out, the key's id and client take its place.

    Raises
    ------
    InvalidRequest
        The client name is empty, too long or not printable.
    DeskSetupError
        The desk's own key is missing, unreadable or not the one that the other keys were made with.
    """
    if not client.strip() or not client.isprintable() or len(client) > MAX_CLIENT_CHARACTERS:
        raise InvalidRequest(f"The client's name must be 1 to {MAX_CLIENT_CHARACTERS} printable characters.")
    if not desk_key.exists() and not has_keys(database):
        desk_key.make()
    check_desk_key(database, desk_key)
    access_key_id = _PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(16 - _CHECK_CHARACTERS))
    access_key_id += _check_characters(desk_key, access_key_id)
    with database.write() as connection:
        connection.execute(
            insert(_keys).values(
                access_key_id=access_key_id,
                client=client,
                created_ms=now_ms,
                operations=purpose.operations,
                team=purpose.team,
                read_prefixes=prefixes.stored(purpose.reads),
                write_prefixes=prefixes.stored(purpose.writes),
            )
        )
        record(connection, now_ms, Action.KEY_MADE, f"key/{access_key_id}")
    return access_key_id, derive_secret(desk_key, access_key_id)


def derive_secret(desk_key: DeskKey, access_key_id: str) -> str:
    """The secret access key: 240 bits in 40 characters, the form of Amazon's."""
    return base64.b64encode(desk_key.derive(access_key_id)[:30]).decode()


def list_keys(database: Database) -> list[ApiKey]:
    """All keys, the oldest first, revoked ones included."""
    query = select(_keys).order_by(_keys.c.created_ms, _keys.c.access_key_id)
    with database.read() as connection:
        rows = connection.execute(query).all()
    return [
        ApiKey(
            access_key_id=row.access_key_id,
            client=row.client,
            created_ms=row.created_ms,
            revoked_ms=row.revoked_ms,
            last_used_ms=row.last_used_ms,
            purpose=_purpose(row),
        )
        for row in rows
    ]


def revoke_key(database: Database, now_ms: int, access_key_id: str) -> bool:
    """Refuse this key from now on, for good; returns whether it was valid until now.

    Raises
    ------
    InvalidRequest
        There is no such key.
    """
    mine = _keys.c.access_key_id == access_key_id
    with database.write() as connection:
        row = connection.execute(select(_keys).where(mine)).one_or_none()
        if row is None:
            raise InvalidRequest(f"There is no key {access_key_id}: see list-keys.")
        good = update(_keys).where(mine, _keys.c.revoked_ms.is_(None))
        if connection.execute(good.values(revoked_ms=now_ms)).rowcount:
            record(connection, now_ms, Action.KEY_REVOKED, f"key/{access_key_id}")
    return row.revoked_ms is None


def has_keys(database: Database) -> bool:
    """Whether any key is valid."""
    return _latest_good(database) is not None


def check_desk_key(database: Database, desk_key: DeskKey) -> None:
    """Raise DeskSetupError when there are keys and this desk key is not the one they were made with."""
    access_key_id = _latest_good(database)
    if access_key_id is not None and not _belongs(desk_key, access_key_id):
        raise DeskSetupError(
            f"The desk's key {desk_key.path} is not the one that the database's API keys were made with: "
            "use that one, or revoke all keys and make new ones."
        )


def _latest_good(database: Database) -> str | None:
    query = select(_keys.c.access_key_id).where(_keys.c.revoked_ms.is_(None))
    with database.read() as connection:
        return connection.scalar(query.order_by(_keys.c.created_ms.desc()).limit(1))


def _check_characters(desk_key: DeskKey, start: str) -> str:
    return base64.b32encode(desk_key.derive(start)).decode()[:_CHECK_CHARACTERS]


def _belongs(desk_key: DeskKey, access_key_id: str) -> bool:
    start, check = access_key_id[:-_CHECK_CHARACTERS], access_key_id[-_CHECK_CHARACTERS:]
    return _check_characters(desk_key, start) == check


def _purpose(row: AnyRow) -> Purpose:
    return Purpose(
        holder=f"The key {row.access_key_id} ({row.client})",
        operations=row.operations,
        team=row.team,
        reads=prefixes.loaded(row.read_prefixes),
        writes=prefixes.loaded(row.write_prefixes),
    )


class ApiKeys:
    """Secrets by access key id, for the signature check: those of a file, and those of the database."""

    def __init__(
        self, database: Database, desk_key: DeskKey, clock: Clock, fixed: Mapping[str, str] | None = None
    ) -> None:
        self._database = database
        self._desk_key = desk_key
        self._clock = clock
        self._fixed = dict(fixed or {})
        self._good: dict[str, tuple[str, float]] = {}
        self._purposes: dict[str, Purpose] = {}
        self._used: set[str] = set()
        self._lock = threading.Lock()

    async def secret(self, access_key_id: str) -> str | None:
        """The secret of a key that may call, else None."""
        fixed = self._fixed.get(access_key_id)
        if fixed is not None or not _FORM.fullmatch(access_key_id):
            return fixed
        known = self._good.get(access_key_id)
        if known is not None and time.monotonic() < known[1]:
            return known[0]
        return await run_in_threadpool(self._look_up, access_key_id)

    def purpose(self, access_key_id: str) -> Purpose:
        """What a key was made for. Queries the database the first time: call it in a thread.

        Raises
        ------
        AccessDenied
            There is no such key.
        """
        if access_key_id in self._fixed:
            return UNLIMITED
        known = self._purposes.get(access_key_id)
        if known is None:
            query = select(_keys).where(_keys.c.access_key_id == access_key_id)
            with self._database.read() as connection:
                row = connection.execute(query).one_or_none()
            if row is None:
                raise AccessDenied(f"There is no key {access_key_id} any more: make one with create-key.")
            # It never changes; and only keys that have signed a call come here.
            known = self._purposes[access_key_id] = _purpose(row)
        return known

    def used(self, access_key_id: str) -> None:
        """Note that a call was signed with this key; ``flush`` writes it to the database."""
        if access_key_id not in self._fixed:
            with self._lock:
                self._used.add(access_key_id)

    def flush(self) -> None:
        """Write when keys were last used, for each at most once a minute."""
        with self._lock:
            used, self._used = self._used, set()
        if not used:
            return
        now_ms = self._clock()
        stale = or_(_keys.c.last_used_ms.is_(None), _keys.c.last_used_ms <= now_ms - _USE_MS)
        due = (_keys.c.access_key_id.in_(used), stale)
        with self._database.read() as connection:
            if connection.scalar(select(_keys.c.access_key_id).where(*due).limit(1)) is None:
                return
        with self._database.write() as connection:
            connection.execute(update(_keys).where(*due).values(last_used_ms=now_ms))

    def _look_up(self, access_key_id: str) -> str | None:
        asked = time.monotonic()
        query = select(_keys.c.revoked_ms).where(_keys.c.access_key_id == access_key_id)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None or row.revoked_ms is not None:
            self._good.pop(access_key_id, None)
            return None
        try:
            secret = derive_secret(self._desk_key, access_key_id)
        except DeskSetupError as error:
            logger.error("API keys cannot be checked: %s", error.message)
            return None
        self._good[access_key_id] = (secret, asked + _CACHE_SECONDS)
        return secret
