"""What the stories here share: an image, a model of it, requests complete but for the interesting part."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from include.formats.archive import contents
from tests.support.aws import STUB_IMAGE


@pytest.fixture
def name() -> str:
    """A name that nothing has yet."""
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def sagemaker(aws_clients: Callable[..., Any]) -> Any:
    return aws_clients("sagemaker")


@pytest.fixture(scope="session")
def runtime(aws_clients: Callable[..., Any]) -> Any:
    return aws_clients("sagemaker-runtime")


@pytest.fixture(scope="session")
def s3(aws_clients: Callable[..., Any]) -> Any:
    return aws_clients("s3")


@pytest.fixture
def model_data(s3: Any, bucket: str) -> str:
    """The S3 address of a model.tar.gz that holds ``weights.bin``."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        member = tarfile.TarInfo("weights.bin")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"0123"))
    s3.put_object(Bucket=bucket, Key="model/model.tar.gz", Body=buffer.getvalue())
    return f"s3://{bucket}/model/model.tar.gz"


@pytest.fixture
def make_config(sagemaker: Any, role_arn: str, model_data: str) -> Callable[..., str]:
    """``make_config(name, client=..., **environment)`` creates a model and a configuration of that name."""

    def make(name: str, client: Any = sagemaker, **environment: str) -> str:
        client.create_model(
            ModelName=name,
            ExecutionRoleArn=role_arn,
            PrimaryContainer={
                "Image": STUB_IMAGE,
                "ModelDataUrl": model_data,
                "Environment": {"STUB_NAME": name, **environment},
            },
        )
        client.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": "AllTraffic",
                    "ModelName": name,
                    "InitialInstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                }
            ],
        )
        return name

    return make


@pytest.fixture
def training_request(name: str, bucket: str, role_arn: str) -> Callable[..., dict[str, Any]]:
    """``training_request(hyperparameters, *channels, **members)`` -> arguments of ``create_training_job``."""

    def request(hyperparameters: dict[str, str], *channels: dict[str, Any], **members: Any) -> dict[str, Any]:
        return {
            "TrainingJobName": name,
            "RoleArn": role_arn,
            "AlgorithmSpecification": {"TrainingImage": STUB_IMAGE, "TrainingInputMode": "File"},
            "HyperParameters": hyperparameters,
            "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/models"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            **({"InputDataConfig": list(channels)} if channels else {}),
            **members,
        }

    return request


@pytest.fixture
def channel(bucket: str) -> Callable[..., dict[str, Any]]:
    """``channel(name, key, **members)`` -> an S3Prefix channel; the data source's members are put there."""

    def build(name: str, key: str, **members: Any) -> dict[str, Any]:
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{key}"}
        for member in ("S3DataType", "AttributeNames"):
            if member in members:
                source[member] = members.pop(member)
        return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **members}

    return build


@pytest.fixture
def finished(sagemaker: Any, wait_until: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """``finished(job)`` waits for a training job's end and returns its description."""

    def wait(job: str, client: Any = sagemaker) -> dict[str, Any]:
        def description() -> dict[str, Any] | None:
            found: dict[str, Any] = client.describe_training_job(TrainingJobName=job)
            return found if found["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else None

        return wait_until(description, 60)

    return wait


@pytest.fixture
def artifact(s3: Any) -> Callable[[str], dict[str, bytes]]:
    """``artifact(uri)`` -> the files of a tar.gz in S3."""

    def read(uri: str) -> dict[str, bytes]:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return contents(io.BytesIO(body))

    return read


@pytest.fixture
def seen(artifact: Callable[[str], dict[str, bytes]]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """``seen(description)`` -> what the stub noted of its configuration and channels."""

    def read(description: dict[str, Any]) -> dict[str, Any]:
        return json.loads(artifact(description["ModelArtifacts"]["S3ModelArtifacts"])["seen.json"])

    return read
