"""From a handler's result to an HTTP answer: only modelled members, in the form the model asks for."""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.aws_protocol.catalog import Operation
    from include.aws_protocol.errors import ServiceError


@dataclass(frozen=True)
class Answer:
    """Status, headers and body of an HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


def serialise(operation: Operation, result: Mapping[str, Any]) -> Answer:
    """Write an operation's output; members with the value None are left out."""
    shape = operation.model.output_shape
    status = operation.model.http.get("responseCode", 200)
    if operation.is_json_rpc:
        return _answer(
            status, {"Content-Type": "application/x-amz-json-1.1"}, _json(shape, result, operation)
        )
    if shape is None:
        return _answer(status, {"Content-Type": "application/json"}, b"{}")
    headers = _headers(shape, result)
    payload = shape.serialization.get("payload")
    if payload is not None:
        headers.setdefault("Content-Type", "application/octet-stream")
        return _answer(status, headers, bytes(result.get(payload) or b""))
    headers["Content-Type"] = "application/json"
    return _answer(status, headers, _json(shape, result, operation))


def serialise_error(operation: Operation | None, error: ServiceError) -> Answer:
    """Write an error as AWS's JSON protocols do: ``__type`` and ``message``, the code in a header too."""
    shape: Any = operation.error_shape(error.code) if operation else None
    status = error.status or _modelled_status(shape) or 400
    document: dict[str, Any] = {"__type": error.code, "message": error.message}
    for name in shape.members if shape is not None else ():
        if name in error.members:
            document[name] = _value(shape.members[name], error.members[name], "iso8601")
        elif name.lower() == "message":
            document[name] = error.message
    is_rest = operation is not None and not operation.is_json_rpc
    headers = {
        "Content-Type": "application/json" if is_rest else "application/x-amz-json-1.1",
        "x-amzn-errortype": error.code,
    }
    return _answer(status, headers, json.dumps(document).encode())


def _modelled_status(shape: Any) -> int | None:
    status: int | None = shape.metadata.get("error", {}).get("httpStatusCode") if shape is not None else None
    return status


def _answer(status: int, headers: dict[str, str], body: bytes) -> Answer:
    headers = {**headers, "x-amzn-RequestId": str(uuid.uuid4()), "Content-Length": str(len(body))}
    return Answer(status, headers, body)


def _headers(shape: Any, result: Mapping[str, Any]) -> dict[str, str]:
    headers = {}
    for name, member in shape.members.items():
        if member.serialization.get("location") == "header" and result.get(name) is not None:
            # A header is one line of latin-1: nothing that the model behind an endpoint sent may break the
            # answer.
            text = str(result[name]).replace("\r", " ").replace("\n", " ")
            headers[member.serialization.get("name", name)] = text
    return headers


def _json(shape: Any, result: Mapping[str, Any], operation: Operation) -> bytes:
    if shape is None:
        return b"" if operation.is_json_rpc else b"{}"
    default_format = "unixTimestamp" if operation.is_json_rpc else "iso8601"
    body_members = {
        name: result[name]
        for name, member in shape.members.items()
        if "location" not in member.serialization and result.get(name) is not None
    }
    return json.dumps(_structure(shape, body_members, default_format)).encode()


def _structure(shape: Any, value: Mapping[str, Any], timestamp_format: str) -> dict[str, Any]:
    return {
        member.serialization.get("name", name): _value(member, value[name], timestamp_format)
        for name, member in shape.members.items()
        if value.get(name) is not None
    }


def _value(shape: Any, value: Any, timestamp_format: str) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, value, timestamp_format)
    if kind == "list":
        return [_value(shape.member, item, timestamp_format) for item in value]
    if kind == "map":
        return {key: _value(shape.value, item, timestamp_format) for key, item in value.items()}
    if kind == "blob":
        return base64.b64encode(value).decode()
    if kind == "timestamp":
        return _timestamp(value, shape.serialization.get("timestampFormat", timestamp_format))
    return value


def _timestamp(value: datetime | float | str, form: str) -> float | str:
    """Write a time given as datetime, epoch seconds or ISO 8601 text."""
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
    elif isinstance(value, datetime):
        moment = value
    else:
        moment = datetime.fromtimestamp(value, UTC)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if form == "iso8601":
        return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return round(moment.timestamp(), 3)
