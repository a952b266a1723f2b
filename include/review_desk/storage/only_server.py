"""One server for each database.

Several servers would handle loops and answers correctly, since transactions protect those. But failed
sign-ins are counted in memory, and a server that starts takes over whatever the previous one was writing. So
a second one is refused: on SQLite by a lock on ``<database>.lock``, on PostgreSQL by an advisory lock on a
dedicated connection. Both end with the process, however it ends. Known limitation: when PostgreSQL restarts,
the desk keeps running without its lock, and a second one could start. Commands that add accounts or keys need
no lock.
"""

from __future__ import annotations

import contextlib
import fcntl
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from include.review_desk.errors import DeskSetupError
from include.review_desk.storage.engines import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.review_desk.storage.database import Database

# Any numbers that no one else locks in this database ("desk", "serv").
_LOCK = (0x6465736B, 0x73657276)
# A server that was killed a moment ago may still have a statement under way.
_PATIENCE = "SET lock_timeout = '5s'"
# Without these PostgreSQL would keep the lock for hours when the desk's machine has gone.
_KEEPALIVE = ("tcp_keepalives_idle = 10", "tcp_keepalives_interval = 5", "tcp_keepalives_count = 3")


@contextlib.contextmanager
def only_server(database: Database) -> Iterator[None]:
    """Hold the database against a second server, for as long as this process lives.

    Raises
    ------
    DeskSetupError
        Another server holds it.
    """
    lock = _lock_file if database.engine.dialect.name == "sqlite" else _advisory_lock
    with lock(database):
        yield


@contextlib.contextmanager
def _lock_file(database: Database) -> Iterator[None]:
    path = f"{database.engine.url.database}.lock"
    with open(path, "a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DeskSetupError(
                f"Another Review Desk serves this database already (it holds {path})."
            ) from None
        yield


@contextlib.contextmanager
def _advisory_lock(database: Database) -> Iterator[None]:
    with database.engine.connect() as pooled:
        connection = pooled.execution_options(isolation_level="AUTOCOMMIT")
        # Taken out of the pool, so that no one else uses or closes it.
        connection.detach()
        for setting in _KEEPALIVE:
            connection.exec_driver_sql(f"SET {setting}")
        connection.exec_driver_sql(_PATIENCE)
        try:
            connection.exec_driver_sql("SELECT pg_advisory_lock(%s, %s)", _LOCK)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != "55P03":
                raise
            raise DeskSetupError(
                f"Another Review Desk serves the database {describe(database.engine)} already."
            ) from None
        yield
