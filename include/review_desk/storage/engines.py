"""Engines for the two databases: SQLite in WAL mode, PostgreSQL through psycopg.

SQLite: ``synchronous=FULL``, so that a committed answer survives kill -9 and loss of power; writers take the
write lock when they begin (BEGIN IMMEDIATE), so that no transaction fails half-way for lack of it. The file
and its log are for their owner alone: they hold what people were shown and what they answered.

PostgreSQL: a reading transaction is REPEATABLE READ and sees one state throughout; a writing one is READ
COMMITTED and locks the rows it decides on. A server whose default is not to wait for its log
(``synchronous_commit=off``) is told to wait.

Both pools have room for the 40 threads that answer requests and the few background ones: a request never
waits for a connection, and PostgreSQL's usual 100 are not used up.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError

from include.review_desk.errors import DeskSetupError

if TYPE_CHECKING:
    import sqlite3

_KEPT_CONNECTIONS = 16
_MORE_CONNECTIONS = 32
_BUSY_TIMEOUT_SECONDS = 15
_CONNECT_TIMEOUT_SECONDS = 10
_RESTED_SECONDS = 5
# Does not quote the URL: an unescaped password may be anywhere in it.
_UNREADABLE = (
    "The database URL is not readable: write it like sqlite:////var/lib/desk.db or "
    "postgresql://user:password@host:5432/database, with %40 for @ and %2F for / in the password."
)


def make_engine(url: str) -> Engine:
    """An engine for ``url``; nothing is connected yet.

    Raises
    ------
    DeskSetupError
        Unreadable URL, another kind of database, or SQLite without a file or a folder for it.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed)
    return _postgresql_engine(parsed)


def describe(engine: Engine) -> str:
    """What messages call the database; without user, password or options."""
    url = engine.url
    if engine.dialect.name == "sqlite":
        return str(url.database)
    return f"{url.database or url.username} at {url.host or 'localhost'}:{url.port or 5432}"


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise DeskSetupError(_UNREADABLE) from None
    backend = parsed.drivername.partition("+")[0]
    if backend not in ("sqlite", "postgresql"):
        raise DeskSetupError(
            "The database must be SQLite (sqlite:////path) or PostgreSQL (postgresql://user@host/database), "
            f"not {backend[:40]!r}."
        )
    if "@" in f"{parsed.host}{parsed.database}" and backend == "postgresql":
        raise DeskSetupError(_UNREADABLE)
    return parsed


def _sqlite_engine(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise DeskSetupError(
            "The database must be a file (sqlite:////path): one in memory loses every answer."
        )
    if not Path(url.database).absolute().parent.is_dir():
        raise DeskSetupError(f"The folder of the database {url.database} does not exist: create it first.")
    engine = create_engine(
        url.set(drivername="sqlite"),
        pool_size=_KEPT_CONNECTIONS,
        max_overflow=_MORE_CONNECTIONS,
        # An error in the log must not show what people wrote.
        hide_parameters=True,
        connect_args={"timeout": _BUSY_TIMEOUT_SECONDS},
    )
    path = Path(url.database)
    event.listen(engine, "do_connect", lambda *_: _keep_private(path))
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _keep_private(path: Path) -> None:
    """Make the file if there is none, and take it away from group and others.

    SQLite gives the log and its index the mode of the file; those that an older desk left are changed, too. A
    file of another user and a device such as ``/dev/null`` stay as they are, and one that cannot be made is
    SQLite's to report.
    """
    with contextlib.suppress(OSError):
        # Not by opening it: closing a file gives up the locks that SQLite holds on it in the same process.
        os.mknod(path, 0o600 | stat.S_IFREG)
    for name in (path, f"{path}-wal", f"{path}-shm"):
        with contextlib.suppress(OSError):
            mode = os.stat(name).st_mode
            if stat.S_ISREG(mode) and mode & 0o077:
                os.chmod(name, stat.S_IMODE(mode) & 0o700)


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver must not begin transactions by itself: _begin_sqlite does, with the right kind of lock.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("desk_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql_engine(url: URL) -> Engine:
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=_KEPT_CONNECTIONS,
        max_overflow=_MORE_CONNECTIONS,
        hide_parameters=True,
        # Few connections do the work; the others are closed after a rush.
        pool_use_lifo=True,
        connect_args={
            "connect_timeout": _CONNECT_TIMEOUT_SECONDS,
            "application_name": "review-desk",
        },
    )
    event.listen(engine, "connect", _configure_postgresql)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _try_rested)
    return engine


def _configure_postgresql(connection: Any, _record: object) -> None:
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') = 'off'"
    )
    connection.commit()


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _try_rested(connection: Any, record: Any, _proxy: object) -> None:
    """Replace a connection that broke while idle. One that was just used is not tested again."""
    if time.monotonic() - record.info.get("used", time.monotonic()) < _RESTED_SECONDS:
        return
    # Takes a third of a second to import, which a desk on SQLite need not spend.
    import psycopg

    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.Error:
        raise DisconnectionError from None
