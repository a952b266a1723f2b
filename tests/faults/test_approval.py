"""A person decides about a challenger that has won: the real DAG's ``approve``, answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.faults.deployment import FIRST_MODEL, Deployment
from tests.faults.night import Night


def verdict_of(deployment: Deployment, night: Night) -> dict[str, Any]:
    challenger = night.supervisor.result("evaluate")["challenger"]
    return json.loads(deployment.get(deployment.layout.card(challenger)))["verdict"]


def asking(deployment: Deployment, answer: str | None, run_id: str = "asking") -> Night:
    return Night(deployment, run_id=run_id, conf={"require_approval": True}, answers={"approve": answer})


def test_an_approved_challenger_is_promoted(new_deployment: Callable[[], Deployment]) -> None:
    deployment = new_deployment()
    night = asking(deployment, "Approve")
    states = night.run()
    assert night.succeeded, night.log.read_text()[-6000:]
    assert states["approve"] == "success"
    assert deployment.champion()["version"] == 2
    verdict = verdict_of(deployment, night)
    assert (verdict["promote"], verdict["approval"]) == (True, "approved")
    assert "owner" not in json.dumps(verdict)


def test_a_rejected_challenger_is_promoted_by_no_run_until_a_person_approves_it(
    new_deployment: Callable[[], Deployment],
) -> None:
    deployment = new_deployment()
    first = asking(deployment, "Reject")
    states = first.run()
    assert first.succeeded, first.log.read_text()[-6000:]
    assert (states["approve"], states["promote"], states["deploy_champion"]) == (
        "success",
        "skipped",
        "skipped",
    )
    assert deployment.champion()["model"] == FIRST_MODEL
    assert verdict_of(deployment, first)["approval"] == "rejected"

    # A run that does not ask makes the same challenger of the same answers; it neither waits nor promotes.
    second = Night(deployment, run_id="not-asking")
    states = second.run()
    assert second.succeeded, second.log.read_text()[-6000:]
    assert (states["train"], states["promote"]) == ("success", "skipped")
    assert "A person has rejected" in second.log.read_text()
    assert deployment.champion()["model"] == FIRST_MODEL

    first.answers["approve"] = "Approve"
    first.clear("approve")
    first.run()
    assert first.succeeded, first.log.read_text()[-6000:]
    assert deployment.champion()["version"] == 2


def test_a_promotion_that_nobody_answers_is_asked_about_once(
    new_deployment: Callable[[], Deployment],
) -> None:
    deployment = new_deployment()
    night = asking(deployment, None)
    states = night.run()
    assert (states["approve"], states["promote"]) == ("failed", "upstream_failed")
    assert sum(line.startswith("approve try 1: awaiting_input") for line in night.history) == 1
    assert not any(line.startswith("approve try 2") for line in night.history)
    assert "Nobody approved or rejected" in night.log.read_text()
    assert deployment.champion()["model"] == FIRST_MODEL

    night.answers["approve"] = "Approve"
    night.clear("approve")
    night.run()
    assert night.succeeded, night.log.read_text()[-6000:]
    assert deployment.champion()["version"] == 2
