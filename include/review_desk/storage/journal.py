"""A file beside the database of what must survive its loss: what was acknowledged since the last backup.

A transaction notes entries with :func:`note`; they are on disk before it is committed, so before anybody is
told. ``restore`` adds them to the backup, each once, however often it is in the file. The journal
is of use where the database's disk is not: put it on another.

JSON Lines, one entry each. A line that was cut off by a crash was acknowledged to no one and is passed over.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import shutil
import threading
from dataclasses import dataclass, field
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
NONE = "none"
"""In its place: no journal, although the database remembers one."""

_DESK = "desk"

_NOTED = "desk_noted"
_BLOCK_BYTES = 65536

Entry = dict[str, Any]


@dataclass(frozen=True)
class Contents:
    """What is in a journal.

    Parameters
    ----------
    entries
        Oldest first.
    identity
        The Desk whose journal it is; None where no line says so.
    damaged
        The numbers of lines that cannot be read.
    is_cut_off
        Whether the last line is not complete, as a crash leaves it.
    """

    entries: list[Entry] = field(default_factory=list)
    identity: str | None = None
    damaged: list[int] = field(default_factory=list)
    is_cut_off: bool = False


class Journal:
    """The file; several threads and processes may append to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.identity: str | None = None
        self._lock = threading.Lock()

    def append(self, entries: Sequence[Entry]) -> None:
        """Write entries, all or none, and return once they are on disk.

        Raises
        ------
        JournalError
            They cannot be written.
        """
        lines = _lines(entries)
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

    def claim(self, identity: str) -> None:
        """Make it the journal of this Desk, or see that it is.

        Raises
        ------
        DeskSetupError
            It is another Desk's, or cannot be written.
        """
        try:
            self.append([])
            found = read_identity(self.path)
            if found is None:
                self.append([{"kind": _DESK, "identity": identity}])
                found = read_identity(self.path)
        except JournalError as error:
            raise DeskSetupError(str(error)) from None
        if found != identity:
            raise DeskSetupError(
                f"The journal {self.path} ({ENVIRONMENT}) is another Desk's: give each Desk its own file."
            )
        self.identity = identity

    def move_to(self, target: Path) -> None:
        """Move all entries to another file, which must not exist; the journal begins again."""
        new = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(new, "wb") as moved, self._alone() as file:
            file.truncate(_end_of_lines(file))
            file.seek(0)
            shutil.copyfileobj(file, moved)
            moved.flush()
            os.fsync(moved.fileno())
            file.truncate(0)
            _append(file, _lines([{"kind": _DESK, "identity": self.identity}] if self.identity else []))

    def is_writable(self) -> bool:
        """Whether there is room for more, without waiting for those who write at present."""
        if not self._lock.acquire(blocking=False):
            return True
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "r+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _try_room(file)
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            self._lock.release()
        return True

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
        There is no such file.
    """
    given = os.environ.get(ENVIRONMENT)
    if not given or given == NONE:
        return None
    path = Path(os.path.abspath(given))
    if not path.is_file():
        raise DeskSetupError(
            f"There is no journal {given} ({ENVIRONMENT}): mount its disk or correct the name. To restore "
            f"without what came after the backup, unset {ENVIRONMENT}."
        )
    return Journal(path)


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


def read(path: Path) -> Contents:
    """What is in a journal.

    Raises
    ------
    OSError
    """
    entries: list[Entry] = []
    damaged: list[int] = []
    identity = None
    line = b"\n"
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            entry = _parse(line)
            if entry is None and line.endswith(b"\n"):
                damaged.append(number)
            elif entry is not None and entry.get("kind") == _DESK:
                identity = identity or entry.get("identity")
            elif entry is not None:
                entries.append(entry)
    return Contents(entries, identity, damaged, not line.endswith(b"\n"))


def read_identity(path: Path) -> str | None:
    """The Desk whose journal it is: nearly always the first line says so."""
    with path.open("rb") as file:
        for line in file:
            entry = _parse(line)
            if entry is not None and entry.get("kind") == _DESK:
                return str(entry.get("identity"))
    return None


def _parse(line: bytes) -> Entry | None:
    with contextlib.suppress(ValueError):
        entry = json.loads(line)
        if isinstance(entry, dict):
            return entry
    return None


def _lines(entries: Sequence[Entry]) -> bytes:
    return "".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in entries).encode()


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


def _try_room(file: Any) -> None:
    """Write and take back as much as a long entry needs: what a crash leaves of it is no line."""
    end = _end_of_lines(file)
    try:
        if file.write(b" " * _BLOCK_BYTES) < _BLOCK_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        file.truncate(end)


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
