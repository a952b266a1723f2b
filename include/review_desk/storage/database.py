"""Opening the database and running short transactions on it.

SQLite runs in WAL mode with ``synchronous=FULL``: a committed answer survives kill -9 and loss of power.
Writers take the write lock when they begin (BEGIN IMMEDIATE), so that no transaction fails half-way for
want of it, and within one process they queue on a lock instead of polling. On PostgreSQL every row is
claimed by compare-and-swap UPDATEs, which the code uses everywhere, and neither lock exists.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import Connection, Engine, Row, create_engine, event, insert, make_url, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from include.review_desk.errors import DeskSetupError
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

AnyRow: TypeAlias = "Row[*tuple[Any, ...]]"
"""A row of whatever columns the query selected."""

_BUSY_TIMEOUT_SECONDS = 15


class Database:
    """Short read and write transactions on one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer: contextlib.AbstractContextManager[Any] = (
            threading.Lock() if engine.dialect.name == "sqlite" else contextlib.nullcontext()
        )

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads; sees one state of the database throughout."""
        with self.engine.connect() as connection, connection.begin():
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
    """Open the database at ``url`` and create what is missing.

    Raises
    ------
    DeskSetupError
        Unreadable URL, folder that does not exist, file that is no database, or tables of another version.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DeskSetupError(
            f"The database URL {url!r} is not readable: write it like sqlite:////var/lib/desk.db."
        ) from None
    if parsed.get_backend_name() != "sqlite":
        raise DeskSetupError(
            f"The database must be SQLite (sqlite:////path), not {parsed.get_backend_name()!r}."
        )
    if not parsed.database or parsed.database == ":memory:":
        raise DeskSetupError(
            "The database must be a file (sqlite:////path): one in memory loses every answer."
        )
    if not Path(parsed.database).absolute().parent.is_dir():
        raise DeskSetupError(f"The folder of the database {parsed.database} does not exist: create it first.")
    engine = create_engine(
        parsed, pool_size=24, max_overflow=40, connect_args={"timeout": _BUSY_TIMEOUT_SECONDS}
    )
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    database = Database(engine)
    try:
        _create_tables(database)
    except (SQLAlchemyError, sqlite3.Error) as error:
        engine.dispose()
        detail = str(getattr(error, "orig", None) or error)
        raise DeskSetupError(f"The database {parsed.database} cannot be opened: {detail}.") from error
    return database


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
