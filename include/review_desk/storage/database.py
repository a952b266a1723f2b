"""Opening the database and running short transactions on it.

On SQLite writers queue on a lock within one process instead of polling for the database's, and whoever
writes is alone. On PostgreSQL many write at once: what a transaction decides on is claimed by a
compare-and-swap UPDATE or locked by ``with_for_update``, which SQLite leaves out.

Statements that every request of a reviewer runs are built once, with ``bindparam`` for what differs: to build
one anew costs four times as much as to run it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy.exc import SQLAlchemyError

from include.review_desk.errors import DeskSetupError
from include.review_desk.storage.engines import describe, make_engine
from include.review_desk.storage.storable import refuse_unstorable_values
from include.review_desk.storage.upgrade import bring_up_to_date

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine, Row

AnyRow: TypeAlias = "Row[*tuple[Any, ...]]"
"""A row of whatever columns the query selected."""


class Database:
    """Short read and write transactions on one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        refuse_unstorable_values(engine)
        sqlite = engine.dialect.name == "sqlite"
        self._writer: contextlib.AbstractContextManager[Any] = (
            threading.Lock() if sqlite else contextlib.nullcontext()
        )
        self._reading: dict[str, Any] = (
            {} if sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        )

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads; sees one state of the database throughout."""
        with self.engine.connect() as connection:
            if self._reading:
                connection = connection.execution_options(**self._reading)
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed on leaving, rolled back on any exception."""
        with self._writer, self.engine.connect() as connection:
            connection = connection.execution_options(desk_writes=True)
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def migrate(self) -> Iterator[Connection]:
        """As ``write``; SQLite can make tables anew in it without a thought for who refers to them."""
        if self.engine.dialect.name != "sqlite":
            with self.write() as connection:
                yield connection
            return
        with self._writer, self.engine.connect() as connection:
            connection = connection.execution_options(desk_writes=True)
            # Within a transaction SQLite would ignore this.
            connection.connection.cursor().execute("PRAGMA foreign_keys=OFF")
            try:
                with connection.begin():
                    yield connection
            finally:
                # The next to have this connection has its references checked again.
                connection.invalidate()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Open the database at ``url`` (SQLite or PostgreSQL); make its tables or bring them up to date.

    Raises
    ------
    DeskSetupError
        Unreadable URL, folder that does not exist, file that is no database, server that does not answer or
        lets nobody in, or tables of a newer desk.
    """
    database = Database(make_engine(url))
    try:
        bring_up_to_date(database)
    except (SQLAlchemyError, sqlite3.Error) as error:
        database.close()
        raise DeskSetupError(
            f"The database {describe(database.engine)} cannot be opened: {_reason(error)}."
        ) from None
    except BaseException:
        database.close()
        raise
    return database


def _reason(error: Exception) -> str:
    """What the driver said, as one line."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0].strip().rstrip(".") if lines else type(error).__name__
