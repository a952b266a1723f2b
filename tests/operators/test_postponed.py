"""A month that has no room for all: what is postponed is asked by a later night and learned with it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from secondlook.operators.launch import HumanLoopStartOperator
from secondlook.operators.manifest import AugmentedManifestOperator
from secondlook.operators.review_workflow import ReviewWorkflowCreateOperator
from secondlook.sensors.human_loops import HumanLoopSensor
from tests.support.reviewer import Reviewer
from tests.support.shapes import LABELS, SIDE_PX, drawn_boxes

FIRST, LATER = "2026-11-20", "2026-11-21"


class Team:
    """The review side of a deployment: a flow definition on a real Review Desk, and a person who answers."""

    def __init__(self, project: Any, reviewer: Reviewer, team: str, context: dict[str, Any]) -> None:
        self._project = project
        self._reviewer = reviewer
        self._place = {**project.place, "flow_definition_name": f"shapes-{uuid.uuid4().hex[:8]}"}
        ReviewWorkflowCreateOperator(
            task_id="create",
            flow_role_arn=project.role_arn,
            workteam_name=team,
            labels=list(LABELS),
            review={"task_description": "One box around every shape.", "task_time_limit_seconds": 600},
            **self._place,
        ).execute(context)

    def launch(self, night: str, model: str, context: dict[str, Any], **limits: Any) -> dict[str, Any]:
        """Choose, reserve and start, at most six images."""
        defaults = {"task_id": "launch", "night": night, "model": model, "labels": list(LABELS)}
        review = {"limit": 6, "price_per_review": "0.08", **limits}
        return HumanLoopStartOperator(**{**defaults, **self._place, "review": review}).execute(context)

    def answer(self, night: str, context: dict[str, Any], wait_until: Callable[..., Any]) -> dict[str, Any]:
        """Let the reviewer draw every box right, wait for the loops and write the manifest."""
        self._reviewer.answer_all(drawn_boxes, width=SIDE_PX, height=SIDE_PX)
        project = self._project
        review = {"poll_interval_seconds": 0.2, "timeout_seconds": 60}
        wait = {"task_id": "await_reviews", "night": night, "review": review}
        asked = [line["loop"] for line in self.ledger(night) if "state" not in line]
        sensor = HumanLoopSensor(**{**wait, **self._place})
        wait_until(lambda: all(sensor.service.describe(loop).status == "Completed" for loop in asked))
        assert sensor.execute(context)["completed"] == len(asked)
        manifest = {"task_id": "manifest", "night": night, "labels": list(LABELS)}
        return AugmentedManifestOperator(**{**manifest, **project.place}).execute(context)

    def ledger(self, night: str) -> list[dict[str, Any]]:
        return self._project.lines(self._project.layout.ledger(night))


@pytest.fixture
def team(
    ready: Any,
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    a2i_connection: str,
    desk_server: str,
    desk_workers: dict[str, str],
    desk_team_arn: str,
) -> Team:
    monkeypatch.setenv("AIRFLOW_CONN_A2I_DEFAULT", a2i_connection)
    reviewer = Reviewer(desk_server, "alice", desk_workers["alice"])
    return Team(ready, reviewer, desk_team_arn.rpartition("/")[2], context)


@pytest.mark.timeout(600)
def test_what_was_postponed_is_taken_up_answered_and_learned_with_the_later_night(
    ready: Any, context: dict[str, Any], team: Team, wait_until: Callable[..., Any]
) -> None:
    layout = ready.layout
    model = ready.deploy().execute(context)["model"]
    for night, seeds in ((FIRST, range(3000, 3010)), (LATER, range(3100, 3102))):
        ready.upload_night(seeds, night)
        assert ready.score(model, night=night).execute(context)["scored"] == len(seeds)

    # The month has money for four of the first night's six.
    first = team.launch(FIRST, model, context, month_money="0.35")
    assert (first["selected"], first["postponed"], first["cost"]) == (4, 2, "0.32")
    assert context["ti"].xcoms["forecast"]["postponed"] == 2
    postponed = [line for line in team.ledger(FIRST) if "state" in line]
    assert [(line["rank"], line["state"]) for line in postponed] == [(5, "postponed"), (6, "postponed")]
    assert team.answer(FIRST, context, wait_until)["lines"] == 4

    # The first night's answers are learned before the later night asks.
    ready.train_with_stub()
    learned = ready.train(min_new_answers=4).execute(context)
    assert learned["new"] <= 4
    ready.publish(model=learned["model"], replace=True).execute(context)

    # The budget is raised: the later night asks about its own two and about the two that waited.
    later = team.launch(LATER, model, context, month_money="1.00")
    assert (later["selected"], later["taken_up"], later["postponed"], later["cost"]) == (4, 2, 0, "0.32")
    forecast = context["ti"].xcoms["forecast"]
    assert (forecast["images"], forecast["cost"]) == (4, "0.32")
    # The team's speed is known now, from the first night's answers.
    assert forecast["seconds"] is not None
    ledger = team.ledger(LATER)
    assert [line.get("from_night") for line in ledger] == [None, None, FIRST, FIRST]
    assert [line["loop"] for line in ledger[2:]] == [line["loop"] for line in postponed]
    assert team.answer(LATER, context, wait_until)["lines"] == 4
    reviewed = {line["source-ref"] for line in ready.lines(layout.reviewed_manifest(LATER))}
    assert reviewed == {line["image"] for line in ledger}

    # What the later night trains on has them, although the first night's manifest is learned long since.
    trained = ready.train(night=LATER, min_new_answers=4).execute(context)
    card = ready.read(layout.card(trained["model"]))
    (manifest,) = card["data"]["manifests"]
    assert manifest["uri"] == layout.uri(layout.reviewed_manifest(LATER))
    read = {
        line["source-ref"]
        for channel in ("train", "validation")
        for line in ready.lines(layout.training_manifest(trained["model"], channel))
    }
    assert reviewed <= read

    # No image was sent out twice, and the month paid for eight.
    budget = json.loads(ready.get(layout.budget(later["month"])))
    assert (budget["images"], budget["spent"]) == (8, "0.64")
    assert team.launch(FIRST, model, context)["started"] == team.launch(LATER, model, context)["started"] == 0
