"""Two runs of one night at the same time leave behind what one run does.

``SECOND_LOOK_PAIRS`` says how many pairs, each with other start offsets and another interleaving.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.faults.deployment import LOOPS, Deployment
from tests.faults.invariants import Invariants
from tests.faults.night import Night
from tests.faults.outcome import differences, outcome
from tests.faults.side_by_side import run_pair

PAIRS = int(os.environ.get("SECOND_LOOK_PAIRS", "3"))


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, bytes]]:
    """Filled by the first test that needs it."""
    return {}


@pytest.fixture
def alone(
    outcomes: dict[str, dict[str, bytes]], new_deployment: Callable[[], Deployment]
) -> dict[str, bytes]:
    """What a night leaves that ran alone."""
    if not outcomes:
        deployment = new_deployment()
        night = Night(deployment, run_id="first")
        night.run()
        assert night.succeeded, night.states()
        outcomes["alone"] = outcome(deployment)
        deployment.tear_down()
    return outcomes["alone"]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(PAIRS))
def test_two_runs_end_like_one(
    seed: int, alone: dict[str, bytes], new_deployment: Callable[[], Deployment]
) -> None:
    deployment = new_deployment()
    nights = run_pair(deployment, seed)
    logs = "\n".join(night.log.read_text()[-3000:] for night in nights)
    failed = [night.states() for night in nights if not night.succeeded]
    assert not failed, f"{failed}\n{logs}"
    assert Invariants(deployment, loops=LOOPS).violations() == []
    assert differences(outcome(deployment), alone) == []
    deployment.tear_down()
