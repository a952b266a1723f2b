"""Servers of the fault harness and deployments on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.deployment import BUCKET, Deployment
from tests.faults.servers import Servers
from tests.support.lanes import starts


@pytest.fixture(scope="session")
@starts("server")
def fault_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """S3, SageMaker and the Review Desk, for nights only."""
    servers = Servers(tmp_path_factory.mktemp("faults"))
    servers.client("s3").create_bucket(Bucket=BUCKET)
    yield servers
    servers.stop()


@pytest.fixture
def new_deployment(fault_servers: Servers, tmp_path: Path) -> Callable[..., Deployment]:
    """Factory of deployments, each with a night of images and a flow definition of its own."""

    def make(**arguments: object) -> Deployment:
        return Deployment(fault_servers, tmp_path, **arguments)  # type: ignore[arg-type]

    return make
