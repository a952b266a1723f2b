"""Parameters that differ from valid ones in one member, made from botocore's models."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


def spread(pools: Iterable[Iterable[T]], chance: random.Random, count: int) -> list[T]:
    """``count`` items, taken in turns from all pools, each in an order by chance."""
    shuffled = [list(pool) for pool in pools]
    for pool in shuffled:
        chance.shuffle(pool)
    taken: list[T] = []
    while len(taken) < count:
        shuffled = [pool for pool in shuffled if pool]
        assert shuffled, f"the models give only {len(taken)} requests"
        taken += [pool.pop() for pool in shuffled]
    return taken[:count]


def changes(shape: Any, params: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what is wrong, and the parameters with that one thing wrong."""
    for kind, place, value in _hostile_values(shape, params, ()):
        changed = copy.deepcopy(params)
        holder: Any = changed
        for step in place[:-1]:
            holder = holder[step]
        if value is _REMOVED:
            del holder[place[-1]]
        else:
            holder[place[-1]] = value
        yield kind, changed


_REMOVED = object()
_TAKES_ANYTHING = (None, r"[\S\s]+", r"[\S\s]*", ".+", ".*", "[^:*]*")
_WRONG_TYPES = {
    "structure": ("text", 1, [], True),
    "list": ("text", {}, 1, False),
    "string": (1, 1.5, True, [], {}, [["a"]]),
    "integer": ("1", 1.5, True, [1], {}),
    "long": ("1", 1.5, True, [1], {}),
    "float": ("1", True, [1], {}),
    "boolean": ("true", 1, [], {}),
    "map": ("text", [], 1, True),
    "timestamp": ("yesterday", [], {}, True, "0000-00-00T99:99:99Z", 10**400),
}


def _hostile_values(shape: Any, value: Any, place: tuple[Any, ...]) -> Iterator[tuple[str, Any, Any]]:
    if place:
        for wrong in _WRONG_TYPES[shape.type_name]:
            yield "wrong type", place, wrong
        yield from _beyond_limits(shape, value, place)
    if shape.type_name == "structure":
        yield "unknown member", (*place, "Bogus"), {"a": 1}
        for name, item in value.items():
            if name in shape.required_members:
                yield "missing member", (*place, name), _REMOVED
            yield from _hostile_values(shape.members[name], item, (*place, name))
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield from _hostile_values(shape.member, item, (*place, index))
    elif shape.type_name == "map":
        for name, item in value.items():
            yield from _hostile_values(shape.value, item, (*place, name))


def _beyond_limits(shape: Any, value: Any, place: tuple[Any, ...]) -> Iterator[tuple[str, Any, Any]]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if shape.type_name == "string":
        yield "NUL or surrogate", place, f"{value}\0"
        yield "NUL or surrogate", place, f"\ud800{value}"
        if shape.enum or shape.metadata.get("pattern") not in _TAKES_ANYTHING:
            yield "enum or pattern", place, f"{value}\n\N{INVERTED EXCLAMATION MARK}"
        if high is not None and high < 10_000:
            yield "beyond the limit", place, "a" * (high + 1)
        if low:
            yield "beyond the limit", place, ""
    elif shape.type_name == "list":
        if high is not None:
            yield "beyond the limit", place, value * (high + 1)
        if low:
            yield "beyond the limit", place, []
    elif shape.type_name in ("integer", "long"):
        for far in ([low - 1] if low is not None else []) + ([high + 1] if high is not None else []):
            yield "beyond the limit", place, far
        yield "beyond the limit", place, -(10**30)
