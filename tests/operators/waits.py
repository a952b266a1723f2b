"""Tasks that wait for jobs, played without Airflow, and what the server says about the jobs."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.module_loading import import_string

from tests.support.airflow import StateStore, TaskInstance


def context_of(run: str) -> dict[str, Any]:
    """The context of the train task of one run; it serves all of its tries."""
    return {"ti": TaskInstance(run), "task_state_store": StateStore()}


def deferred(operator: Any, context: dict[str, Any], event: dict[str, Any] | None = None) -> Any:
    """Run an operator, or go on after an event, until it defers.

    Returns the trigger as the triggerer gets it from the database.
    """
    go_on = operator.execute if event is None else partial(operator.execute_complete, event=event)
    with pytest.raises(TaskDeferred) as caught:
        go_on(context)
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
