"""Each test is in the lane of what it requests, and a unit test gets no further than Python."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from typing import Any

import pytest

from tests.support.lanes import LANES, UnitTestStartedError, starts


def lanes_of(request: pytest.FixtureRequest) -> set[str]:
    return {mark.name for mark in request.node.iter_markers()} & set(LANES)


@pytest.fixture
def through_another(programs: None) -> None:
    """A fixture that starts nothing itself."""


def test_a_test_that_requests_nothing_is_a_unit_test(request: pytest.FixtureRequest) -> None:
    assert lanes_of(request) == {"unit"}


def test_a_fixture_of_a_fixture_counts(request: pytest.FixtureRequest, through_another: None) -> None:
    assert lanes_of(request) == {"server"}


@pytest.mark.usefixtures("network")
def test_a_fixture_that_is_only_used_counts(request: pytest.FixtureRequest) -> None:
    assert lanes_of(request) == {"server"}


def test_a_unit_test_starts_no_program() -> None:
    with pytest.raises(UnitTestStartedError, match="start a program"):
        subprocess.run([sys.executable, "-c", ""], check=True)


async def test_nor_does_it_start_one_asynchronously() -> None:
    with pytest.raises(UnitTestStartedError, match="start a program"):
        await asyncio.create_subprocess_exec(sys.executable, "-c", "")


def test_a_unit_test_connects_to_nothing() -> None:
    with pytest.raises(UnitTestStartedError, match="connect to"):
        socket.create_connection(("127.0.0.1", 9), timeout=1)


def test_a_lane_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="choose from unit, server"):
        starts("cloud")(lambda: None)


def test_other_tests_may_start_programs(programs: Any) -> None:
    assert (
        subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, check=True).stdout == b"1\n"
    )
