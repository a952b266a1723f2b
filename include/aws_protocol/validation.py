"""Constraints of botocore's service models, which boto3 itself checks only in part, in AWS's own wording.

Checked: required members, types, unknown members, minimum and maximum, enumerations, patterns. What has a
wrong size is not looked into: a list of a million items has one fault, not a million. The wording is the one
that SageMaker answers with: ``1 validation error detected: Value 'x' at 'roleArn' failed to satisfy
constraint: Member must ...``.
"""

from __future__ import annotations

import re
import reprlib
from datetime import datetime
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import regex

from include.aws_protocol.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.aws_protocol.catalog import Operation

_SHOWN_LENGTH = 200
# The first items are enough to describe a list of a million wrong ones.
_SHOWN_FAULTS = 20
_BRIEF = reprlib.Repr()
_BRIEF.maxlist = _BRIEF.maxdict = 10
_BRIEF.maxlevel = 3
_BRIEF.maxstring = _BRIEF.maxother = _BRIEF.maxlong = _SHOWN_LENGTH
_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "character": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (datetime,),
    "blob": (bytes,),
}


def validate(operation: Operation, params: dict[str, Any]) -> None:
    """Check parameters against the operation's input shape.

    Raises
    ------
    ServiceError
        ``ValidationException`` (``ValidationError`` for SageMaker Runtime) naming every member that is
        wrong; status 413 when the only fault is a request body beyond its limit.
    """
    shape = operation.model.input_shape
    if shape is None:
        return
    faults = list(islice(_faults(shape, params, ""), _SHOWN_FAULTS))
    if not faults:
        return
    code = "ValidationError" if operation.error_shape("ValidationError") else "ValidationException"
    plural = "s" if len(faults) > 1 else ""
    raise ServiceError(
        code,
        f"{len(faults)} validation error{plural} detected: {'; '.join(faults)}",
        413 if _is_oversized_payload(shape, params) and len(faults) == 1 else None,
    )


def _is_oversized_payload(shape: Any, params: dict[str, Any]) -> bool:
    payload = shape.serialization.get("payload")
    limit = shape.members[payload].metadata.get("max") if payload else None
    return limit is not None and len(params.get(payload, b"")) > limit


def _is_of_type(kind: str, value: Any) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _faults(shape: Any, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    if not _is_of_type(kind, value):
        yield _fault(value, path, f"Member must be a {kind}")
    elif kind == "structure":
        yield from _structure_faults(shape, value, path)
    elif kind in ("list", "map"):
        wrong_size = list(_size_fault(shape, len(value), value, path, "length"))
        yield from wrong_size or _item_faults(shape, value, path)
    elif kind in ("string", "blob"):
        yield from _text_faults(shape, value, path)
    elif kind in ("integer", "long", "float", "double"):
        yield from _size_fault(shape, value, value, path, "value")


def _structure_faults(shape: Any, value: dict[str, Any], path: str) -> Iterator[str]:
    for name in shape.required_members:
        if name not in value:
            member_path = _join(path, _camel(name))
            yield f"Value null at '{member_path}' failed to satisfy constraint: Member must not be null"
    for name, item in value.items():
        member_path = _join(path, _camel(name[:_SHOWN_LENGTH]))
        if name in shape.members:
            yield from _faults(shape.members[name], item, member_path)
        else:
            yield _fault(item, member_path, f"Member must be one of [{', '.join(shape.members)}]")


def _item_faults(shape: Any, value: Any, path: str) -> Iterator[str]:
    if shape.type_name == "list":
        for index, item in enumerate(value, 1):
            yield from _faults(shape.member, item, _join(path, f"{index}.member"))
        return
    for key, item in value.items():
        yield from _faults(shape.key, key, _join(path, "key"))
        yield from _faults(shape.value, item, _join(path, f"{key[:_SHOWN_LENGTH]}.member"))


def _text_faults(shape: Any, value: str | bytes, path: str) -> Iterator[str]:
    too_long = list(_size_fault(shape, len(value), value, path, "length"))
    yield from too_long
    if too_long or isinstance(value, bytes):  # A pattern is only tried on texts of valid length.
        return
    if shape.enum and value not in shape.enum:
        yield _fault(value, path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not _matches(pattern, value):
        yield _fault(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _size_fault(shape: Any, size: float, value: Any, path: str, noun: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield _fault(value, path, f"Member must have {noun} greater than or equal to {low}")
    if high is not None and size > high:
        yield _fault(value, path, f"Member must have {noun} less than or equal to {high}")


def _fault(value: Any, path: str, constraint: str) -> str:
    text = _shown(value)
    if len(text) > _SHOWN_LENGTH:
        text = text[:_SHOWN_LENGTH] + "..."
    return f"Value '{text}' at '{path}' failed to satisfy constraint: {constraint}"


def _shown(value: Any) -> str:
    """The value as text, or the beginning of it; never writes out all of a long one."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, str):
        return value[: _SHOWN_LENGTH + 1]
    return _BRIEF.repr(value) if isinstance(value, (list, dict)) else str(value)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]


@cache
def _compiled(pattern: str) -> Any:
    """Compile one of AWS's (Java) patterns; None where neither engine here can read it."""
    for engine in (re, regex):
        try:
            return engine.compile(pattern)
        except (re.error, regex.error):
            continue
    return None


def _matches(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(value) is not None
