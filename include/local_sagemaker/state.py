"""The server's state: one SQLite file, so that a restart finds everything as it was.

Documents are JSON objects in the form of the Describe operations, with times as epoch seconds; members
whose name starts with an underscore are the server's own. All access happens on the event loop's thread, so
that a check and the write that depends on it are never interleaved with another request.
"""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Document = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS resource (
    kind TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (kind, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tag (
    arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (arn, key)
) WITHOUT ROWID; CREATE TABLE IF NOT EXISTS operation (name TEXT PRIMARY KEY, calls INTEGER NOT NULL)
WITHOUT ROWID; CREATE TABLE IF NOT EXISTS process (pid INTEGER PRIMARY KEY, started_ticks INTEGER NOT NULL,
command TEXT NOT NULL);
"""


class Store:
    """The resources, their tags, the calls counted so far and the processes that run."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def insert(self, kind: str, name: str, document: Document) -> bool:
        """Store a new resource; False when the name is taken."""
        cursor = self._connection.execute(
            "INSERT OR IGNORE INTO resource VALUES (?, ?, ?)", (kind, name, json.dumps(document))
        )
        return cursor.rowcount == 1

    def get(self, kind: str, name: str) -> Document | None:
        """Return a copy of a resource, None when there is none of that name."""
        row = self._connection.execute(
            "SELECT document FROM resource WHERE kind = ? AND name = ?", (kind, name)
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def update(self, kind: str, name: str, **members: Any) -> Document:
        """Set members of a resource (None removes one) and return what it is now.

        Raises
        ------
        KeyError
            When there is no such resource.
        """
        document = self.get(kind, name)
        if document is None:
            raise KeyError(f"{kind}/{name}")
        document.update(members)
        document = {key: value for key, value in document.items() if value is not None}
        self._connection.execute(
            "UPDATE resource SET document = ? WHERE kind = ? AND name = ?", (json.dumps(document), kind, name)
        )
        return document

    def delete(self, kind: str, name: str) -> bool:
        """Delete a resource; False when there was none."""
        cursor = self._connection.execute("DELETE FROM resource WHERE kind = ? AND name = ?", (kind, name))
        return cursor.rowcount == 1

    def all(self, kind: str) -> list[Document]:
        """Return all resources of a kind, by name."""
        rows = self._connection.execute("SELECT document FROM resource WHERE kind = ? ORDER BY name", (kind,))
        return [json.loads(row[0]) for row in rows]

    def tags(self, arn: str) -> list[dict[str, str]]:
        """Return a resource's tags as the API writes them, by key."""
        rows = self._connection.execute("SELECT key, value FROM tag WHERE arn = ? ORDER BY key", (arn,))
        return [{"Key": key, "Value": value} for key, value in rows]

    def add_tags(self, arn: str, tags: list[dict[str, str]]) -> None:
        """Add tags, replacing those of the same key."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO tag VALUES (?, ?, ?)", [(arn, tag["Key"], tag["Value"]) for tag in tags]
        )

    def delete_tags(self, arn: str, keys: list[str] | None = None) -> None:
        """Remove the tags of these keys, or all."""
        if keys is None:
            self._connection.execute("DELETE FROM tag WHERE arn = ?", (arn,))
        else:
            self._connection.executemany(
                "DELETE FROM tag WHERE arn = ? AND key = ?", [(arn, key) for key in keys]
            )

    def count_call(self, operation: str) -> None:
        """Count one call of an operation."""
        self._connection.execute(
            "INSERT INTO operation VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET calls = calls + 1",
            (operation,),
        )

    def calls(self) -> dict[str, int]:
        """Return how often each operation was called since the state was created."""
        return dict(self._connection.execute("SELECT name, calls FROM operation ORDER BY name").fetchall())

    def remember_process(self, pid: int, started_ticks: int, command: str) -> None:
        """Record a process that must not outlive the server."""
        self._connection.execute(
            "INSERT OR REPLACE INTO process VALUES (?, ?, ?)", (pid, started_ticks, command)
        )

    def forget_process(self, pid: int) -> None:
        """Delete the record of a process that has ended."""
        self._connection.execute("DELETE FROM process WHERE pid = ?", (pid,))

    def processes(self) -> list[tuple[int, int]]:
        """Return pid and start time, in clock ticks since boot, of every recorded process."""
        return [
            (pid, ticks) for pid, ticks in self._connection.execute("SELECT pid, started_ticks FROM process")
        ]
