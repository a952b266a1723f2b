"""Whoever leaves last stops a job: lost stops, a lost network, transforms, processes that race."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from secondlook.hooks.s3 import ObjectStore
from secondlook.hooks.sagemaker import SageMaker
from secondlook.jobs.record import User
from secondlook.jobs.users import JobsNotLeftError, JobUsers, leave_jobs
from secondlook.layout import Layout
from secondlook.records.holdout import transform_manifest
from secondlook.records.training_data import TrainingDataReader
from secondlook.scoring.transform_spec import TransformSpec
from secondlook.triggers.jobs import JobsTrigger
from tests.operators.waits import Watch, context_of, deferred, event_of
from tests.support.aws import STUB_IMAGE
from tests.support.shapes import LABELS

ROOT = Path(__file__).parents[2]


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
    user = User(trigger.shared["task"], trigger.shared["visit"])
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
    first = deferred(slow.train(deferrable=True), context_of("monday")).shared
    request = slow.read(slow.layout.recipe(first["names"][0]))["request"]
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
    assert said.startswith("Of the training jobs that this task used, 1 may go on running although no run")
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
            JobsTrigger(
                names=[name],
                shared={"kind": "transform", "names": [name], "task": task, "visit": "1"},
                bucket=ready.bucket,
                prefix=ready.prefix,
                deadline=0.0,
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
    assert trigger.shared["names"] == trigger.names
    for name in trigger.names:
        record = ready.read(ready.layout.job_users("transform", name))
        assert [user["task"] for user in record["users"]] == ["nightly_detection/monday/train/-1"]
    await trigger.on_kill()
    for name in trigger.names:
        job = ready.sagemaker.describe_transform_job(TransformJobName=name)
        assert job["TransformJobStatus"] != "InProgress"


RACER = """
import json, os, random, sys, time
from secondlook.jobs.users import JobUsers
from secondlook.hooks.s3 import ObjectStore
from secondlook.jobs.record import User
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
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'plugins'}{os.pathsep}{ROOT}"}
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, project.bucket, f"task-{number}", "25", str(start)],
            env=environment,
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
    assert event["status"] == "over"
    assert ready.sagemaker.describe_endpoint(EndpointName=ready.endpoint)["EndpointStatus"] == "InService"
