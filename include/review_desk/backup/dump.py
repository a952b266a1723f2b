"""The database as one file, while the desk runs, and back: by PostgreSQL's programs, or by SQLite's copy."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect

from include.review_desk.errors import DeskSetupError
from include.review_desk.storage.engines import describe, make_engine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import URL

FILE = "database.dump"

# pg_restore 17 sets it for every server, and those before 17 refuse it.
_NEW_SETTINGS = (b"SET transaction_timeout = 0;",)
_HEADER_LINES = 40


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
        try:
            _copy(str(parsed.database), str(target))
        except sqlite3.Error as error:
            raise DeskSetupError(f"The backup {target} cannot be written: {error}.") from None
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
        _copy_whole(source, Path(str(engine.url.database)))
        return
    tables = inspect(engine).get_table_names()
    engine.dispose()
    if tables:
        raise _not_empty(describe(engine))
    _restore(source, engine.url)


def take_away(url: str) -> None:
    """Delete the SQLite file that ``put_back`` has made; a database of PostgreSQL stays."""
    parsed = make_engine(url).url
    if parsed.get_backend_name() == "sqlite":
        _remove(Path(str(parsed.database)))


def _remove(database: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal", ".lock"):
        Path(f"{database}{end}").unlink(missing_ok=True)


def _copy_whole(source: Path, target: Path) -> None:
    """Copy a database, or leave nothing: a part of one would have to be deleted by hand."""
    try:
        _copy(str(source), str(target))
    except BaseException as error:
        _remove(target)
        if isinstance(error, (OSError, sqlite3.Error)):
            raise DeskSetupError(f"The database {target} cannot be written: {error}.") from None
        raise


def _copy(source: str, target: str) -> None:
    if not os.path.isfile(source):
        raise DeskSetupError(f"There is no database {source}.")
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT, 0o600))
    with (
        contextlib.closing(sqlite3.connect(source)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


def _restore(source: Path, url: URL) -> None:
    """Let psql do what pg_restore says, in one transaction."""
    restore = [_program("pg_restore"), "--no-owner", "--no-acl", "--file=-", str(source)]
    psql = [_program("psql"), f"--dbname={_address(url)}", "--no-psqlrc", "--quiet", "--output=/dev/null"]
    psql += ["--single-transaction", "--set=ON_ERROR_STOP=1"]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(restore, stdout=subprocess.PIPE, stderr=said) as reading,
        subprocess.Popen(psql, env=_environment(url), stdin=subprocess.PIPE, stderr=said) as writing,
    ):
        _feed(reading, writing)
        codes = (reading.returncode, writing.wait())
        said.seek(0)
        errors = said.read().decode("utf-8", "replace").strip().splitlines()
    if any(codes):
        raise DeskSetupError(f"pg_restore failed: {(errors or [f'exit codes {codes}'])[0]}")


def _feed(reading: subprocess.Popen[bytes], writing: subprocess.Popen[bytes]) -> None:
    """Send what one program writes to the other, which must not take an early end for the whole."""
    script, commands = reading.stdout, writing.stdin
    if script is None or commands is None:
        raise RuntimeError("The programs were started without pipes.")
    # A psql that has ended early says why itself, and pg_restore ends for want of a reader.
    with contextlib.suppress(BrokenPipeError):
        for line in without_new_settings(script):
            commands.write(line)
        commands.flush()
    script.close()
    if reading.wait():
        writing.kill()
    with contextlib.suppress(BrokenPipeError):
        commands.close()


def without_new_settings(script: Iterable[bytes]) -> Iterator[bytes]:
    """The script without what servers older than pg_restore do not know; it is among the first lines."""
    for number, line in enumerate(script):
        if number > _HEADER_LINES or line.strip() not in _NEW_SETTINGS:
            yield line


def _run(program: str, url: URL, *words: str) -> None:
    command = [_program(program), f"--dbname={_address(url)}", *words]
    done = subprocess.run(command, env=_environment(url), capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0]
        raise DeskSetupError(f"{program} failed: {said}")


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise DeskSetupError(
            f"{name} is not here: install PostgreSQL's client programs (Debian: postgresql-client)."
        )
    return found


def _address(url: URL) -> str:
    return url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)


def _environment(url: URL) -> dict[str, str]:
    """With the password: only their owner can read the environment of programs."""
    return os.environ | ({"PGPASSWORD": str(url.password)} if url.password else {})


def _not_empty(what: str) -> DeskSetupError:
    return DeskSetupError(
        f"The database {what} is not empty: restore into a new one, so that nothing of it is lost."
    )
