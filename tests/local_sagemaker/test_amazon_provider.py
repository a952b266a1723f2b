"""The amazon provider's own operators, unmodified: what differs from AWS is the connection."""

from __future__ import annotations

import json

import pytest

from tests.support.airflow import TaskInstance
from tests.support.aws import STUB_IMAGE


@pytest.fixture(autouse=True)
def connection(monkeypatch, aws_connection):
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", aws_connection)


def run(operator):
    task = TaskInstance("run", "task")
    return operator.execute({"ti": task, "task_instance": task})


def variant(model):
    return {
        "VariantName": "AllTraffic",
        "ModelName": model,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    }


def test_the_training_operator_trains(s3, bucket, training_request, channel, finished, seen):
    from airflow.providers.amazon.aws.operators.sagemaker import SageMakerTrainingOperator

    s3.put_object(Bucket=bucket, Key="data/a", Body=b"x")
    request = training_request({"epochs": "1"}, channel("train", "data/"))
    result = run(
        SageMakerTrainingOperator(task_id="train", config=request, print_log=False, check_interval=1)
    )
    assert result["Training"]["TrainingJobStatus"] == "Completed"
    assert seen(finished(request["TrainingJobName"]))["channels"]["train"].keys() == {"a"}


def test_the_training_operator_says_why_a_job_failed(training_request):
    from airflow.providers.amazon.aws.operators.sagemaker import SageMakerTrainingOperator

    request = training_request({"exit_code": "1", "failure": "No image is large enough."})
    with pytest.raises(Exception, match="No image is large enough"):
        run(SageMakerTrainingOperator(task_id="train", config=request, print_log=False, check_interval=1))


def test_the_training_operator_takes_another_name_when_one_is_taken(training_request, sagemaker, finished):
    from airflow.providers.amazon.aws.operators.sagemaker import SageMakerTrainingOperator

    request = training_request({})
    sagemaker.create_training_job(**request)
    finished(request["TrainingJobName"])
    result = run(
        SageMakerTrainingOperator(task_id="train", config=dict(request), print_log=False, check_interval=1)
    )
    assert result["Training"]["TrainingJobName"].startswith(request["TrainingJobName"] + "-")


def test_the_training_hook_reads_the_log(training_request, sagemaker, finished, capsys, caplog):
    from airflow.providers.amazon.aws.hooks.sagemaker import LogState, SageMakerHook

    request = training_request({"print": "a line for the task log"})
    sagemaker.create_training_job(**request)
    finished(request["TrainingJobName"])
    hook = SageMakerHook(aws_conn_id="aws_default")
    hook.describe_training_job_with_log(
        request["TrainingJobName"],
        positions={},
        stream_names=[],
        instance_count=1,
        state=LogState.COMPLETE,
        last_description=hook.describe_training_job(request["TrainingJobName"]),
        last_describe_job_call=0,
    )
    # Where Airflow's logging goes depends on what configured it first.
    assert "a line for the task log" in capsys.readouterr().out + caplog.text


def test_the_endpoint_operator_creates_and_then_updates(
    bucket, model_data, role_arn, runtime, sagemaker, name
):
    from airflow.providers.amazon.aws.operators.sagemaker import SageMakerEndpointOperator

    for version in ("a", "b"):
        model = f"{name}-{version}"
        config = {
            "Model": {
                "ModelName": model,
                "ExecutionRoleArn": role_arn,
                "PrimaryContainer": {
                    "Image": STUB_IMAGE,
                    "ModelDataUrl": model_data,
                    "Environment": {"STUB_NAME": model},
                },
            },
            "EndpointConfig": {"EndpointConfigName": model, "ProductionVariants": [variant(model)]},
            "Endpoint": {"EndpointName": name, "EndpointConfigName": model},
        }
        result = run(SageMakerEndpointOperator(task_id="deploy", config=config, check_interval=1))
        assert result["Endpoint"]["EndpointStatus"] == "InService"
        assert result["Endpoint"]["EndpointConfigName"] == model
        answer = runtime.invoke_endpoint(EndpointName=name, Body=b"x")
        assert json.loads(answer["Body"].read())["name"] == model
    sagemaker.delete_endpoint(EndpointName=name)


def test_the_transform_operator_scores_a_folder(s3, bucket, model_data, role_arn, name):
    from airflow.providers.amazon.aws.operators.sagemaker import SageMakerTransformOperator

    s3.put_object(Bucket=bucket, Key="in/a.jpg", Body=b"abc")
    config = {
        "Model": {
            "ModelName": name,
            "ExecutionRoleArn": role_arn,
            "PrimaryContainer": {"Image": STUB_IMAGE, "ModelDataUrl": model_data},
        },
        "Transform": {
            "TransformJobName": name,
            "ModelName": name,
            "TransformInput": {
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/in/"}},
                "ContentType": "application/x-image",
            },
            "TransformOutput": {"S3OutputPath": f"s3://{bucket}/out"},
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        },
    }
    result = run(SageMakerTransformOperator(task_id="transform", config=config, check_interval=1))
    assert result["Transform"]["TransformJobStatus"] == "Completed"
    body = s3.get_object(Bucket=bucket, Key="out/a.jpg.out")["Body"].read()
    assert json.loads(body)["bytes"] == 3


async def test_a_deferred_training_is_awaited_by_the_trigger(training_request):
    from airflow.providers.amazon.aws.operators.sagemaker import SageMakerTrainingOperator
    from airflow.sdk.exceptions import TaskDeferred

    request = training_request({"sleep_seconds": "1"})
    operator = SageMakerTrainingOperator(
        task_id="train", config=request, print_log=False, check_interval=1, deferrable=True
    )
    with pytest.raises(TaskDeferred) as deferred:
        run(operator)
    events = [event async for event in deferred.value.trigger.run()]
    assert events[0].payload["status"] == "success"
