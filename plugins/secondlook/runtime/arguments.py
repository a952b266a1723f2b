"""Checks of operators' arguments while a DAG is parsed; templates are checked again in ``execute``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from secondlook.failures.exceptions import SecondLookError
from secondlook.settings.sentences import sentences

if TYPE_CHECKING:
    from secondlook.settings import Section

S = TypeVar("S", bound="Section")


class ArgumentError(SecondLookError, ValueError):
    """An operator's argument cannot be right; the message names task, argument and rule."""


def is_template(value: Any) -> bool:
    """Whether ``value`` is only known after rendering: a Jinja text or another task's result."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, dict):
        return any(is_template(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(is_template(item) for item in value)
    return not isinstance(value, str | int | float | Decimal | bool | bytes | type(None))


def text_fault(value: Any, pattern: str | None = None) -> str | None:
    """Say what is wrong with a text: empty, no text, or not of the pattern; None if nothing is."""
    if is_template(value):
        return None
    if not isinstance(value, str) or not value:
        return f"must be a non-empty text, not {value!r}"
    if pattern and not re.fullmatch(pattern, value):
        return f"= {value!r} does not have the form {pattern}"
    return None


def number_fault(value: Any, *, minimum: float | None = None, maximum: float | None = None) -> str | None:
    """Say what is wrong with a number: none, or out of range; None if nothing is, or if there is no value."""
    if value is None or is_template(value):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"must be a number, not {value!r}"
    if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
        return f"= {value!r} is outside {_range(minimum, maximum)}"
    return None


def section_or_fault(argument: str, value: Any, kind: type[S]) -> tuple[S | Any, str | None]:
    """Return a section of the settings made of its keys, and what is wrong with it; templates pass."""
    if isinstance(value, kind):
        return value, None
    if isinstance(value, BaseModel):
        return value, f"must be a {kind.__name__}, not a {type(value).__name__}"
    if is_template(value):
        return value, None
    if not isinstance(value, Mapping):
        return value, (
            f"must be a {kind.__name__} or its keys, not {value!r}: write a template such as "
            f"{{{{ settings.{argument} }}}} and give the DAG render_template_as_native_obj=True and "
            "user_defined_macros=secondlook.dag_defaults.macros()"
        )
    try:
        return kind.model_validate(dict(value)), None
    except ValidationError as invalid:
        return value, f"cannot be used: {sentences(invalid, kind).rstrip('.')}"


def _range(minimum: float | None, maximum: float | None) -> str:
    if maximum is None:
        return f"the range from {minimum}"
    if minimum is None:
        return f"the range up to {maximum}"
    return f"the range {minimum} to {maximum}"
