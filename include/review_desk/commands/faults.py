"""What a command says when the machine fails it: full disk, no permission, a database that breaks."""

from __future__ import annotations

import errno
import os
import sqlite3
import sys

from sqlalchemy.exc import DBAPIError, IntegrityError

from include.review_desk.errors import DeskError
from include.review_desk.storage.engines import describe, make_engine
from include.review_desk.storage.opening import in_words

# Ended by SIGINT, as a shell counts it.
INTERRUPTED = 130

_ADVICE = {
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room, or have the quota raised",
    errno.EROFS: "choose a place that can be written, or mount it for writing",
    errno.EACCES: "run the command as the user that owns it, or change its permissions",
    errno.EPERM: "run the command as the user that owns it, or change its permissions",
    errno.EMFILE: "raise the number of open files (ulimit -n)",
    errno.EIO: "check the disk",
}


def of_system(error: OSError) -> str:
    """One sentence about a file, a disk or the network."""
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes)) else ""
    advice = _ADVICE.get(error.errno or 0)
    return f"{where}{error.strerror or error}{f': {advice}, then try again' if advice else ''}."


def of_database(error: DBAPIError | sqlite3.Error, url: str | None) -> str:
    """One sentence about the database at ``url``, without its password.

    Raises
    ------
    IntegrityError
        The fault is the desk's own.
    """
    if isinstance(error, (IntegrityError, sqlite3.IntegrityError)):
        raise error
    return f"The database {_place(url)} failed: {in_words(error)}."


def write_out() -> str | None:
    """Write what was printed, now; the sentence if it cannot be, None if it could."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # What is left would fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return "Not all of the output was read."
        return f"Standard output: {of_system(error)}"
    return None


def _place(url: str | None) -> str:
    try:
        return describe(make_engine(url or ""))
    except DeskError:
        return ""
