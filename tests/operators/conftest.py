"""Deployments in buckets and folders of their own."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.airflow import StateStore, TaskInstance
from tests.support.model_project import ModelProject


@pytest.fixture
def context() -> dict[str, Any]:
    """The part of Airflow's context that the operators use."""
    return {
        "ti": TaskInstance(),
        "task_state_store": StateStore(),
        "dag_run": SimpleNamespace(run_type="manual"),
    }


@pytest.fixture
def new_project(
    monkeypatch: pytest.MonkeyPatch, aws_connection: str, aws_clients: Callable[..., Any], role_arn: str
) -> Callable[[], ModelProject]:
    """Factory of deployments, each in a bucket of its own."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", aws_connection)
    s3, sagemaker = aws_clients("s3"), aws_clients("sagemaker")

    def make() -> ModelProject:
        bucket = f"second-look-{uuid.uuid4().hex[:12]}"
        s3.create_bucket(Bucket=bucket)
        return ModelProject(bucket=bucket, s3=s3, sagemaker=sagemaker, role_arn=role_arn)

    return make


@pytest.fixture
def project(new_project: Callable[[], ModelProject]) -> ModelProject:
    """An empty deployment."""
    return new_project()


_bootstrapped: dict[str, Any] = {}


@pytest.fixture
def ready(new_project: Callable[[], ModelProject], context: dict[str, Any]) -> ModelProject:
    """A deployment with a first model and a holdout of 24 images, in a folder of its own.

    The model is trained once; further deployments get the pointer, the card and the manifests, which go on
    naming the images and the artifact where they are.
    """
    if not _bootstrapped:
        first = new_project()
        first.upload_voc(first.layout.bootstrap_voc(), range(64))
        first.upload_voc(f"{first.layout.holdout('v1')}/voc/clean", range(1000, 1012))
        first.upload_voc(f"{first.layout.holdout('v1')}/voc/drifted", range(2000, 2012), dusk=True)
        packed = first.pack().execute(context)
        assert packed == {"train": 51, "validation": 13, "rejected": 0, "holdout": 24}
        model = first.bootstrap().execute(context)["model"]
        assert first.read(first.layout.card(model))["created_by"] == "bootstrap"
        assert first.publish(model=model).execute(context) == {"champion": model, "version": 1}
        _bootstrapped.update(first=first, model=model)
    first, model = _bootstrapped["first"], _bootstrapped["model"]
    name = f"shapes-{uuid.uuid4().hex[:8]}"
    project = replace(first, prefix=name, endpoint=name)
    for place in (
        lambda layout: layout.champion(),
        lambda layout: layout.card(model),
        lambda layout: layout.bootstrap_manifest("train"),
        lambda layout: layout.bootstrap_manifest("validation"),
        lambda layout: layout.holdout_manifest("v1"),
    ):
        project.put(place(project.layout), first.get(place(first.layout)))
    project.forget_calls()
    return project


@pytest.fixture
def slow(ready: ModelProject) -> ModelProject:
    """A deployment with enough answers, whose training takes a minute."""
    ready.train_with_stub(sleep_seconds="60")
    ready.answer_night(range(3000, 3012))
    return ready
