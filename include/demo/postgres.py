"""A PostgreSQL server for Airflow, from the distribution's binaries, with its data in the state folder.

SQLite has one writer: while Airflow's scheduler runs, no backfill can be created on it. So `make up` uses
PostgreSQL where it is installed. The server listens on loopback only and asks for a password.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from include.demo.machine import LOOPBACK, clean_environment
from include.demo.processes import Program, ServiceFailed
from include.demo.state import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.demo.processes import Supervisor
    from include.demo.state import State

DATABASE = "airflow"
# The oldest that Airflow 3.3 supports.
OLDEST = 13
PLACES = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "usr/local/pgsql/bin")
SET_UP_SECONDS = 240.0
START_SECONDS = 240.0
GRACE_SECONDS = 20.0


class PostgresUnusableError(Exception):
    """PostgreSQL cannot be used here; one sentence says why and what to do."""


@dataclass(frozen=True)
class Postgres:
    """One server: its data, its address, and the (user id, group id) it runs as if not as this user."""

    data: Path
    port: int
    password: str
    binaries: Path
    owner: tuple[int, int] | None

    @property
    def url(self) -> str:
        """SQLAlchemy's URL of Airflow's database, with the password in it."""
        return f"postgresql+psycopg://{self._address(DATABASE)}"

    def _address(self, database: str) -> str:
        return f"{DATABASE}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def set_up(self, supervisor: Supervisor) -> None:
        """Create the server's data; raises `ServiceFailed` with the end of initdb's log."""
        part, password = self.data.with_suffix(".part"), self.data.with_suffix(".password")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700)
        password.unlink(missing_ok=True)
        with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(self.password)
        if self.owner is not None:
            for path in (part, password):
                os.chown(path, *self.owner)
        command = [
            *(str(self.binaries / "initdb"), "--pgdata", str(part), "--username", DATABASE),
            *("--pwfile", str(password), "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
        ]
        try:
            supervisor.run(self._program("postgres-initdb", command, part, task=True), SET_UP_SECONDS)
        finally:
            password.unlink()
        part.rename(self.data)

    def start(self, supervisor: Supervisor) -> None:
        """Start the server and wait until Airflow's database is there."""
        _end_earlier(self.data)
        supervisor.start(self.program())
        supervisor.wait_until("postgres", self.is_ready, START_SECONDS)

    def program(self) -> Program:
        """The server, to be kept running."""
        options = {"listen_addresses": LOOPBACK, "port": self.port, "unix_socket_directories": ""}
        command = [str(self.binaries / "postgres"), "-D", str(self.data)]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return self._program("postgres", command, self.data, task=False)

    def _program(self, name: str, command: list[str], folder: Path, *, task: bool) -> Program:
        return Program(
            name,
            command,
            clean_environment(ROOT) | {"LC_ALL": "C"},
            folder,
            grace_seconds=GRACE_SECONDS,
            task=task,
            # SIGTERM would wait for the last client, an open shell of a user's for example.
            stop_signal=signal.SIGINT,
            stops_last=True,
            owner=self.owner,
        )

    def is_ready(self) -> bool:
        """Whether the server takes connections; creates Airflow's database when it first does."""
        try:
            with psycopg.connect(
                f"postgresql://{self._address('postgres')}", connect_timeout=5, autocommit=True
            ) as connection:
                known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
                if known.fetchone() is None:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
                return True
        except psycopg.OperationalError:
            return False


def existing_data(state: State) -> Path:
    """Where the data lie, if the state folder was begun on PostgreSQL."""
    return state.folder / "postgres"


def open_postgres(state: State) -> Postgres:
    """The server for a state folder; raises `PostgresUnusableError` where there can be none."""
    data = existing_data(state)
    wanted = _major_of(data)
    found = installed()
    if wanted is not None and wanted not in found:
        raise PostgresUnusableError(
            f"{state.folder} was begun on PostgreSQL {wanted}, which is not installed any more: install it "
            f"(Debian: apt-get install postgresql-{wanted}), or begin afresh by deleting {state.folder}."
        )
    usable = {major: binaries for major, binaries in found.items() if major >= OLDEST}
    if not usable:
        what = f"PostgreSQL {max(found)} is too old for Airflow" if found else "PostgreSQL is not installed"
        raise PostgresUnusableError(f"{what} (Debian: apt-get install postgresql)")
    binaries = found[wanted] if wanted is not None else usable[max(usable)]
    secrets = state.secrets
    return Postgres(data, secrets.ports["postgres"], secrets.database_password, binaries, _owner(state))


def installed() -> dict[int, Path]:
    """The folders with `initdb` and `postgres`, by major version."""
    found: dict[int, Path] = {}
    for folder in _places():
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            major = _version(folder / "postgres")
            if major is not None:
                found.setdefault(major, folder)
    return found


def plain_user() -> pwd.struct_passwd | None:
    """Who runs PostgreSQL when this process is root's, which PostgreSQL refuses."""
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    return None


def _places() -> Iterable[Path]:
    for place in PLACES:
        yield from sorted(Path("/").glob(place))
    on_path = shutil.which("initdb")
    if on_path is not None:
        yield Path(on_path).resolve().parent


def _version(program: Path) -> int | None:
    asked = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False)
    version = re.search(r"\(PostgreSQL\) (\d+)", asked.stdout)
    return int(version[1]) if version else None


def _major_of(data: Path) -> int | None:
    """The version that created the data; they lie in a folder of that user alone."""
    try:
        return int((data / "PG_VERSION").read_text().strip())
    except FileNotFoundError:
        return None


def _owner(state: State) -> tuple[int, int] | None:
    if os.geteuid() != 0:
        return None
    user = plain_user()
    if user is None:
        raise PostgresUnusableError("PostgreSQL does not run as root, and there is no user postgres")
    reached = subprocess.run(
        ["test", "-x", str(state.folder)], user=user.pw_uid, group=user.pw_gid, extra_groups=[], check=False
    )
    if reached.returncode:
        raise PostgresUnusableError(
            f"PostgreSQL does not run as root, and the user {user.pw_name} may not enter {state.folder}"
        )
    return user.pw_uid, user.pw_gid


def _end_earlier(data: Path) -> None:
    """Make way for a new server: end one that outlived its guard, forget the id of one that is gone.

    Its file may name a process id that another program has by now; the server would refuse to start. The
    caller holds the lock of the state folder, so no other start is at work here.
    """
    file = data / "postmaster.pid"
    try:
        pid = int(file.read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return
    deadline = time.monotonic() + GRACE_SECONDS
    while _serves(pid, data):
        if time.monotonic() > deadline:
            raise ServiceFailed(f"An earlier PostgreSQL (process {pid}) still uses {data}; end it first.")
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)
        time.sleep(0.1)
    file.unlink(missing_ok=True)


def _serves(pid: int, data: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").samefile(data)
    except OSError:
        return False
