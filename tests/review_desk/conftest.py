"""Review Desks on SQLite and on PostgreSQL, and the S3 that they share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.desk import BUCKET, Flow, S3Server, Site, s3_client
from tests.support.lanes import starts
from tests.support.postgres import PostgresServer, postgres_binaries
from tests.support.servers import free_port


@pytest.fixture(scope="session")
@starts("server")
def desk_s3(tmp_path_factory: pytest.TempPathFactory):
    """S3 with one bucket and one picture, shared by all desks."""
    server = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        server.start()
        s3 = s3_client(server.port)
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="images/1.jpg", Body=b"pixels")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
@starts("server")
def postgres_server():
    """A PostgreSQL server; the tests that need it are skipped where Debian's package is not installed."""
    server = PostgresServer(postgres_binaries(), free_port())
    try:
        server.start()
        yield server
    finally:
        server.remove()


def _running_site(folder: Path, desk_s3: S3Server, database_url: str | None = None):
    site = Site(folder, desk_s3, database_url)
    try:
        site.desk.start()
        yield site
    finally:
        site.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, desk_s3: S3Server):
    """A desk on SQLite."""
    yield from _running_site(tmp_path_factory.mktemp("desk"), desk_s3)


@pytest.fixture(scope="session")
def postgres_site(
    tmp_path_factory: pytest.TempPathFactory, desk_s3: S3Server, postgres_server: PostgresServer
):
    """A desk on PostgreSQL."""
    folder = tmp_path_factory.mktemp("postgres-desk")
    yield from _running_site(folder, desk_s3, postgres_server.create_database())


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
@starts("server")
def both_sites(request: pytest.FixtureRequest) -> Site:
    """The desk on SQLite, then the one on PostgreSQL."""
    return request.getfixturevalue("site" if request.param == "sqlite" else "postgres_site")


@pytest.fixture(scope="session")
def sagemaker(site: Site):
    return site.client("sagemaker")


@pytest.fixture(scope="session")
def a2i(site: Site):
    return site.client("sagemaker-a2i-runtime")


@pytest.fixture
def make_flow(site: Site):
    """``make_flow(template=..., **loop_config) -> Flow``, on SQLite."""
    return site.make_flow


@pytest.fixture
def flow(site: Site) -> Flow:
    return site.make_flow()


@pytest.fixture
def any_flow(both_sites: Site) -> Flow:
    """A flow on either database."""
    return both_sites.make_flow()
