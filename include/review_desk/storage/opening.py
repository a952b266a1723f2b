"""Opening the desk's database, with its tables brought up to date."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from include.review_desk.errors import DeskSetupError
from include.review_desk.storage import facts, journal
from include.review_desk.storage.database import Database
from include.review_desk.storage.engines import describe, make_engine
from include.review_desk.storage.upgrade import bring_up_to_date

# SQLite's words, and what to do.
_ADVICE = {
    "is full": "make room on its disk",
    "disk I/O error": "check its disk, and whether it is full",
    "readonly database": "let this user write the file and its folder",
    "unable to open database file": "let this user read and write the file and its folder",
    "database is locked": "wait until the program that writes to it has ended",
}


def open_database(url: str, *, journaled: bool = True) -> Database:
    """Open the database at ``url`` (SQLite or PostgreSQL); make its tables or bring them up to date.

    Its journal is the one that the environment names, else the one that the database remembers.

    Parameters
    ----------
    journaled
        False: without a journal, whatever the environment says.

    Raises
    ------
    DeskSetupError
        Unreadable URL, folder that does not exist, file that is no database, server that does not answer or
        refuses the connection, tables of a newer desk, or a journal that is not there, cannot be written or
        is of another Desk.
    """
    database = Database(make_engine(url))
    try:
        bring_up_to_date(database)
        if journaled:
            database.journal = _journal(database)
    except (SQLAlchemyError, sqlite3.Error) as error:
        database.close()
        raise DeskSetupError(
            f"The database {describe(database.engine)} cannot be opened: {in_words(error)}."
        ) from None
    except BaseException:
        database.close()
        raise
    return database


def open_existing(url: str) -> Database:
    """As ``open_database``, for commands that have nothing to do in a new database.

    Raises
    ------
    DeskSetupError
        There is no such file of SQLite's; and as ``open_database``.
    """
    file = Path(make_engine(url).url.database or "")
    if url.startswith("sqlite") and not file.exists():
        raise DeskSetupError(
            f"There is no database {file}: check --database or the environment DESK_DATABASE. The commands "
            "create-key, invite, add-worker and serve make one."
        )
    return open_database(url)


def _journal(database: Database) -> journal.Journal | None:
    given = os.environ.get(journal.ENVIRONMENT) or None
    with database.read() as connection:
        identity = facts.get(connection, facts.IDENTITY)
        remembered = facts.get(connection, facts.JOURNAL)
    path = None if given == journal.NONE else given or remembered
    kept = None
    if path is not None:
        path = os.path.abspath(path)
        _check_remembered(path, remembered, is_given=given is not None)
        kept = journal.Journal(Path(path))
        kept.claim(identity or "")
    if path != remembered:
        with database.write() as connection:
            facts.put(connection, facts.JOURNAL, path)
    return kept


def _check_remembered(path: str, remembered: str | None, *, is_given: bool) -> None:
    """Acts in two files, or in a file where none was, would not all be restored."""
    if not is_given and not os.path.exists(path):
        raise DeskSetupError(
            f"The journal {path}, which this database remembers, is not there: mount its disk, or set "
            f"{journal.ENVIRONMENT} to another file, or to {journal.NONE} to go on without."
        )
    if is_given and remembered not in (None, path) and os.path.exists(str(remembered)):
        raise DeskSetupError(
            f"This Desk's journal is {remembered}, but {journal.ENVIRONMENT} names {path}: unset it or "
            "correct it. To use another file, stop the Desk and move the journal there."
        )


def in_words(error: Exception) -> str:
    """What the driver said, as one line, and what to do about it."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    said = lines[0].strip().rstrip(".") if lines else type(error).__name__
    advice = next((advice for part, advice in _ADVICE.items() if part in said), None)
    return f"{said} ({advice}, then try again)" if advice else said
