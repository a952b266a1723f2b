"""Stopping stops: the last user of a job stops it, once, and never a job that another run still uses.

The calls are counted by the server that was asked, the states are described by it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from secondlook.jobs.failure import JobFailedError, WaitTimeoutError
from secondlook.jobs.shared import JobStoppedError
from tests.operators.waits import Watch, context_of, deferred, event_of


@pytest.mark.parametrize("same_run_clears", [True, False])
async def test_failed_while_deferred_then_cleared(
    slow: Any, wait_until: Callable[..., Any], same_run_clears: bool
) -> None:
    watch, night = Watch(slow), context_of("monday")
    trigger = deferred(slow.train(deferrable=True), night)
    (name,) = trigger.names
    assert [user["task"] for user in watch.record(name)["users"]] == ["nightly_detection/monday/train/-1"]
    assert watch.status(name) == "InProgress"
    await trigger.on_kill()
    wait_until(lambda: watch.status(name) == "Stopped")
    assert (watch.stops, watch.starts) == (1, 1)
    # Asked again, for example by a triggerer that did not get to say that it was done: once is enough.
    await trigger.on_kill()
    assert watch.stops == 1

    again = night if same_run_clears else context_of("tuesday")
    second = deferred(slow.train(deferrable=True), again)
    assert second.names == [f"{name}-2"]
    assert watch.status(f"{name}-2") == "InProgress"
    await second.on_kill()
    assert (watch.stops, watch.starts) == (2, 2)


async def test_cleared_after_a_stop_the_training_is_done_anew(
    ready: Any, wait_until: Callable[..., Any]
) -> None:
    # Long enough for a busy machine to stop the first job before it ends by itself.
    ready.train_with_stub(sleep_seconds="15")
    ready.answer_night(range(3000, 3012))
    watch, night = Watch(ready), context_of("monday")
    trigger = deferred(ready.train(deferrable=True), night)
    (name,) = trigger.names
    await trigger.on_kill()
    # At once, while SageMaker still says Stopping: nobody attaches to a job that ends without a result.
    cleared = deferred(ready.train(deferrable=True), night)
    assert cleared.names == [f"{name}-2"]
    result = ready.train().execute_complete(night, event=await event_of(cleared))
    assert result["model"] == f"{name}-2"
    assert (watch.stops, watch.starts) == (1, 2)
    assert watch.status(name) == "Stopped"
    assert watch.status(f"{name}-2") == "Completed"
    assert watch.record(f"{name}-2") == {"stopping": None, "users": []}


async def test_a_job_that_another_run_uses_lives(
    ready: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    held = tmp_path / "held"
    held.touch()
    ready.train_with_stub(wait_while=str(held))
    ready.answer_night(range(3000, 3012))
    watch, monday, tuesday = Watch(ready), context_of("monday"), context_of("tuesday")
    first = deferred(ready.train(deferrable=True), monday)
    second = deferred(ready.train(deferrable=True), tuesday)
    assert first.names == second.names
    await first.on_kill()
    assert "is not stopped: it is still used by nightly_detection/tuesday/train/-1" in capsys.readouterr().out
    held.unlink()
    result = ready.train().execute_complete(tuesday, event=await event_of(second))
    assert watch.status(result["model"]) == "Completed"
    assert (watch.stops, watch.starts) == (0, 1)
    # Cleared, the first run finds the model as it is.
    assert ready.train().execute(monday) == result
    assert (watch.stops, watch.starts) == (0, 1)


async def test_when_both_runs_are_ended_the_job_is_stopped_once(
    slow: Any, wait_until: Callable[..., Any]
) -> None:
    watch = Watch(slow)
    triggers = [deferred(slow.train(deferrable=True), context_of(run)) for run in ("monday", "tuesday")]
    for trigger in triggers:
        await trigger.on_kill()
    wait_until(lambda: watch.status(triggers[0].names[0]) == "Stopped")
    assert (watch.stops, watch.starts) == (1, 1)


async def test_a_clear_that_waits_again_before_the_stop_of_its_last_try_keeps_the_job(
    slow: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    watch, night = Watch(slow), context_of("monday")
    before = deferred(slow.train(deferrable=True), night)
    after = deferred(slow.train(deferrable=True), night)
    assert after.names == before.names
    await before.on_kill()
    assert "is not stopped: this task waits for it again" in capsys.readouterr().out
    assert (watch.stops, watch.status(after.names[0])) == (0, "InProgress")
    await after.on_kill()
    assert watch.stops == 1


async def test_a_process_that_was_killed_leaves_no_entry_behind(slow: Any) -> None:
    watch, night = Watch(slow), context_of("monday")
    # kill -9: no hook runs. The next try is the same user.
    killed = deferred(slow.train(deferrable=True), night)
    retried = deferred(slow.train(deferrable=True), night)
    assert len(watch.record(killed.names[0])["users"]) == 1
    await retried.on_kill()
    assert watch.stops == 1


def test_killed_in_the_worker_it_stops_its_job_and_starts_no_other(slow: Any) -> None:
    watch, errors, waiting = Watch(slow), [], threading.Event()
    operator = slow.train(control_arm=True)
    operator.pause = lambda seconds: waiting.set() or time.sleep(seconds)

    def execute() -> None:
        try:
            operator.execute(context_of("monday"))
        except JobStoppedError as error:
            errors.append(error)

    worker = threading.Thread(target=execute)
    worker.start()
    assert waiting.wait(timeout=60)
    operator.on_kill()
    worker.join(timeout=60)
    assert "This task was killed" in str(errors[0])
    assert (watch.stops, watch.starts) == (1, 1)


def test_killed_while_the_job_is_being_started_it_stops_it_all_the_same(slow: Any) -> None:
    watch, operator = Watch(slow), slow.train()
    start = operator.sagemaker.start_training

    def killed_meanwhile(request: dict[str, Any]) -> None:
        # The signal comes while the request is on its way; Airflow lets the code go on for some seconds.
        operator.on_kill()
        start(request)

    operator.sagemaker.start_training = killed_meanwhile
    with pytest.raises(JobStoppedError, match="This task was killed"):
        operator.execute(context_of("monday"))
    assert (watch.stops, watch.starts) == (1, 1)


async def test_a_wait_that_took_too_long_stops_the_job(slow: Any, wait_until: Callable[..., Any]) -> None:
    watch, night = Watch(slow), context_of("monday")
    trigger = deferred(slow.train(deferrable=True), night)
    trigger.deadline = time.time()
    with pytest.raises(WaitTimeoutError, match="has not ended: it is stopped, no other run waits") as caught:
        slow.train().execute_complete(night, event=await event_of(trigger))
    assert not caught.value.passing
    wait_until(lambda: watch.status(trigger.names[0]) == "Stopped")
    # The same without a triggerer.
    operator, days = slow.train(), count()
    operator.clock = lambda: next(days) * 86400.0
    with pytest.raises(WaitTimeoutError, match=r"-2 has not ended: it is stopped"):
        operator.execute(night)
    assert (watch.stops, watch.starts) == (2, 2)


async def test_a_job_that_ended_while_no_triggerer_ran_is_no_time_out(
    ready: Any, wait_until: Callable[..., Any]
) -> None:
    ready.train_with_stub()
    ready.answer_night(range(3000, 3012))
    watch, night = Watch(ready), context_of("monday")
    trigger = deferred(ready.train(deferrable=True), night)
    trigger.deadline = time.time()
    wait_until(lambda: watch.status(trigger.names[0]) == "Completed")
    result = ready.train().execute_complete(night, event=await event_of(trigger))
    assert (result["model"], watch.stops) == (trigger.names[0], 0)


async def test_a_wait_that_took_too_long_leaves_the_job_to_the_others(slow: Any) -> None:
    watch, monday = Watch(slow), context_of("monday")
    other = deferred(slow.train(deferrable=True), context_of("tuesday"))
    trigger = deferred(slow.train(deferrable=True), monday)
    trigger.deadline = time.time()
    with pytest.raises(WaitTimeoutError, match="has not ended: it goes on") as caught:
        slow.train().execute_complete(monday, event=await event_of(trigger))
    assert caught.value.passing
    assert (watch.stops, watch.status(other.names[0])) == (0, "InProgress")
    await other.on_kill()
    assert watch.stops == 1


async def test_a_stopped_job_is_never_a_success(slow: Any) -> None:
    watch, night = Watch(slow), context_of("monday")
    trigger = deferred(slow.train(deferrable=True), night)
    # Somebody stops it in the console.
    slow.sagemaker.stop_training_job(TrainingJobName=trigger.names[0])
    with pytest.raises(JobFailedError, match="ended as Stopped, not Completed") as caught:
        slow.train().execute_complete(night, event=await event_of(trigger))
    assert not caught.value.passing
    assert watch.record(trigger.names[0])["users"] == []
