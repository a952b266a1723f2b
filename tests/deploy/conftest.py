"""The compose file with a generated environment, as in a team's first start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from include.deploy.new_environment import filled
from tests.support.lanes import starts
from tests.support.postgres import PostgresServer, postgres_binaries
from tests.support.servers import free_port

from .compose_file import EXAMPLE, interpolated, variables


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    return variables(filled(EXAMPLE)) | {"AWS_ACCOUNT_ID": "444455556666"}


@pytest.fixture(scope="session")
def services(environment: dict[str, str]) -> dict[str, dict]:
    return interpolated(environment)["services"]


@pytest.fixture(scope="module")
@starts("server")
def fresh_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server as its image starts: owned by `postgres`, with nothing in it."""
    server = PostgresServer(postgres_binaries(), free_port(), owner="postgres")
    try:
        server.start()
        yield server
    finally:
        server.remove()
