"""The database as one file, while the desk runs, and back: by PostgreSQL's programs, or by SQLite's copy."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from typing import TYPE_CHECKING

from sqlalchemy import inspect

from include.review_desk.errors import DeskSetupError
from include.review_desk.storage.engines import describe, make_engine

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import URL

FILE = "database.dump"


def take(url: str, target: Path) -> None:
    """Write the database at ``url``, as it is at one moment, to a file that does not exist yet.

    Raises
    ------
    DeskSetupError
        PostgreSQL's programs are missing, or say why they failed; or there is no such SQLite file.
    """
    parsed = make_engine(url).url
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    if parsed.get_backend_name() == "sqlite":
        _copy(str(parsed.database), str(target))
    else:
        _run("pg_dump", parsed, "--format=custom", "--no-owner", "--no-acl", f"--file={target}")


def put_back(source: Path, url: str) -> None:
    """Make the database at ``url``, which has no tables, what it was when the file was written.

    Raises
    ------
    DeskSetupError
        It has tables, or as ``take`` says.
    """
    engine = make_engine(url)
    if engine.dialect.name == "sqlite":
        if os.path.exists(str(engine.url.database)):
            raise _not_empty(str(engine.url.database))
        _copy(str(source), str(engine.url.database))
        return
    tables = inspect(engine).get_table_names()
    engine.dispose()
    if tables:
        raise _not_empty(describe(engine))
    words = ("--no-owner", "--no-acl", "--exit-on-error", "--single-transaction")
    _run("pg_restore", engine.url, *words, str(source))


def _copy(source: str, target: str) -> None:
    if not os.path.isfile(source):
        raise DeskSetupError(f"There is no database {source}.")
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT, 0o600))
    with (
        contextlib.closing(sqlite3.connect(source)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


def _run(program: str, url: URL, *words: str) -> None:
    """Run one of PostgreSQL's programs; only their owner can read the environment, with the password."""
    found = shutil.which(program)
    if found is None:
        raise DeskSetupError(
            f"{program} is not here: install PostgreSQL's client programs (Debian: postgresql-client)."
        )
    address = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    given = os.environ | ({"PGPASSWORD": str(url.password)} if url.password else {})
    done = subprocess.run(
        [found, f"--dbname={address}", *words], env=given, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0]
        raise DeskSetupError(f"{program} failed: {said}")


def _not_empty(what: str) -> DeskSetupError:
    return DeskSetupError(
        f"The database {what} is not empty: restore into a new one, so that nothing of it is lost."
    )
