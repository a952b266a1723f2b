"""How often each operation was called, kept in the database so that a restart does not reset it."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from include.review_desk.storage import schema

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from include.review_desk.storage.database import Database

_counts = schema.operation_counts


class OperationCounts:
    """A counter whose increments reach the database with ``flush``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pending: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, operation: str) -> None:
        """Count one call."""
        with self._lock:
            self._pending[operation] += 1

    def flush(self) -> None:
        """Write what was counted since the last flush."""
        with self._lock:
            pending, self._pending = self._pending, Counter()
        if not pending:
            return
        try:
            self._write(pending)
        except BaseException:
            with self._lock:
                self._pending.update(pending)
            raise

    def totals(self) -> dict[str, int]:
        """Total counts by operation."""
        with self._database.read() as connection:
            stored = connection.execute(select(_counts.c.operation, _counts.c.count)).all()
        totals = Counter({row.operation: row[1] for row in stored})
        with self._lock:
            totals.update(self._pending)
        return dict(sorted(totals.items()))

    def _write(self, pending: Counter[str]) -> None:
        with self._database.write() as connection:
            # Always in the same order, so that two processes wait for each other but never deadlock.
            for operation, increment in sorted(pending.items()):
                _add(connection, operation, increment)


def _add(connection: Connection, operation: str, increment: int) -> None:
    more = update(_counts).where(_counts.c.operation == operation).values(count=_counts.c.count + increment)
    if connection.execute(more).rowcount == 0:
        try:
            with connection.begin_nested():
                connection.execute(insert(_counts).values(operation=operation, count=increment))
        except IntegrityError:
            # Another process counted its first call at the same moment.
            connection.execute(more)
