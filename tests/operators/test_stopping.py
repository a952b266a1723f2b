"""Stopping stops: the last user of a job stops it, once, and never a job that another run still uses.

The calls are counted by the server that was asked, the states are described by it.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.module_loading import import_string
from botocore.exceptions import EndpointConnectionError

from secondlook.hooks.holdout import transform_manifest
from secondlook.hooks.job_users import JobsNotLeftError, JobUsers, leave_jobs
from secondlook.hooks.requests import TransformSpec
from secondlook.hooks.sagemaker import SageMaker
from secondlook.hooks.store import ObjectStore
from secondlook.hooks.training_data import TrainingDataReader
from secondlook.job_record import User
from secondlook.layout import Layout
from secondlook.operators.job_user import JobStoppedError
from secondlook.operators.waiting import JobFailedError, WaitTimeoutError
from secondlook.triggers.sagemaker import SageMakerJobsTrigger
from tests.operators.conftest import STUB_IMAGE, StateStore, TaskInstance
from tests.operators.shapes import LABELS

PLUGINS = Path(__file__).parents[2] / "plugins"
LONG = "60"


def context_of(run: str) -> dict[str, Any]:
    """The context of the train task of one run; it serves all of its tries."""
    return {"ti": TaskInstance(run), "task_state_store": StateStore()}


def deferred(operator: Any, context: dict[str, Any]) -> Any:
    """Run an operator until it defers; returns the trigger as the triggerer gets it from the database."""
    with pytest.raises(TaskDeferred) as caught:
        operator.execute(context)
    classpath, arguments = caught.value.trigger.serialize()
    return import_string(classpath)(**json.loads(json.dumps(arguments)))


async def event_of(trigger: Any) -> dict[str, Any]:
    (event,) = [event.payload async for event in trigger.run()]
    return dict(event)


class Watch:
    """What the server says about one training job and about all stops since the test began."""

    def __init__(self, project: Any) -> None:
        self._project = project
        self._stops = project.calls("StopTrainingJob")
        self._starts = project.calls("CreateTrainingJob")

    @property
    def stops(self) -> int:
        return int(self._project.calls("StopTrainingJob") - self._stops)

    @property
    def starts(self) -> int:
        return int(self._project.calls("CreateTrainingJob") - self._starts)

    def status(self, name: str) -> str:
        job = self._project.sagemaker.describe_training_job(TrainingJobName=name)
        return str(job["TrainingJobStatus"])

    def record(self, name: str) -> dict[str, Any]:
        record: dict[str, Any] = self._project.read(self._project.layout.job_users("training", name))
        return record


@pytest.fixture
def slow(ready: Any) -> Any:
    """A deployment with enough answers, whose training takes a minute."""
    ready.train_with_stub(sleep_seconds=LONG)
    ready.answer_night(range(3000, 3012))
    return ready


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
    result = ready.train().resume(night, event=await event_of(cleared))
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
    result = ready.train().resume(tuesday, event=await event_of(second))
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


def test_killed_in_the_worker_it_stops_its_job_and_starts_no_other(
    slow: Any, wait_until: Callable[..., Any]
) -> None:
    watch, errors = Watch(slow), []
    operator = slow.train(control_arm=True)

    def execute() -> None:
        try:
            operator.execute(context_of("monday"))
        except JobStoppedError as error:
            errors.append(error)

    worker = threading.Thread(target=execute)
    worker.start()
    wait_until(lambda: watch.starts == 1 and operator._in_use and "waited_for" in operator._in_use)
    operator.on_kill()
    worker.join(timeout=60)
    assert "This task was ended" in str(errors[0])
    assert (watch.stops, watch.starts) == (1, 1)


def test_killed_while_the_job_is_being_started_it_stops_it_all_the_same(slow: Any) -> None:
    watch, operator = Watch(slow), slow.train()
    start = operator.sagemaker.start_training

    def killed_meanwhile(request: dict[str, Any]) -> None:
        # The signal comes while the request is on its way; Airflow lets the code go on for some seconds.
        operator.on_kill()
        start(request)

    operator.sagemaker.start_training = killed_meanwhile
    with pytest.raises(JobStoppedError, match="This task was ended"):
        operator.execute(context_of("monday"))
    assert (watch.stops, watch.starts) == (1, 1)


async def test_a_wait_that_took_too_long_stops_the_job(slow: Any, wait_until: Callable[..., Any]) -> None:
    watch, night = Watch(slow), context_of("monday")
    trigger = deferred(slow.train(deferrable=True, timeout_seconds=1), night)
    with pytest.raises(WaitTimeoutError, match="has not ended: it is stopped, nobody else waits") as caught:
        slow.train(timeout_seconds=1).resume(night, event=await event_of(trigger))
    assert not caught.value.passing
    wait_until(lambda: watch.status(trigger.names[0]) == "Stopped")
    # The same without a triggerer.
    with pytest.raises(WaitTimeoutError, match=r"-2 has not ended: it is stopped"):
        slow.train(timeout_seconds=1).execute(night)
    assert (watch.stops, watch.starts) == (2, 2)


async def test_a_job_that_ended_while_no_triggerer_ran_is_no_time_out(
    ready: Any, wait_until: Callable[..., Any]
) -> None:
    ready.train_with_stub()
    ready.answer_night(range(3000, 3012))
    watch, night = Watch(ready), context_of("monday")
    trigger = deferred(ready.train(deferrable=True, timeout_seconds=1), night)
    wait_until(lambda: watch.status(trigger.names[0]) == "Completed" and time.time() > trigger.deadline)
    result = ready.train().resume(night, event=await event_of(trigger))
    assert (result["model"], watch.stops) == (trigger.names[0], 0)


async def test_a_wait_that_took_too_long_leaves_the_job_to_the_others(slow: Any) -> None:
    watch, monday = Watch(slow), context_of("monday")
    other = deferred(slow.train(deferrable=True), context_of("tuesday"))
    trigger = deferred(slow.train(deferrable=True, timeout_seconds=1), monday)
    with pytest.raises(WaitTimeoutError, match="has not ended: it goes on") as caught:
        slow.train().resume(monday, event=await event_of(trigger))
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
        slow.train().resume(night, event=await event_of(trigger))
    assert not caught.value.passing
    assert watch.record(trigger.names[0])["users"] == []


def test_a_job_that_was_never_started_keeps_its_name(slow: Any) -> None:
    watch, operator = Watch(slow), slow.train()

    def killed_before(request: dict[str, Any]) -> None:
        operator.on_kill()
        raise KeyboardInterrupt

    operator.sagemaker.start_training = killed_before
    with pytest.raises(KeyboardInterrupt):
        operator.execute(context_of("monday"))
    assert (watch.stops, watch.starts) == (0, 0)
    again = deferred(slow.train(deferrable=True), context_of("monday"))
    assert (watch.stops, watch.starts) == (0, 1)
    assert not again.names[0].endswith("-2")
    slow.sagemaker.stop_training_job(TrainingJobName=again.names[0])


async def test_a_stop_that_sagemaker_never_heard_of_is_asked_for_again(slow: Any) -> None:
    watch, night = Watch(slow), context_of("monday")
    trigger = deferred(slow.train(deferrable=True), night)
    (name,) = trigger.names
    # The process dies between the record and the call.
    users = JobUsers(ObjectStore(slow.bucket), slow.layout, "training")
    user = User(trigger.in_use["task"], trigger.in_use["visit"])
    assert users.leave(name, user, stop=True).stop
    assert (watch.stops, watch.status(name)) == (0, "InProgress")
    second = deferred(slow.train(deferrable=True), night)
    assert second.names == [f"{name}-2"]
    assert watch.stops == 1
    assert watch.status(name) in ("Stopping", "Stopped")
    await second.on_kill()


class Unreachable(SageMaker):
    """SageMaker, but the network fails for one job."""

    lost = ""

    def stop_job(self, kind: Any, name: str) -> None:
        if name == self.lost:
            raise EndpointConnectionError(endpoint_url="https://api.sagemaker.us-east-1.amazonaws.com")
        super().stop_job(kind, name)


async def test_a_network_error_in_one_stop_does_not_spare_the_next_job(
    slow: Any, wait_until: Callable[..., Any]
) -> None:
    watch = Watch(slow)
    first = deferred(slow.train(deferrable=True), context_of("monday")).in_use
    request = slow.read(f"{slow.layout.prefix}/training/{first['names'][0]}/plan.json")["request"]
    one, two = first["names"][0], f"{first['names'][0]}-other"
    SageMaker().start_training({**request, "TrainingJobName": two})
    sagemaker = Unreachable()
    sagemaker.lost = one
    users = JobUsers(ObjectStore(slow.bucket), slow.layout, "training")
    both = User("both", "1")
    assert users.enter(one, both)
    assert users.enter(two, both)
    users.leave(one, User(first["task"], first["visit"]), stop=False)
    with pytest.raises(JobsNotLeftError) as caught:
        leave_jobs(users, sagemaker, [one, two], both, logging.getLogger())
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith("Of the training jobs that this task used, 1 may go on running although nobody")
    assert f" {one}: " in said
    assert two not in said
    assert caught.value.passing
    wait_until(lambda: watch.status(two) == "Stopped")
    assert watch.status(one) == "InProgress"
    slow.sagemaker.stop_training_job(TrainingJobName=one)


def start_slow_transform(project: Any) -> str:
    """Start a transform of the holdout that takes half a minute an image; returns its name."""
    name = f"slow-{uuid.uuid4().hex[:8]}"
    container = {
        "Image": STUB_IMAGE,
        "ModelDataUrl": project.upload_artifact(),
        "Environment": {"STUB_DELAY_SECONDS": "30"},
    }
    project.sagemaker.create_model(
        ModelName=name, PrimaryContainer=container, ExecutionRoleArn=project.role_arn
    )
    manifest = transform_manifest(manifest_lines(project))
    project.put("slow/input.manifest", manifest)
    spec = TransformSpec(
        model_resource=name,
        manifest_uri=project.layout.uri("slow/input.manifest"),
        output_uri=project.layout.uri("slow"),
        instance_type="ml.m5.xlarge",
        max_concurrent=1,
        tags=[],
    )
    SageMaker().start_transform(spec, name)
    return name


def manifest_lines(project: Any) -> Any:
    store = ObjectStore(project.bucket)
    reader = TrainingDataReader(store, project.layout, LABELS, logging.getLogger())
    return reader.manifest(project.layout.holdout_manifest("v1"))[0]


async def test_transform_jobs_are_stopped_alike(ready: Any, wait_until: Callable[..., Any]) -> None:
    name, before = start_slow_transform(ready), ready.calls("StopTransformJob")
    users = JobUsers(ObjectStore(ready.bucket), ready.layout, "transform")
    triggers = []
    for task in ("monday", "tuesday"):
        assert users.enter(name, User(task, "1"))
        triggers.append(
            SageMakerJobsTrigger(
                kind="transform",
                names=[name],
                in_use={"names": [name], "task": task, "visit": "1"},
                bucket=ready.bucket,
                prefix=ready.prefix,
                deadline=0.0,
                progress={},
            )
        )
    await triggers[0].on_kill()
    assert ready.calls("StopTransformJob") == before
    await triggers[1].on_kill()
    assert ready.calls("StopTransformJob") == before + 1

    def status() -> str:
        job = ready.sagemaker.describe_transform_job(TransformJobName=name)
        return str(job["TransformJobStatus"])

    wait_until(lambda: status() == "Stopped")


async def test_an_evaluation_uses_the_transforms_of_both_models(ready: Any) -> None:
    ready.train_with_stub()
    ready.answer_night(range(3000, 3012))
    challenger = ready.train().execute(context_of("monday"))["model"]
    trigger = deferred(ready.evaluate(challenger, deferrable=True), context_of("monday"))
    assert len(trigger.names) == 2
    assert trigger.in_use["names"] == trigger.names
    for name in trigger.names:
        record = ready.read(ready.layout.job_users("transform", name))
        assert [user["task"] for user in record["users"]] == ["nightly_detection/monday/train/-1"]
    await trigger.on_kill()
    for name in trigger.names:
        job = ready.sagemaker.describe_transform_job(TransformJobName=name)
        assert job["TransformJobStatus"] != "InProgress"


RACER = """
import json, os, random, sys, time
from secondlook.hooks.job_users import JobUsers
from secondlook.hooks.store import ObjectStore
from secondlook.job_record import User
from secondlook.layout import Layout

bucket, task, rounds, start = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
users = JobUsers(ObjectStore(bucket), Layout(bucket, "races"), "training")
chance, done = random.Random(task), []
while time.time() < start:
    pass
for visit in range(rounds):
    user, number = User(task, str(visit)), 1
    while not users.enter(f"job-{number}", user):
        number += 1
    stop = chance.random() < 0.7
    departure = users.leave(f"job-{number}", user, stop=stop)
    if departure.stop:
        record = users.read(f"job-{number}")
        assert not record.users, record
        done.append(number)
print(json.dumps(done))
"""


def test_real_processes_race_for_the_last_place(project: Any) -> None:
    start = time.time() + 15
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, project.bucket, f"task-{number}", "25", str(start)],
            cwd=PLUGINS,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    stopped: list[int] = []
    for racer in racers:
        out, err = racer.communicate(timeout=240)
        assert racer.returncode == 0, err
        stopped += json.loads(out.splitlines()[-1])
    # Each name was stopped by one process; only the last name, if any, is still free.
    assert len(stopped) == len(set(stopped))
    users = JobUsers(ObjectStore(project.bucket), Layout(project.bucket, "races"), "training")
    names = [key.rpartition("/")[2].removesuffix(".json") for key in project.keys("races/jobs/training/")]
    assert len(names) > 10
    for name in names:
        record = users.read(name)
        assert record.users == ()
        assert (record.stopping is not None) == (int(name.removeprefix("job-")) in stopped)


async def test_a_deployment_is_not_interrupted(ready: Any, wait_until: Callable[..., Any]) -> None:
    ready.serve_with_stub()
    trigger = deferred(ready.deploy(deferrable=True), context_of("monday"))
    await trigger.on_kill()
    event = await event_of(trigger)
    assert event["status"] == "settled"
    assert ready.sagemaker.describe_endpoint(EndpointName=ready.endpoint)["EndpointStatus"] == "InService"
