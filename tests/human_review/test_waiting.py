"""Waiting for reviewers in the triggerer, whatever becomes of their tasks."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from airflow.sdk._shared.module_loading import import_string
from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferred

from secondlook.failures.exceptions import HumanReviewError, ReviewSetupError
from secondlook.records.reviews import LedgerMissingError
from secondlook.review.human_loops import LoopBoard
from secondlook.runtime.arguments import ArgumentError
from secondlook.triggers.polling import FAILED, OVER
from tests.support.review_project import LABELS, NIGHT
from tests.support.reviewer import predrawn

OTHER_NIGHT = "2026-11-21"


def launched(project, context, count=3, night=NIGHT):
    project.score([project.prediction(f"image-{i}", 0.9, 0.5, night=night) for i in range(count)], night)
    project.launch(night=night).execute(context)
    return [line["loop"] for line in project.lines(project.layout.ledger(night))]


def deferral(sensor, context) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(context)
    return deferred.value


def revived(deferred: TaskDeferred) -> Any:
    """The trigger as a triggerer makes it from what the database kept."""
    classpath, kwargs = deferred.trigger.serialize()
    return import_string(classpath)(**json.loads(json.dumps(kwargs)))


async def fired(trigger) -> dict[str, Any]:
    events = [event.payload async for event in trigger.run()]
    assert len(events) == 1
    return events[0]


def test_the_sensor_waits_in_the_triggerer_until_all_have_answered(ready, context, reviewer):
    loops = launched(ready, context)
    sensor = ready.await_reviews(timeout_seconds=90)
    deferred = deferral(sensor, context)
    assert deferred.trigger.deadline == pytest.approx(time.time() + 90, abs=10)
    assert deferred.method_name == "execute_complete"
    assert len(json.dumps(deferred.trigger.serialize())) < 1000

    async def wait_while_people_answer():
        waiting = asyncio.create_task(fired(revived(deferred)))
        assert await asyncio.to_thread(reviewer.answer_all, predrawn) == 3
        return await waiting

    event = asyncio.run(wait_while_people_answer())
    assert event["status"] == OVER

    result = ready.await_reviews().execute_complete(context, event)
    assert result == {
        "night": NIGHT,
        "outcomes": ready.layout.uri(ready.layout.outcomes(NIGHT)),
        "completed": 3,
        "failed": 0,
        "expired": 0,
        "stopped": 0,
    }
    outcomes = ready.lines(ready.layout.outcomes(NIGHT))
    assert [outcome["loop"] for outcome in outcomes] == loops
    assert all(
        outcome["output"].startswith(f"s3://{ready.bucket}/cells/reviews/a2i/") for outcome in outcomes
    )


def test_a_second_look_when_all_has_ended_does_not_defer(ready, context, reviewer, wait_until):
    launched(ready, context)
    reviewer.answer_all(predrawn)
    wait_until(lambda: set(ready.loops().values()) == {"Completed"})
    assert ready.await_reviews().execute(context)["completed"] == 3
    first = ready.get(ready.layout.outcomes(NIGHT))
    ready.await_reviews().execute(context)
    assert ready.get(ready.layout.outcomes(NIGHT)) == first


def test_a_night_that_asked_nobody_is_over_at_once(project, context):
    project.score([])
    project.launch().execute(context)
    result = project.await_reviews().execute(context)
    assert (result["completed"], result["expired"]) == (0, 0)
    assert project.get(project.layout.outcomes(NIGHT)) == b""


def test_a_night_that_was_not_launched_is_a_sentence(project, context):
    with pytest.raises(
        LedgerMissingError, match="run the task that launches the reviews of 2026-11-20 first"
    ):
        project.await_reviews().execute(context)


async def test_expired_loops_end_the_wait(project, context, human_task_ui_arn):
    project.make_flow(human_task_ui_arn, TaskAvailabilityLifetimeInSeconds=1)
    launched(project, context, count=2)
    try:
        result = project.await_reviews().execute(context)
    except TaskDeferred as deferred:
        event = await fired(revived(deferred))
        result = project.await_reviews().execute_complete(context, event)
    assert result["expired"] == 2
    assert {line["failure_code"] for line in project.lines(project.layout.outcomes(NIGHT))} == {"Expired"}


async def test_failed_stopped_and_deleted_loops_end_the_wait(ready, context):
    stopped, deleted, last = launched(ready, context)
    deferred = deferral(ready.await_reviews(), context)
    ready.a2i.stop_human_loop(HumanLoopName=stopped)
    ready.a2i.stop_human_loop(HumanLoopName=deleted)
    ready.a2i.delete_human_loop(HumanLoopName=deleted)
    ready.a2i.stop_human_loop(HumanLoopName=last)

    assert (await fired(revived(deferred)))["status"] == OVER
    result = ready.await_reviews().execute(context)
    assert result["stopped"] == 3
    statuses = [line["status"] for line in ready.lines(ready.layout.outcomes(NIGHT))]
    assert statuses == ["Stopped", "Deleted", "Stopped"]


def test_a_template_that_fails_on_an_image_is_an_outcome(project, context):
    template = '<crowd-form><img src="{{ task.input.nothing | grant_read_access }}"></crowd-form>'
    ui = project.control.create_human_task_ui(
        HumanTaskUiName=f"{project.flow}-broken", UiTemplate={"Content": template}
    )
    project.make_flow(ui["HumanTaskUiArn"])
    launched(project, context, count=1)
    assert project.await_reviews().execute(context)["failed"] == 1
    (outcome,) = project.lines(project.layout.outcomes(NIGHT))
    assert outcome["failure_code"] == "ValidationError"
    assert "grant_read_access" in outcome["failure_reason"]


async def test_nights_on_one_flow_do_not_wait_for_each_other(ready, context, reviewer):
    tonight = launched(ready, context, count=2)
    launched(ready, context, count=2, night=OTHER_NIGHT)
    deferred = deferral(ready.await_reviews(), context)
    for name in tonight:
        ready.a2i.stop_human_loop(HumanLoopName=name)
    assert (await fired(revived(deferred)))["status"] == OVER
    assert deferral(ready.await_reviews(night=OTHER_NIGHT), context)


async def test_a_restarted_triggerer_goes_on_waiting(ready, context, reviewer):
    launched(ready, context)
    deferred = deferral(ready.await_reviews(), context)
    first = asyncio.create_task(fired(revived(deferred)))
    await asyncio.sleep(0.5)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert set(ready.loops().values()) == {"InProgress"}

    second = asyncio.create_task(fired(revived(deferred)))
    await asyncio.to_thread(reviewer.answer_all, predrawn)
    assert (await second)["status"] == OVER


async def test_more_loops_than_one_page_lists(ready, context):
    loops = launched(ready, context, count=0)
    ready.score([ready.prediction(f"image-{i}", 0.5) for i in range(101)], OTHER_NIGHT, per_part=50)
    ready.launch(night=OTHER_NIGHT, limit=101).execute(context)
    deferred = deferral(ready.await_reviews(night=OTHER_NIGHT), context)
    ready.stop_all()
    assert loops == []
    assert (await fired(revived(deferred)))["status"] == OVER


async def test_a_flow_definition_removed_meanwhile_is_a_sentence(ready, context):
    launched(ready, context)
    deferred = deferral(ready.await_reviews(), context)
    ready.control.delete_flow_definition(FlowDefinitionName=ready.flow)
    event = await fired(revived(deferred))
    assert event["status"] == FAILED
    with pytest.raises(HumanReviewError, match=f"Night 2026-11-20: .*{ready.flow}"):
        ready.await_reviews().execute_complete(context, event)
    with pytest.raises(ReviewSetupError, match=f"{ready.flow} does not exist"):
        ready.await_reviews().execute(context)


def test_a_timeout_says_how_many_are_open(ready, context):
    launched(ready, context)
    deferred = deferral(ready.await_reviews(timeout_seconds=1), context)
    event = asyncio.run(fired(revived(deferred)))
    sentence = "3 of 3 human loops of 2026-11-20 are still open on the flow definition cells-"
    with pytest.raises(AirflowSensorTimeout, match=sentence):
        ready.await_reviews().execute_complete(context, event)


def test_an_unknown_status_is_waited_for():
    board = LoopBoard(["ours", "gone"])
    board.note("ours", "Paused")
    board.note("of another night", "InProgress")
    board.note("gone", "Deleted")
    assert (board.total, board.open, board.unknown_statuses) == (2, 1, {"Paused"})
    assert board.unlisted({"of another night"}) == ["ours"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"night": "2026-1-1"}, "night = '2026-1-1'"),
        ({"poll_interval_seconds": 0}, "review cannot be used: poll_interval_seconds = 0"),
        ({"timeout_seconds": "long"}, "review cannot be used: timeout_seconds = 'long'"),
    ],
)
def test_wrong_arguments_fail_while_the_dag_is_parsed(project, arguments, sentence):
    with pytest.raises(ArgumentError, match=f"Task await_reviews: {sentence}"):
        project.await_reviews(**arguments)


def test_templates_are_left_for_the_run(project):
    project.await_reviews(review="{{ settings.review }}")
    assert LABELS
