"""Putting a model into service, and what happens when that goes wrong."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import count, cycle
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.module_loading import import_string

from secondlook.failures.sagemaker import ResourceConflictError, SageMakerRefusedError
from secondlook.hooks.s3 import StoreError
from secondlook.jobs.deployment import (
    MOST_REQUESTS,
    EndpointContestedError,
    EndpointFailedError,
    EndpointRollbackError,
)
from secondlook.jobs.failure import WaitTimeoutError
from secondlook.records.models import NoChampionError
from secondlook.runtime.arguments import ArgumentError
from secondlook.triggers.endpoint import EndpointTrigger
from secondlook.triggers.polling import OVER
from tests.operators import waits
from tests.support.aws import DETECTOR_IMAGE, STUB_IMAGE


def of_stub(project: Any, name: str) -> dict[str, str]:
    """Arguments that deploy a model of the stub algorithm."""
    artifact = project.upload_artifact(f"{name}/model.tar.gz")
    return {"model": name, "artifact": artifact, "image": STUB_IMAGE}


def damaged(project: Any) -> dict[str, str]:
    """Arguments that deploy a model that no detector can load."""
    project.put("broken/model.tar.gz", b"this is no archive")
    return {
        "model": "broken",
        "artifact": project.layout.uri("broken/model.tar.gz"),
        "image": DETECTOR_IMAGE,
    }


def test_a_second_deployment_of_the_same_model_does_nothing(project: Any, context: dict[str, Any]) -> None:
    project.serve_with_stub()
    first = project.deploy().execute(context)
    before = (project.calls("CreateEndpoint"), project.calls("UpdateEndpoint"))
    assert project.deploy().execute(context) == first
    assert (project.calls("CreateEndpoint"), project.calls("UpdateEndpoint")) == before
    described = project.sagemaker.describe_endpoint(EndpointName=project.endpoint)
    assert described["EndpointConfigName"] == first["endpoint_config"]
    tags = project.sagemaker.list_tags(ResourceArn=described["EndpointArn"])["Tags"]
    assert {"Key": "managed-by", "Value": "second-look"} in tags
    assert project.endpoint in context["ti"].xcoms["_link_EndpointLink"]


def test_another_instance_count_takes_effect_and_what_auto_scaling_set_stays(
    project: Any, context: dict[str, Any]
) -> None:
    def count() -> int:
        described = project.sagemaker.describe_endpoint(EndpointName=project.endpoint)
        return described["ProductionVariants"][0]["DesiredInstanceCount"]

    project.deploy(**of_stub(project, "one")).execute(context)
    assert count() == 1
    project.deploy(**of_stub(project, "one"), instance_count=3).execute(context)
    assert count() == 3
    # Auto-scaling goes down to 2; SageMaker here has no auto-scaling, but an update may set the count.
    smaller = f"{project.endpoint}-smaller"
    served = project.sagemaker.describe_endpoint(EndpointName=project.endpoint)["EndpointConfigName"]
    found = project.sagemaker.describe_endpoint_config(EndpointConfigName=served)["ProductionVariants"]
    project.sagemaker.create_endpoint_config(
        EndpointConfigName=smaller, ProductionVariants=[{**found[0], "InitialInstanceCount": 2}]
    )
    in_service = project.sagemaker.get_waiter("endpoint_in_service")
    for config, retain in ((smaller, False), (served, True)):
        project.sagemaker.update_endpoint(
            EndpointName=project.endpoint, EndpointConfigName=config, RetainAllVariantProperties=retain
        )
        in_service.wait(EndpointName=project.endpoint, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300})
    assert count() == 2
    # The next model of the same settings is no reason to undo what auto-scaling did.
    project.deploy(**of_stub(project, "two"), instance_count=3).execute(context)
    assert count() == 2
    project.deploy(**of_stub(project, "two"), instance_count=1).execute(context)
    assert count() == 1


def test_a_damaged_artifact_is_rolled_back_and_the_old_model_goes_on_answering(
    project: Any, context: dict[str, Any], aws_clients: Callable[..., Any]
) -> None:
    good = project.deploy(**of_stub(project, "good")).execute(context)
    serving = good["endpoint_config"]
    with pytest.raises(EndpointRollbackError, match=f"was rolled back: it still serves {serving}"):
        project.deploy(**damaged(project)).execute(context)
    answer = aws_clients("sagemaker-runtime").invoke_endpoint(EndpointName=project.endpoint, Body=b"x")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_first_deployment_that_fails_is_made_anew_by_the_next_try(
    project: Any, context: dict[str, Any]
) -> None:
    with pytest.raises(EndpointFailedError, match=r"is Failed after the deployment"):
        project.deploy(**damaged(project)).execute(context)
    assert project.deploy(**of_stub(project, "good")).execute(context)["model"] == "good"


def test_the_update_of_another_run_is_waited_out(project: Any, context: dict[str, Any]) -> None:
    first = project.deploy(**of_stub(project, "one")).execute(context)
    second = project.deploy(**of_stub(project, "two")).execute(context)
    # Another run has just begun to go back to the first config.
    project.sagemaker.update_endpoint(
        EndpointName=project.endpoint, EndpointConfigName=first["endpoint_config"]
    )
    assert project.deploy(**of_stub(project, "two")).execute(context) == second
    described = project.sagemaker.describe_endpoint(EndpointName=project.endpoint)
    assert described["EndpointConfigName"] == second["endpoint_config"]


def deferred(operator: Any, context: dict[str, Any], event: dict[str, Any] | None = None) -> dict[str, Any]:
    """Start a deployment, or go on with it, until it waits; returns the event that will end the wait."""
    return dict(waits.deferred(operator, context, event).event(OVER))


def test_a_run_that_waited_deploys_the_champion_of_that_moment(project: Any, context: dict[str, Any]) -> None:
    one = project.deploy(**of_stub(project, "one")).execute(context)
    project.deploy(**of_stub(project, "other")).execute(context)
    # An update by somebody else: the run with the second champion has to wait before it can ask.
    project.sagemaker.update_endpoint(
        EndpointName=project.endpoint, EndpointConfigName=one["endpoint_config"]
    )
    project.serve_with_stub("two")
    event = deferred(project.deploy(deferrable=True), context)
    # Meanwhile another run promotes the third model and is the first to deploy.
    project.serve_with_stub("three")
    third = project.deploy().execute(context)
    updates = project.calls("UpdateEndpoint")
    assert project.deploy(deferrable=True).execute_complete(context, event=event) == third
    assert third["model"] == "three"
    assert project.calls("UpdateEndpoint") == updates


def test_the_deployment_of_a_later_champion_is_no_rollback(project: Any, context: dict[str, Any]) -> None:
    project.deploy(**of_stub(project, "one")).execute(context)
    project.serve_with_stub("two")
    event = deferred(project.deploy(deferrable=True), context)
    project.serve_with_stub("three")
    third = project.deploy().execute(context)
    assert project.deploy(deferrable=True).execute_complete(context, event=event) == third


def test_runs_that_deploy_against_each_other_end(project: Any, context: dict[str, Any]) -> None:
    others = cycle([of_stub(project, "one"), of_stub(project, "three")])
    two = of_stub(project, "two")
    project.deploy(**next(others)).execute(context)
    event = None
    for _ in range(MOST_REQUESTS):
        event = deferred(project.deploy(**two, deferrable=True), context, event)
        project.deploy(**next(others)).execute(context)
    with pytest.raises(EndpointContestedError, match="because other runs deploy to it, too"):
        project.deploy(**two, deferrable=True).execute_complete(context, event=event)


async def test_the_wait_holds_no_worker(project: Any, context: dict[str, Any]) -> None:
    operator = project.deploy(**of_stub(project, "one"), deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context)
    classpath, arguments = deferred.value.trigger.serialize()
    trigger = import_string(classpath)(**arguments)
    events = [event.payload async for event in trigger.run()]
    assert [event["status"] for event in events] == ["over"]
    again = project.deploy(**of_stub(project, "one"), deferrable=True)
    assert again.execute_complete(context, event=events[0])["model"] == "one"


def test_a_deployment_that_takes_too_long_says_so(
    project: Any, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EndpointTrigger, "is_over", lambda trigger: False)
    operator = project.deploy(**of_stub(project, "slow"), timeout_seconds=60)
    now = count(time.time(), 61)
    operator.clock = lambda: next(now)
    with pytest.raises(
        WaitTimeoutError, match=f"the endpoint {project.endpoint} .*: it goes on; raise the time limit"
    ):
        operator.execute(context)


def test_a_foreign_resource_under_our_name_is_not_used(project: Any, context: dict[str, Any]) -> None:
    deployed = project.deploy(**of_stub(project, "one")).execute(context)
    project.sagemaker.delete_endpoint(EndpointName=project.endpoint)
    config = deployed["endpoint_config"]
    variant = project.sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"][0]
    model = variant["ModelName"]
    project.sagemaker.delete_model(ModelName=model)
    project.sagemaker.create_model(
        ModelName=model,
        PrimaryContainer={"Image": STUB_IMAGE, "ModelDataUrl": project.upload_artifact("other.tar.gz")},
        ExecutionRoleArn=project.role_arn,
    )
    with pytest.raises(ResourceConflictError, match=f"The model {model} exists with ModelDataUrl"):
        project.deploy(**of_stub(project, "one")).execute(context)


def test_without_a_champion_the_night_says_what_to_run(project: Any, context: dict[str, Any]) -> None:
    with pytest.raises(NoChampionError, match="run the DAG bootstrap_detector first"):
        project.deploy().execute(context)


def test_a_missing_bucket_is_one_sentence(project: Any, context: dict[str, Any]) -> None:
    with pytest.raises(StoreError) as error:
        project.deploy(bucket="second-look-nobody-made-it").execute(context)
    assert str(error.value) == (
        "The bucket second-look-nobody-made-it does not exist as seen by the connection aws_default: "
        "create it, or correct the setting bucket."
    )


def test_a_role_that_sagemaker_may_not_use_is_one_sentence(
    project: Any,
    context: dict[str, Any],
    start_sagemaker: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    strict = start_sagemaker(tmp_path, "--role-arn", project.role_arn)
    connection = os.environ["AIRFLOW_CONN_AWS_DEFAULT"]
    shared = project.sagemaker.meta.endpoint_url
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection.replace(shared, strict.url))
    wrong = "arn:aws:iam::111122223333:role/somebody-elses"
    with pytest.raises(SageMakerRefusedError, match=r"check the setting execution_role_arn") as error:
        project.deploy(**of_stub(project, "one"), execution_role_arn=wrong).execute(context)
    assert str(error.value).count("\n") == 0


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"execution_role_arn": "second-look"}, "execution_role_arn = 'second-look' does not have the form"),
        ({"endpoint_name": "second_look"}, "endpoint_name = 'second_look' does not have the form"),
        ({"instance_type": "m5.large"}, "serving cannot be used: instance_type = 'm5.large' does not have"),
        ({"instance_count": 0}, "serving cannot be used: instance_count = 0: input should be greater"),
        ({"serving": 3}, "serving must be a ServingSettings or its keys, not 3: write a template"),
        ({"bucket": ""}, "bucket must be a non-empty text"),
        ({"model": "m"}, "model needs artifact and image beside it"),
    ],
)
def test_bad_arguments_are_found_when_the_dag_is_parsed(
    project: Any, wrong: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        project.deploy(**wrong)
