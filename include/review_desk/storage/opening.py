"""Opening the desk's database, with its tables brought up to date."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import SQLAlchemyError

from include.review_desk.errors import DeskSetupError
from include.review_desk.storage import journal
from include.review_desk.storage.database import Database
from include.review_desk.storage.engines import describe, make_engine
from include.review_desk.storage.upgrade import bring_up_to_date


def open_database(url: str) -> Database:
    """Open the database at ``url`` (SQLite or PostgreSQL); make its tables or bring them up to date.

    Its journal is the one that the environment names.

    Raises
    ------
    DeskSetupError
        Unreadable URL, folder that does not exist, file that is no database, server that does not answer or
        refuses the connection, or tables of a newer desk.
    """
    database = Database(make_engine(url), journal.of_environment())
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
