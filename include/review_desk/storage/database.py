"""Short transactions on the database.

On SQLite writers queue on a lock within the process instead of polling for the database's, so there is one
writer at a time. On PostgreSQL many write at once: what a transaction decides on is claimed by a
compare-and-swap UPDATE or locked by ``with_for_update``, which SQLite ignores.

Statements that every reviewer's request runs are built once, with ``bindparam`` for what differs: building
one costs four times as much as running it.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

from include.review_desk.storage.journal import noting
from include.review_desk.storage.storable import refuse_unstorable_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine, Row

    from include.review_desk.storage.journal import Entry, Journal

AnyRow: TypeAlias = "Row[*tuple[Any, ...]]"
"""A row of whatever columns the query selected."""


class Database:
    """Short read and write transactions on one engine.

    Parameters
    ----------
    journal
        Where the notes of transactions are kept.
    """

    def __init__(self, engine: Engine, journal: Journal | None = None) -> None:
        self.engine = engine
        self.journal = journal
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
        """A transaction that is committed on leaving, rolled back on any exception.

        What it notes for the journal is on disk before the commit: what the journal cannot keep is not done.
        A commit that fails afterwards leaves lines of what was acknowledged to no one.

        Raises
        ------
        JournalError
            The journal cannot be written, and everything was rolled back.
        """
        noted: list[Entry] = []
        options: dict[str, Any] = noting(noted) if self.journal is not None else {}
        with self._writer, self.engine.connect() as connection:
            connection = connection.execution_options(desk_writes=True, **options)
            with connection.begin():
                yield connection
                if self.journal is not None and noted:
                    self.journal.append(noted)

    @contextlib.contextmanager
    def migrate(self) -> Iterator[Connection]:
        """As ``write``, with SQLite's foreign keys off, so that tables can be rebuilt."""
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
                # The next user of this connection has foreign keys checked again.
                connection.invalidate()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()
