"""From an HTTP request to an operation's parameters, as botocore's input shape describes them.

Values of the wrong JSON type are passed on unchanged, for the validation to report. Text that no database or
file name can hold (a lone surrogate, a NUL) is refused here, for every operation.
"""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from include.aws_protocol.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.aws_protocol.catalog import Operation


def parse(operation: Operation, query: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Read the parameters of a request: blobs as bytes, timestamps as UTC datetimes, the rest as JSON has it.

    Raises
    ------
    ServiceError
        ``SerializationException`` when the body is not a JSON object, or a value cannot be read as its type.
    """
    shape = operation.model.input_shape
    if shape is None:
        return {}
    if operation.is_json_rpc:
        return _document(shape, body)
    return _rest(operation, shape, parse_qs(query, keep_blank_values=True), headers, body)


def _rest(
    operation: Operation, shape: Any, query: dict[str, list[str]], headers: Mapping[str, str], body: bytes
) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for name, member in shape.members.items():
        text = _located(member, name, operation.path_values, query, headers)
        if text is not None:
            params[name] = _from_text(member, name, text)
    payload = shape.serialization.get("payload")
    if payload is not None:
        params[payload] = body
    elif any("location" not in member.serialization for member in shape.members.values()):
        params |= _document(shape, body)
    return params


def _located(
    member: Any, name: str, path: dict[str, str], query: dict[str, list[str]], headers: Mapping[str, str]
) -> str | None:
    location = member.serialization.get("location")
    wire_name = member.serialization.get("name", name)
    if location == "uri":
        return path.get(wire_name)
    if location == "querystring":
        return query[wire_name][-1] if wire_name in query else None
    if location == "header":
        return headers.get(wire_name.lower())
    return None


def _from_text(member: Any, name: str, text: str) -> Any:
    try:
        if member.type_name in ("integer", "long"):
            return int(text)
        if member.type_name in ("float", "double"):
            return float(text)
        if member.type_name == "timestamp":
            return _timestamp(text)
    except (ValueError, OverflowError, OSError):
        raise ServiceError(
            "SerializationException", f"{name} {text[:100]!r} is not a valid {member.type_name}."
        ) from None
    if member.type_name == "boolean":
        return text.lower() == "true"
    return _checked_text(text)


def _document(shape: Any, body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant) if body else {}
    except (ValueError, RecursionError):
        raise ServiceError("SerializationException", "The request body is not valid JSON.") from None
    if not isinstance(value, dict):
        raise ServiceError("SerializationException", "The request body must be a JSON object.")
    parsed: dict[str, Any] = _value(shape, value)
    return parsed


def _value(shape: Any, value: Any) -> Any:
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        return _structure(shape, value)
    if kind == "list" and isinstance(value, list):
        return [_value(shape.member, item) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {_checked_text(key): _value(shape.value, item) for key, item in value.items()}
    if kind == "blob" and isinstance(value, str):
        return _blob(value)
    if kind == "timestamp" and not isinstance(value, bool):
        return _timestamp_or(value)
    return _checked_text(value) if isinstance(value, str) else value


def _checked_text(text: str) -> str:
    if "\0" in text:
        raise ServiceError("SerializationException", "The request holds text with a NUL character.")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise ServiceError(
                "SerializationException", "The request holds text that is not valid Unicode."
            ) from None
    return text


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _structure(shape: Any, value: dict[str, Any]) -> dict[str, Any]:
    wire_names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
    parsed = {}
    for wire_name, item in value.items():
        if item is None:  # null is the same as absent
            continue
        name = wire_names.get(wire_name)
        parsed[name or wire_name] = item if name is None else _value(shape.members[name], item)
    return parsed


def _blob(text: str) -> Any:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return text


def _timestamp_or(value: Any) -> Any:
    try:
        return _timestamp(value)
    except (ValueError, OverflowError, OSError):
        return value


def _timestamp(value: Any) -> datetime:
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, TypeError):
        pass
    if not isinstance(value, str):
        raise ValueError("not a timestamp")
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
