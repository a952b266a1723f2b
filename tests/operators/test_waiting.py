"""The one loop of operators that wait: deferred or not, the same looks and the same decisions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred

from secondlook.failures.exceptions import SecondLookError
from secondlook.jobs.failure import WaitFailedError, WaitTimeoutError
from secondlook.jobs.shared import JobStoppedError
from secondlook.operators.waiting import WaitingOperator
from secondlook.runtime.task_state import Wait
from secondlook.settings import ServingSettings
from secondlook.triggers.polling import FAILED, OVER, TIMED_OUT, PollingTrigger
from tests.support.airflow import TaskInstance

SETTINGS = ServingSettings(poll_interval_seconds=7, timeout_seconds=60)


class LooksTrigger(PollingTrigger):
    """Is over when there are no more looks; one of them may be an error."""

    looks: ClassVar[list[bool | Exception]] = []

    @property
    def what(self) -> str:
        return "the kettle"

    def is_over(self) -> bool:
        found = type(self).looks.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


@dataclass(frozen=True)
class Steps:
    """How many waits are over, and what they were for."""

    done: int = 0
    names: tuple[str, ...] = ()


class TwoWaitsOperator(WaitingOperator[Steps]):
    """Waits twice, then returns what it waited for."""

    state_class = Steps

    def begin(self, context: Any) -> Steps:
        return Steps()

    def advance(self, context: Any, state: Steps) -> Wait[Steps] | list[str]:
        if state.done == 2:
            return list(state.names)
        following = Steps(state.done + 1, (*state.names, f"wait {state.done + 1}"))
        return self.wait(LooksTrigger, following, SETTINGS)


def make(*looks: bool | Exception, **more: Any) -> TwoWaitsOperator:
    LooksTrigger.looks = list(looks)
    operator = TwoWaitsOperator(
        task_id="wait", bucket="a-bucket", prefix="p", **{"deferrable": False, **more}
    )
    operator.clock = lambda: 1000.0
    operator.pause = pytest.fail
    return operator


@pytest.fixture
def context() -> dict[str, Any]:
    return {"ti": TaskInstance()}


def test_without_a_triggerer_it_pauses_between_looks(context: dict[str, Any]) -> None:
    operator, pauses = make(False, False, True, True), []
    operator.pause = pauses.append
    assert operator.execute(context) == ["wait 1", "wait 2"]
    assert pauses == [7, 7]


def test_deferred_the_state_crosses_each_wait_in_the_trigger(context: dict[str, Any]) -> None:
    event, crossed = None, []
    while True:
        operator = make(deferrable=True)
        try:
            result = operator.execute(context) if event is None else operator.execute_complete(context, event)
            break
        except TaskDeferred as raised:
            deferred = raised
        assert (deferred.method_name, deferred.kwargs) == ("execute_complete", None)
        _, arguments = deferred.trigger.serialize()
        assert arguments["deadline"] == 1060
        crossed.append(json.loads(json.dumps(arguments["state"])))
        event = LooksTrigger(**json.loads(json.dumps(arguments))).event(OVER)
    assert result == ["wait 1", "wait 2"]
    assert crossed == [{"done": 1, "names": ["wait 1"]}, {"done": 2, "names": ["wait 1", "wait 2"]}]


def test_a_look_that_fails_in_passing_is_repeated_and_any_other_ends_the_wait(
    context: dict[str, Any],
) -> None:
    operator = make(SecondLookError("Throttled.", passing=True), True, SecondLookError("No such role."))
    operator.pause = lambda seconds: None
    with pytest.raises(SecondLookError, match="No such role"):
        operator.execute(context)


def test_a_wait_that_takes_too_long_fails_in_both_ways(context: dict[str, Any]) -> None:
    operator = make(False)
    moments = iter([1000.0, 1060.0])
    operator.clock = lambda: next(moments)
    with pytest.raises(WaitTimeoutError, match="the kettle has not ended: it goes on") as caught:
        operator.execute(context)
    assert caught.value.passing
    late = {"status": TIMED_OUT, "what": "the kettle", "state": {"done": 1, "names": []}}
    with pytest.raises(WaitTimeoutError, match="the kettle has not ended: it goes on"):
        make().execute_complete(context, late)


def test_what_the_triggerer_could_not_do_is_the_tasks_error(context: dict[str, Any]) -> None:
    failed = {"status": FAILED, "what": "the kettle", "message": "Gone.", "passing": False}
    with pytest.raises(
        WaitFailedError, match=r"Waiting for the kettle in the triggerer failed: Gone\."
    ) as caught:
        make().execute_complete(context, {**failed, "state": {"done": 1, "names": []}})
    assert caught.value.passing is False


@pytest.mark.parametrize("when", ["while it waits", "before it begins"])
def test_a_task_that_was_ended_goes_no_further(context: dict[str, Any], when: str) -> None:
    operator = make(False, False, False)
    operator.pause = lambda seconds: operator.on_kill()
    if when == "before it begins":
        operator.on_kill()
    with pytest.raises(JobStoppedError, match="This task was killed"):
        operator.execute(context)


def test_a_reason_to_skip_is_the_sentence_of_the_skip(context: dict[str, Any]) -> None:
    with pytest.raises(AirflowSkipException, match="Not on Sundays"):
        make(skip="Not on Sundays.").execute(context)
    assert make(True, True, skip="").execute(context) == ["wait 1", "wait 2"]
