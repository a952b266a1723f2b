"""Opening the database and running short transactions on it.

On SQLite writers queue on a lock within one process instead of polling for the database's, and whoever
writes is alone. On PostgreSQL many write at once: what a transaction decides on is claimed by a
compare-and-swap UPDATE or locked by ``with_for_update``, which SQLite leaves out.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import Connection, Engine, Row, insert, select
from sqlalchemy.exc import SQLAlchemyError

from include.review_desk.errors import DeskSetupError
from include.review_desk.storage import schema
from include.review_desk.storage.engines import describe, make_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

AnyRow: TypeAlias = "Row[*tuple[Any, ...]]"
"""A row of whatever columns the query selected."""


class Database:
    """Short read and write transactions on one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
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

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Open the database at ``url`` (SQLite or PostgreSQL) and create what is missing.

    Raises
    ------
    DeskSetupError
        Unreadable URL, folder that does not exist, file that is no database, server that does not answer or
        lets nobody in, or tables of another version.
    """
    database = Database(make_engine(url))
    try:
        _create_tables(database)
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


def _create_tables(database: Database) -> None:
    with database.write() as connection:
        schema.metadata.create_all(connection)
        version = connection.scalar(select(schema.meta.c.value).where(schema.meta.c.key == "schema_version"))
        if version is None:
            connection.execute(insert(schema.meta).values(key="schema_version", value=schema.SCHEMA_VERSION))
        elif version != schema.SCHEMA_VERSION:
            raise DeskSetupError(
                f"The database has tables of version {version}, this desk needs {schema.SCHEMA_VERSION}."
            )
