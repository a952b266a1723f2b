"""Reader of the array and object literals in crowd element attributes, as lenient as AWS's own.

The SageMaker documentation writes ``labels="['Cat', 'Dog']"`` and initial values with unquoted keys and
trailing commas: JavaScript, not JSON. This reads both, evaluating nothing. The page reads the same texts with
static/crowd/literals.js.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<punct>[\[\]{},:])
      | (?P<single>'(?:[^'\\]|\\.)*')
      | (?P<double>"(?:[^"\\]|\\.)*")
      | (?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<word>(?:[^\W\d]|\$)[\w$-]*)
    )""",
    re.VERBOSE | re.DOTALL,
)
_WORDS = {"true": True, "false": False, "null": None, "undefined": None}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_MAX_DEPTH = 32
_MAX_DIGITS = 300


class LiteralError(ValueError):
    """The attribute is neither JSON nor a JavaScript literal."""


def read_literal(text: str) -> Any:
    """Return the value that ``text`` denotes.

    Raises
    ------
    LiteralError
        With the position of what was not understood.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        reader = _Reader(text)
        value = reader.value(0)
        reader.end()
        return value


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text.rstrip()
        self._position = 0

    def value(self, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise LiteralError("nested too deeply")
        kind, token = self._take()
        if token == "[" and kind == "punct":
            return self._array(depth)
        if token == "{" and kind == "punct":
            return self._object(depth)
        return self._scalar(kind, token)

    def end(self) -> None:
        if self._position != len(self._text):
            raise LiteralError(f"unexpected text at position {self._position}")

    def _scalar(self, kind: str, token: str) -> Any:
        if kind in ("single", "double"):
            return _unquote(token)
        if kind == "number":
            return _number(token)
        if kind == "word" and token in _WORDS:
            return _WORDS[token]
        raise LiteralError(f"unexpected {token!r} before position {self._position}")

    def _array(self, depth: int) -> list[Any]:
        items: list[Any] = []
        while not self._accept("]"):
            items.append(self.value(depth + 1))
            if not self._accept(","):
                self._expect("]")
                break
        return items

    def _object(self, depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while not self._accept("}"):
            kind, token = self._take()
            if kind == "punct":
                raise LiteralError(f"a key is missing before position {self._position}")
            key = _unquote(token) if kind in ("single", "double") else token
            self._expect(":")
            members[key] = self.value(depth + 1)
            if not self._accept(","):
                self._expect("}")
                break
        return members

    def _take(self) -> tuple[str, str]:
        match = _TOKEN.match(self._text, self._position)
        if match is None:
            raise LiteralError(f"unexpected text at position {self._position}")
        self._position = match.end()
        kind = str(match.lastgroup)
        return kind, match[kind]

    def _accept(self, punctuation: str) -> bool:
        match = _TOKEN.match(self._text, self._position)
        if match is None or match["punct"] != punctuation:
            return False
        self._position = match.end()
        return True

    def _expect(self, punctuation: str) -> None:
        if not self._accept(punctuation):
            raise LiteralError(f"{punctuation!r} is missing at position {self._position}")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _number(token: str) -> int | float:
    if not set(token) & set(".eE"):
        # Python refuses to read numbers of thousands of digits.
        if len(token) > _MAX_DIGITS:
            raise LiteralError("a number has too many digits")
        return int(token)
    number = float(token)
    if not math.isfinite(number):
        raise LiteralError(f"the number {token!r} is too large")
    return number


def _unquote(token: str) -> str:
    def replace(match: re.Match[str]) -> str:
        escape = match[1]
        if escape[0] == "u" and len(escape) == 5:
            return chr(int(escape[1:], 16))
        return _ESCAPES.get(escape, escape)

    text = re.sub(r"\\(u[0-9a-fA-F]{4}|.)", replace, token[1:-1], flags=re.DOTALL)
    # Two escapes may make one character beyond the first 65,536.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
