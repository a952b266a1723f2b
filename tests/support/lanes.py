"""Lanes of the tests: what a test needs beside Python decides with which others it runs.

A fixture says what it starts (:func:`starts`); a test is in the heaviest lane of the fixtures that it
requests, directly or through others, and in ``unit`` when none of them starts anything. A ``unit`` test
cannot start a process or connect to anything: :func:`guarded` makes it fail.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from unittest import mock

# Airflow's parser of cron expressions starts the program `file` when it is imported, where there is one: here
# no test is charged with it.
import croniter  # noqa: F401
import pytest

LANES = {
    "unit": "needs Python alone: starts no process, opens no connection",
    "server": "needs a server or another program of this machine",
    "airflow": "needs Airflow itself: its processes, its database or all DAGs parsed",
    "browser": "needs Chromium",
}
"""Each lane and what its tests need, from the lightest to the heaviest."""

_ORDER = list(LANES)
_LANE = "_lane"
_Function = TypeVar("_Function", bound=Callable[..., Any])


def starts(lane: str) -> Callable[[_Function], _Function]:
    """Say below ``@pytest.fixture`` in which lane the tests are that use the fixture."""
    if lane not in LANES:
        raise ValueError(f"{lane} is no lane; choose from {', '.join(LANES)}.")

    def mark(function: _Function) -> _Function:
        setattr(function, _LANE, lane)
        return function

    return mark


def lane_of(item: pytest.Function) -> str:
    """Return the lane of a test."""
    definitions = item._fixtureinfo.name2fixturedefs.values()
    lanes = {getattr(definition.func, _LANE, "unit") for same_name in definitions for definition in same_name}
    return max(lanes, key=_ORDER.index, default="unit")


class UnitTestStartedError(AssertionError):
    """A test of the lane ``unit`` wanted more than Python."""


def _refuse(what: str) -> Callable[..., None]:
    def refuse(_self: object, target: object, *_: object, **__: object) -> None:
        raise UnitTestStartedError(
            f"A unit test wanted to {what} ({target!r}). Let it request a fixture that starts a server, or "
            "one of the fixtures `programs` and `network` if it does so itself."
        )

    return refuse


def _nothing(_self: object) -> None: ...


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Let every start of a process and every connection fail."""
    with (
        mock.patch.object(subprocess.Popen, "__init__", _refuse("start a program")),
        # A Popen without its constructor has nothing to clean up.
        mock.patch.object(subprocess.Popen, "__del__", _nothing),
        mock.patch.object(socket.socket, "connect", _refuse("connect to")),
        mock.patch.object(socket.socket, "connect_ex", _refuse("connect to")),
    ):
        yield
