"""JSON as in RFC 8259, restricted to what both databases can store.

No NaN, no Infinity, no lone surrogates; no NUL characters, which PostgreSQL cannot store; and no deep
nesting, since templates, pages and encoders walk the parsed value again.
"""

from __future__ import annotations

import json
from typing import Any

MAX_DEPTH = 100


class JsonFault(ValueError):
    """The text is not JSON; the message says what was wrong and where."""


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON document.

    Raises
    ------
    JsonFault
        Also for numbers beyond Python's limit, text that is not Unicode and nesting that is too deep.
    """
    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        if text.count("[") + text.count("{") > MAX_DEPTH or "\\u0000" in text:
            _check_tree(value)
        if "\\u" in text or not text.isascii():
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


def _check_tree(root: Any) -> None:
    """Raise unless ``root`` is shallow enough and free of NUL characters. Looks level by level."""
    level = [root]
    for _ in range(MAX_DEPTH + 1):
        for value in level:
            if isinstance(value, str) and "\0" in value:
                raise ValueError("it holds a NUL character")
        dicts = [value for value in level if isinstance(value, dict)]
        lists = [value for value in level if isinstance(value, list)]
        if not dicts and not lists:
            return
        level = [item for value in dicts for pair in value.items() for item in pair]
        level += [item for value in lists for item in value]
    raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:40]} is too large")
    return value
