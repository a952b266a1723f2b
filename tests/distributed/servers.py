"""PostgreSQL and Redis of the test's own: on free loopback ports, with passwords, in a temporary folder."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import redis

from include.demo.machine import LOOPBACK, clean_environment, free_ports
from include.demo.processes import Program
from include.demo.state import ROOT

sys.path.insert(0, str(ROOT / "tests" / "support"))
from postgres import PostgresServer, postgres_binaries

if TYPE_CHECKING:
    from collections.abc import Iterator


class MissingError(Exception):
    """A program is not installed; the sentence says which, and how to get it."""


@dataclass(frozen=True)
class Servers:
    """Addresses with passwords: never print them."""

    airflow_database: str
    desk_database: str
    broker: str
    redis_program: Program

    def broker_answers(self) -> bool:
        """Whether Redis takes the password; raises `OSError` as long as nobody listens."""
        try:
            with redis.Redis.from_url(self.broker) as client:
                return bool(client.ping())
        except redis.ConnectionError as error:
            raise ConnectionError(str(error)) from error


def check_installed() -> None:
    """Raise `MissingError` when a program of the distribution is missing."""
    missing = [
        package
        for package, there in (
            ("postgresql", any(Path("/usr/lib/postgresql").glob("*/bin/postgres"))),
            ("redis-server", shutil.which("redis-server") is not None),
        )
        if not there
    ]
    if missing:
        names = " ".join(missing)
        raise MissingError(
            f"The distributed test needs {' and '.join(missing)}: install that "
            f"(Debian: sudo apt-get install {names}) and run make test-distributed again."
        )


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """A running PostgreSQL with two empty databases, and how to start Redis."""
    folder.mkdir(parents=True, exist_ok=True)
    postgres_port, redis_port = free_ports(2)
    postgres = PostgresServer(postgres_binaries(), postgres_port)
    try:
        postgres.start()
        password = secrets.token_urlsafe(24)
        yield Servers(
            airflow_database=postgres.create_database(),
            desk_database=postgres.create_database(),
            broker=f"redis://:{password}@{LOOPBACK}:{redis_port}/0",
            redis_program=_redis_program(folder, redis_port, password),
        )
    finally:
        postgres.remove()


def _redis_program(folder: Path, port: int, password: str) -> Program:
    # In a file: everybody on the machine can read command lines.
    configuration = folder / "redis.conf"
    with os.fdopen(os.open(configuration, os.O_WRONLY | os.O_CREAT, 0o600), "w") as stream:
        stream.write(
            f"bind {LOOPBACK}\nport {port}\nrequirepass {password}\n"
            f'dir {folder}\nsave ""\nappendonly no\ndaemonize no\n'
        )
    found = shutil.which("redis-server")
    assert found is not None
    return Program("redis", [found, str(configuration)], clean_environment(ROOT), ROOT)
