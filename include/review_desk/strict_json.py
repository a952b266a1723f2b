"""JSON as RFC 8259 has it: no NaN, no Infinity, no lone surrogates, bounded depth."""

from __future__ import annotations

import json
from typing import Any


class JsonFault(ValueError):
    """The text is no JSON; the message says what was wrong and where."""


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON document.

    Raises
    ------
    JsonFault
        Also for numbers beyond Python's limit, text that is not Unicode and nesting too deep to be meant.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        raise JsonFault("it holds text that is not valid Unicode") from None
    except RecursionError:
        raise JsonFault("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise JsonFault(f"{error.msg.lower()} at character {error.pos}") from None
    except ValueError as error:
        raise JsonFault(str(error)) from None
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:40]} is too large")
    return value
