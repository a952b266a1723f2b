"""The documented behaviour of A2I, each through unmodified boto3, on SQLite and on PostgreSQL.

Every answer of the desk is checked against botocore's model on its way: only modelled members, all that are
required, the service's own form of timestamps, and of errors the codes that the model or AWS's common ones
know.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.config import Config

from tests.support.desk import Flow, Site

_COMMON = {
    "sagemaker": {"ValidationException", "ResourceNotFound", "ResourceInUse", "ResourceLimitExceeded"},
    "sagemaker-a2i-runtime": set(),
}
_TYPES = {"string": str, "timestamp": str, "boolean": bool, "integer": int}
_SIGNING = {"InvalidSignatureException", "UnrecognizedClientException", "NotImplementedException"}


def check_answer(http_response, model, **_):
    """What ``after-call`` tells of each answer."""
    service = model.service_model.service_name
    body = json.loads(http_response.content or b"{}")
    assert http_response.headers["x-amzn-requestid"]
    if http_response.status_code < 300:
        _check(model.output_shape, body, service, model.name)
        return
    code = http_response.headers["x-amzn-errortype"]
    assert body["__type"] == code
    known = {shape.name for shape in model.error_shapes} | _COMMON[service] | _SIGNING
    assert code in known, f"{model.name} answered {code}, which is none of {known}"


def _check(shape: Any, value: Any, service: str, where: str) -> None:
    if shape is None:
        assert value == {}, where
    elif shape.type_name == "structure":
        assert set(value) <= set(shape.members), where
        assert set(shape.required_members) <= set(value), where
        for name, item in value.items():
            _check(shape.members[name], item, service, f"{where}.{name}")
    elif shape.type_name == "list":
        for item in value:
            _check(shape.member, item, service, f"{where}[]")
    elif shape.type_name == "timestamp" and service == "sagemaker":
        assert isinstance(value, float | int), where
    else:
        assert isinstance(value, _TYPES[shape.type_name]), where
        assert shape.type_name != "timestamp" or value.endswith("Z"), where
        assert not getattr(shape, "enum", None) or value in shape.enum, where


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
