"""Nights that train side by side take turns: one challenger of the champion at a time, and an end to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred
from airflow.sdk.module_loading import import_string

from secondlook.hooks.s3 import ObjectStore
from secondlook.jobs.failure import JobFailedError
from secondlook.records.models import record_verdict
from tests.support.airflow import StateStore, TaskInstance

LATER = "2026-11-21"


def new_run() -> dict[str, Any]:
    """The context of another Airflow run."""
    return {"ti": TaskInstance(), "task_state_store": StateStore()}


def judge(project: Any, model: str, *, promote: bool) -> None:
    """Write the verdict that an evaluation would."""
    store = ObjectStore(project.bucket)
    record_verdict(store, project.layout, model, {"promote": promote, "reason": "as the test wants it"})


def deferral(operator: Any, context: dict[str, Any]) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context)
    return deferred.value


async def event_of(deferred: TaskDeferred) -> dict[str, Any]:
    """What the trigger says after a restart of the triggerer."""
    classpath, arguments = deferred.trigger.serialize()
    trigger = import_string(classpath)(**arguments)
    (event,) = [event.payload async for event in trigger.run()]
    return event


@pytest.fixture
def trained(ready: Any, context: dict[str, Any]) -> str:
    """A challenger without a verdict, and more answers that came meanwhile."""
    ready.train_with_stub()
    ready.answer_night(range(3000, 3012))
    challenger = str(ready.train().execute(context)["model"])
    ready.answer_night(range(3012, 3024), LATER)
    return challenger


async def test_a_second_night_waits_for_the_verdict_and_then_learns_from_both(
    ready: Any, trained: str, capsys: pytest.CaptureFixture[str]
) -> None:
    second = new_run()
    waiting = deferral(ready.train(night=LATER, deferrable=True), second)
    logged = capsys.readouterr().out
    assert f"waits until {trained} of night 2026-11-20 is decided" in logged
    assert "It is trained and has no verdict yet." in logged
    assert ready.training_jobs() == {trained}

    judge(ready, trained, promote=False)
    event = await event_of(waiting)
    assert event["status"] == "over"
    model = ready.train(night=LATER).execute_complete(second, event=event)["model"]
    assert ready.training_jobs() == {trained, model}
    manifests = ready.read(ready.layout.card(model))["data"]["manifests"]
    assert [entry["lines"] for entry in manifests] == [12, 12]


async def test_after_a_promotion_the_next_night_starts_from_the_new_champion(
    ready: Any, trained: str
) -> None:
    second = new_run()
    waiting = deferral(ready.train(night=LATER, deferrable=True), second)
    # Won, but not promoted: a person may have to approve it.
    judge(ready, trained, promote=True)
    assert deferral(ready.train(night=LATER, deferrable=True), second).trigger.challenger == trained
    ready.promote(trained).execute(new_run())
    model = ready.train(night=LATER).execute_complete(second, event=await event_of(waiting))["model"]
    card = ready.read(ready.layout.card(model))
    assert card["parent"] == trained
    assert [entry["lines"] for entry in card["data"]["manifests"]] == [12]


def test_a_night_without_enough_answers_does_not_wait(ready: Any, trained: str) -> None:
    with pytest.raises(AirflowSkipException, match="24 answers"):
        ready.train(night=LATER, min_new_answers=30, deferrable=True).execute(new_run())


def test_the_same_challenger_is_shared_and_not_waited_for(ready: Any, context: dict[str, Any]) -> None:
    ready.train_with_stub()
    ready.answer_night(range(3000, 3012))
    first = ready.train().execute(context)
    assert ready.train(deferrable=True).execute(new_run()) == first
    judge(ready, first["model"], promote=False)
    # Lost: the same answers make the same challenger, which is there already.
    assert ready.train(deferrable=True).execute(new_run()) == first
    assert ready.training_jobs() == {first["model"]}


def test_a_challenger_that_could_not_be_trained_stands_in_nobodys_way(
    ready: Any, context: dict[str, Any]
) -> None:
    ready.train_with_stub(exit_code="1", failure="ClientError: the loss became NaN")
    ready.answer_night(range(3000, 3012))
    with pytest.raises(JobFailedError, match="the loss became NaN"):
        ready.train().execute(context)
    ready.train_with_stub(exit_code="0")
    ready.answer_night(range(3012, 3024), LATER)
    model = ready.train(night=LATER).execute(new_run())["model"]
    assert ready.read(ready.layout.open_challenger())["jobs"] == [model]


def test_a_run_killed_before_its_job_started_starts_that_job_and_no_other(
    ready: Any, context: dict[str, Any]
) -> None:
    ready.train_with_stub()
    ready.answer_night(range(3000, 3012))
    killed = ready.train()

    def die(request: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    killed.sagemaker.start_training = die
    with pytest.raises(KeyboardInterrupt):
        killed.execute(context)
    assert ready.training_jobs() == set()
    planned = ready.read(ready.layout.open_challenger())["jobs"]
    ready.answer_night(range(3012, 3024), LATER)
    # Another run leaves it to the one that planned it.
    assert deferral(ready.train(night=LATER, deferrable=True), new_run()).trigger.challenger == planned[0]
    # Its retry, which has lost all memory but the run's name.
    context["task_state_store"] = StateStore()
    assert ready.train().execute(context)["model"] == planned[0]
    assert ready.training_jobs() == set(planned)


async def test_nobody_waits_for_ever(ready: Any, trained: str, capsys: pytest.CaptureFixture[str]) -> None:
    second = new_run()
    waiting = deferral(ready.train(night=LATER, deferrable=True, challenger_timeout_seconds=0), second)
    event = await event_of(waiting)
    assert event["status"] == "timeout"
    model = ready.train(night=LATER).execute_complete(second, event=event)["model"]
    assert "is still not decided: this night" in capsys.readouterr().out
    assert ready.training_jobs() == {trained, model}
    # From now on the others wait for this one.
    assert ready.read(ready.layout.open_challenger())["jobs"] == [model]


def test_a_lost_race_for_the_record_plans_anew(
    ready: Any, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ready.train_with_stub()
    ready.answer_night(range(3000, 3012))
    slow = ready.train(deferrable=True)
    write = slow.store.write
    winner: list[str] = []

    def overtaken(*arguments: Any, **more: Any) -> Any:
        if not winner:
            ready.answer_night(range(3012, 3024), LATER)
            winner.append(ready.train(night=LATER).execute(new_run())["model"])
        return write(*arguments, **more)

    monkeypatch.setattr(slow.store, "write", overtaken)
    # It read before the other one wrote; with all answers it would train the very same.
    assert slow.execute(context)["model"] == winner[0]
    assert ready.training_jobs() == set(winner)


@pytest.mark.parametrize("promote", [False, True], ids=["every challenger loses", "every challenger wins"])
def test_eight_nights_at_once_end_in_a_fixpoint(ready: Any, promote: bool) -> None:
    first_champion = ready.train_with_stub(sleep_seconds="0.3")
    nights = [(date(2026, 10, 1) + timedelta(days=day)).isoformat() for day in range(8)]
    runs = {night: new_run() for night in nights}
    errors: list[BaseException] = []

    def play(night: str, answers: Callable[[], None]) -> None:
        try:
            answers()
            model = ready.train(night=night, min_new_answers=8).execute(runs[night])["model"]
            judge(ready, model, promote=promote)
            if promote:
                ready.promote(model).execute(runs[night])
        except AirflowSkipException:
            pass
        except BaseException as error:
            errors.append(error)

    def all_at_once(*, answer: bool) -> None:
        def answers(number: int, night: str) -> Callable[[], None]:
            seeds = range(3000 + 5 * number, 3005 + 5 * number)
            return (lambda: ready.answer_night(seeds, night)) if answer else (lambda: None)

        threads = [
            threading.Thread(target=play, args=(night, answers(number, night)))
            for number, night in enumerate(nights)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=300)
        assert not any(thread.is_alive() for thread in threads)
        assert errors == []

    all_at_once(answer=True)
    done = ready.training_jobs()
    champion = ready.read(ready.layout.champion())
    assert 1 <= len(done) <= 7
    parents = {name: ready.read(ready.layout.card(name))["parent"] for name in done}
    if promote:
        # A chain: each challenger was trained from the one before it, and none was trained in vain.
        assert champion["version"] == len(done) + 1
        assert len(set(parents.values())) == len(done)
    else:
        assert set(parents.values()) == {first_champion}

    all_at_once(answer=False)
    assert ready.training_jobs() == done
    assert ready.read(ready.layout.champion()) == champion


def test_two_nights_that_promote_the_same_challenger_at_once_both_succeed(
    ready: Any, trained: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge(ready, trained, promote=True)
    slow = ready.promote(trained)
    store = slow.store
    compare_and_swap = store.compare_and_swap

    def overtaken(*arguments: Any) -> str:
        monkeypatch.setattr(store, "compare_and_swap", compare_and_swap)
        assert ready.promote(trained).execute(new_run()) == {"champion": trained, "version": 2}
        return str(compare_and_swap(*arguments))

    monkeypatch.setattr(store, "compare_and_swap", overtaken)
    assert slow.execute(new_run()) == {"champion": trained, "version": 2}
    assert ready.read(ready.layout.champion())["version"] == 2
