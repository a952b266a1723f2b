"""Which operation a request asks for, by botocore's service models.

Two protocols are supported: JSON 1.1 names the operation in ``X-Amz-Target``, REST-JSON by method and path.
All SageMaker services sign as ``sagemaker``, so the signature alone does not distinguish them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

import botocore.session
from botocore.model import OperationModel, ServiceModel

SERVICES = ("sagemaker", "sagemaker-runtime", "sagemaker-a2i-runtime", "logs")
"""Names, as botocore knows them, of the services that can be routed."""


@dataclass(frozen=True)
class Operation:
    """One operation of one service, with the values that its path carried (percent-decoded)."""

    service: str
    name: str
    model: Any
    path_values: dict[str, str]

    @property
    def is_json_rpc(self) -> bool:
        """Whether input and output are one JSON document (JSON 1.1) rather than path, query and headers."""
        return "targetPrefix" in self.model.service_model.metadata

    @property
    def signing_name(self) -> str:
        """The service name that clients put into the credential scope."""
        return str(self.model.service_model.signing_name)

    def error_shape(self, code: str) -> Any:
        """Return the modelled error of that code, None when the model does not list it for this operation."""
        for shape in self.model.error_shapes:
            if code in (shape.name, shape.error_code):
                return shape
        return None


@dataclass(frozen=True)
class _Route:
    method: str
    pattern: re.Pattern[str]
    service: str
    model: OperationModel


@cache
def _service_model(service: str) -> ServiceModel:
    loader = botocore.session.get_session().get_component("data_loader")
    return ServiceModel(loader.load_service_model(service, "service-2"), service)


def _route(service: str, model: OperationModel) -> _Route:
    path = model.http["requestUri"].split("?")[0]
    parts = re.split(r"\{(\w+)(\+?)\}", path)
    pattern = ""
    for text, name, greedy in zip(parts[0::3], [*parts[1::3], ""], [*parts[2::3], ""], strict=True):
        pattern += re.escape(text)
        if name:
            pattern += f"(?P<{name}>{'.+' if greedy else '[^/]+'})"
    return _Route(model.http["method"], re.compile(pattern), service, model)


@cache
def _routes() -> tuple[_Route, ...]:
    """All REST routes, the most literal first, so that ``/human-loops/stop`` is not a loop named stop."""
    found = []
    for service in SERVICES:
        model = _service_model(service)
        if "targetPrefix" in model.metadata:
            continue
        found += [_route(service, model.operation_model(name)) for name in model.operation_names]
    return tuple(sorted(found, key=lambda route: route.pattern.groups))


@cache
def _target_prefixes() -> dict[str, str]:
    models = {service: _service_model(service).metadata for service in SERVICES}
    return {
        metadata["targetPrefix"]: service
        for service, metadata in models.items()
        if "targetPrefix" in metadata
    }


def resolve_target(target: str) -> Operation | None:
    """Find the operation that an ``X-Amz-Target`` header names (``SageMaker.CreateModel``)."""
    prefix, _, name = target.rpartition(".")
    service = _target_prefixes().get(prefix)
    if service is None or name not in _service_model(service).operation_names:
        return None
    return Operation(service, name, _service_model(service).operation_model(name), {})


def is_known_prefix(prefix: str) -> bool:
    """Whether ``X-Amz-Target`` headers with this prefix are for a service of :data:`SERVICES`."""
    return prefix in _target_prefixes()


def resolve_path(method: str, raw_path: str) -> Operation | None:
    """Find the REST operation of an HTTP method and a path as sent: ``%2F`` does not separate segments."""
    for route in _routes():
        match = route.pattern.fullmatch(raw_path)
        if match and route.method == method:
            values = {name: unquote(value) for name, value in match.groupdict().items()}
            return Operation(route.service, route.model.name, route.model, values)
    return None


def is_rest_path(raw_path: str) -> bool:
    """Whether any REST operation, of any method, has this path (as sent)."""
    return any(route.pattern.fullmatch(raw_path) for route in _routes())
