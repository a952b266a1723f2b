"""A file beside the database of what must survive its loss: what was acknowledged since the last backup.

A transaction notes entries with :func:`note`; they are on disk before it is committed, so before anybody is
told. ``restore`` adds them to the backup, each once, however often it is in the file. The journal
is of use where the database's disk is not: put it on another.

JSON Lines, one entry each. A line that was cut off by a crash was acknowledged to no one and is passed over.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.review_desk.errors import DeskSetupError, JournalError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

logger = logging.getLogger(__name__)
# Commands print the sentence themselves, and configure no log.
logger.addHandler(logging.NullHandler())

ENVIRONMENT = "DESK_JOURNAL"
"""Names the file. Every command that writes to the database needs it, so it is no option of one."""

_NOTED = "desk_noted"
_BLOCK_BYTES = 65536

Entry = dict[str, Any]


class Journal:
    """The file; several threads and processes may append to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def append(self, entries: Sequence[Entry]) -> None:
        """Write entries, all or none, and return once they are on disk.

        Raises
        ------
        JournalError
            They cannot be written.
        """
        lines = "".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in entries).encode()
        try:
            with self._alone() as file:
                _append(file, lines)
        except OSError as error:
            failure = JournalError(
                f"The journal {self.path} ({ENVIRONMENT}) cannot be written: {error.strerror}. Nothing was "
                "changed: free or mount its disk, or name another file, and try again."
            )
            logger.error("%s", failure)
            raise failure from None

    def move_to(self, target: Path) -> None:
        """Move all entries to another file, which must not exist; the journal begins again."""
        with self._alone() as file, target.open("xb") as moved:
            file.seek(0)
            shutil.copyfileobj(file, moved)
            moved.flush()
            os.fsync(moved.fileno())
            file.truncate(0)
            os.fsync(file.fileno())

    @contextlib.contextmanager
    def _alone(self) -> Iterator[Any]:
        """The file, which no other thread or process writes meanwhile."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with self._lock, os.fdopen(descriptor, "r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file


def of_environment() -> Journal | None:
    """The journal that the environment names, if it names one.

    Raises
    ------
    DeskSetupError
        It cannot be written.
    """
    given = os.environ.get(ENVIRONMENT)
    if not given:
        return None
    journal = Journal(Path(given))
    try:
        journal.append([])
    except JournalError as error:
        raise DeskSetupError(str(error)) from None
    return journal


def noting(noted: list[Entry]) -> dict[str, Any]:
    """Execution options of a connection whose notes come into ``noted``."""
    return {_NOTED: noted}


def is_kept(connection: Connection) -> bool:
    """Whether there is a journal that the transaction can note something in."""
    return _NOTED in connection.get_execution_options()


def note(connection: Connection, entry: Entry) -> None:
    """Let the journal have an entry, if there is one, when the transaction is about to be committed."""
    if is_kept(connection):
        connection.get_execution_options()[_NOTED].append(entry)


def read(path: Path) -> Iterator[Entry]:
    """The entries of a journal, oldest first; nothing where there is no file."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            with contextlib.suppress(ValueError):
                yield json.loads(line)


def _append(file: Any, lines: bytes) -> None:
    """Write lines at the end, in place of one that was cut off there; leave the file as it is on failure."""
    end = _end_of_lines(file)
    try:
        file.truncate(end)
        rest = memoryview(lines)
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    except OSError:
        # No line may stay of what is rolled back.
        file.truncate(end)
        raise


def _end_of_lines(file: Any) -> int:
    """Where the last complete line ends: what follows was cut off by a crash."""
    end = int(file.seek(0, os.SEEK_END))
    while end:
        begin = max(0, end - _BLOCK_BYTES)
        file.seek(begin)
        newline = file.read(end - begin).rfind(b"\n")
        if newline >= 0:
            return begin + int(newline) + 1
        end = begin
    return 0
