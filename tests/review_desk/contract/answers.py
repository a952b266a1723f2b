"""Answers of the desk, held against botocore's model."""

from __future__ import annotations

import json
from typing import Any

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
