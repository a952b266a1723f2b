"""Hooks of pytest that mark each test with its lane and guard the unit tests; see lanes.py."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

import pytest

from tests.support.lanes import LANES, guarded, lane_of, starts


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    for lane, meaning in LANES.items():
        config.addinivalue_line("markers", f"{lane}: {meaning} (given by the fixtures that a test requests)")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test with its lane."""
    if isinstance(item, pytest.Function):
        item.add_marker(lane_of(item))


def _guard(item: pytest.Item) -> contextlib.AbstractContextManager[None]:
    return guarded() if item.get_closest_marker("unit") else contextlib.nullcontext()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    """Guard the fixtures of a unit test, those of its file and of the session included."""
    with _guard(item):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Guard a unit test."""
    with _guard(item):
        return (yield)


@pytest.fixture
@starts("server")
def programs() -> None:
    """What a test requests that starts programs itself."""


@pytest.fixture
@starts("server")
def network() -> None:
    """What a test requests that connects to something itself."""
