"""The documented behaviour of A2I, each through unmodified boto3, on SQLite and on PostgreSQL.

Every answer of the desk is checked against botocore's model on its way: only modelled members, all that are
required, the service's own form of timestamps, and of errors the codes that the model or AWS's common ones
know.
"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.config import Config

from tests.review_desk.contract.answers import check_answer
from tests.support.desk import Flow, Site


@pytest.fixture(scope="session")
def desk(both_sites: Site) -> Site:
    for service in ("sagemaker", "sagemaker-a2i-runtime"):
        events = both_sites.client(service).meta.events
        events.register("after-call", check_answer, unique_id="contract")
    return both_sites


@pytest.fixture(scope="session")
def sagemaker(desk: Site):
    return desk.client("sagemaker")


@pytest.fixture(scope="session")
def a2i(desk: Site):
    return desk.client("sagemaker-a2i-runtime")


@pytest.fixture(scope="session")
def unchecked(desk: Site):
    """``unchecked(service)``: a client that sends what it is told, so that the desk must find the fault."""
    clients: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in clients:
            config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
            clients[service] = desk.client(service, config=config)
            clients[service].meta.events.register("after-call", check_answer)
        return clients[service]

    return client


@pytest.fixture
def make_flow(desk: Site):
    return desk.make_flow


@pytest.fixture
def flow(desk: Site) -> Flow:
    return desk.make_flow()
