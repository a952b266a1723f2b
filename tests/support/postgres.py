"""A PostgreSQL server of the tests' own, made of Debian's binaries in a folder that goes away with it."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from include.demo.postgres import installed, plain_user

USER = "desk"
# Every character that could break a URL or slip into a message.
PASSWORD = "pass/w@rd:?#%-not-a-secret"


class PostgresServer:
    """PostgreSQL on loopback; a database of its own for whoever asks."""

    def __init__(self, binaries: Path, port: int, *, fsync: bool = False, owner: str = USER) -> None:
        self.port = port
        self._owner = owner
        self._binaries = binaries
        self._folder = Path(tempfile.mkdtemp(prefix="desk-postgres-"))
        self._fsync = fsync
        self._process: subprocess.Popen[bytes] | None = None
        # PostgreSQL refuses to run as root.
        self._user = _plain_user() if os.geteuid() == 0 else None
        if self._user is not None:
            os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        password_file = self._folder / "password"
        password_file.write_text(PASSWORD)
        password_file.chmod(0o644)
        self._run("initdb", "--pgdata", str(self._data), "--username", owner, "--pwfile", str(password_file))

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _identity(self) -> dict[str, object]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), *arguments]
        command += ["--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]
        done = subprocess.run(
            command, cwd=self._folder, capture_output=True, text=True, check=False, **self._identity()
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Start, and return once it takes connections."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "on" if self._fsync else "off",
            "max_connections": 160,
        }
        command = [str(self._binaries / "postgres"), "-D", str(self._data)]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent,
                **self._identity(),
            )
        deadline = time.monotonic() + 40
        while not self._answers():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def stop(self, how: int = signal.SIGINT) -> None:
        """End the server; by default every connection is cut off in order ("fast shutdown")."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(30)

    def crash(self) -> None:
        """End all of its processes at once: a backend outlives its server and may answer once more."""
        assert self._process is not None
        # It starts no other backend while it stands still.
        self._process.send_signal(signal.SIGSTOP)
        main = self._process.pid
        for backend in Path(f"/proc/{main}/task/{main}/children").read_text().split():
            os.kill(int(backend), signal.SIGKILL)
            while _runs(backend):
                time.sleep(0.01)
        self._process.kill()
        self._process.wait(30)

    def remove(self) -> None:
        """End the server and forget its data."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def log(self) -> str:
        """What the server wrote."""
        return (self._folder / "server.log").read_text("utf-8", "replace")

    def url(self, database: str = "postgres", driver: str = "postgresql+psycopg") -> str:
        """URL of ``database`` with the password in it."""
        return f"{driver}://{self._owner}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """URL of a new, empty database."""
        name = f"desk_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url(driver="postgresql"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(driver="postgresql"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def _runs(pid: str) -> bool:
    """Whether a process is there and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def postgres_binaries() -> Path:
    """Where initdb and postgres are; skips the test where they are not installed."""
    found = installed()
    if not found:
        pytest.skip("PostgreSQL is not installed: run `bash tests/system_packages.sh` as root once.")
    return found[max(found)]


def _plain_user() -> pwd.struct_passwd:
    user = plain_user()
    if user is not None:
        return user
    pytest.skip("PostgreSQL does not run as root, and there is neither a user postgres nor nobody.")


def _end_with_parent() -> None:
    # SIGQUIT: PostgreSQL ends at once and takes its children with it.
    ctypes.CDLL(None).prctl(1, signal.SIGQUIT)
