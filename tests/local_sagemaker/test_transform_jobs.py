"""Batch transform: every object of a prefix or a manifest through a model."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def submit(sagemaker, make_config, bucket, name, wait_until):
    """``submit(source, **members)`` starts a job; what it returns waits for the end and describes the job."""

    def start(source, environment=None, **members):
        make_config(name, **(environment or {}))
        sagemaker.create_transform_job(
            **{
                "TransformJobName": name,
                "ModelName": name,
                "TransformInput": {
                    "DataSource": {"S3DataSource": source},
                    "ContentType": "application/x-image",
                },
                "TransformOutput": {
                    "S3OutputPath": f"s3://{bucket}/out",
                    "Accept": "application/json;annotation=1",
                },
                "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
                "MaxConcurrentTransforms": 4,
                "ModelClientConfig": {"InvocationsMaxRetries": 0, "InvocationsTimeoutInSeconds": 10},
                **members,
            }
        )

        def description():
            job = sagemaker.describe_transform_job(TransformJobName=name)
            return job if job["TransformJobStatus"] in ("Completed", "Failed", "Stopped") else None

        return lambda: wait_until(description, 60)

    return start


@pytest.fixture
def transform(submit):
    """``transform(source, **members)`` runs a job to its end and returns its description."""
    return lambda *arguments, **members: submit(*arguments, **members)()


def outputs(s3, bucket):
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="out/").get("Contents", [])
    return {
        item["Key"].removeprefix("out/"): json.loads(
            s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
        )
        for item in listed
    }


def test_every_object_of_a_prefix_gets_its_result(s3, bucket, transform):
    for number in range(12):
        s3.put_object(Bucket=bucket, Key=f"in/{number % 2}/{number}.jpg", Body=b"x" * number)
    job = transform({"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/in/"})
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    assert job["TransformStartTime"] <= job["TransformEndTime"]
    found = outputs(s3, bucket)
    assert found.keys() == {f"{number % 2}/{number}.jpg.out" for number in range(12)}
    assert found["1/7.jpg.out"]["bytes"] == 7
    assert found["1/7.jpg.out"]["accept"] == "application/json;annotation=1"
    assert found["1/7.jpg.out"]["content_type"] == "application/x-image"


def test_a_manifest_chooses_the_objects(s3, bucket, transform):
    for key in ("here/a.jpg", "here/b.jpg", "here/not-this.jpg"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    manifest = [{"prefix": f"s3://{bucket}/here/"}, "a.jpg", "b.jpg"]
    s3.put_object(Bucket=bucket, Key="m.manifest", Body=json.dumps(manifest).encode())
    job = transform({"S3DataType": "ManifestFile", "S3Uri": f"s3://{bucket}/m.manifest"})
    assert job["TransformJobStatus"] == "Completed"
    assert outputs(s3, bucket).keys() == {"a.jpg.out", "b.jpg.out"}


def test_one_bad_object_fails_the_job_and_the_others_stay(s3, bucket, transform):
    for key, body in (("a", b"x"), ("b", b"status 400 "), ("c", b"x")):
        s3.put_object(Bucket=bucket, Key=f"in/{key}", Body=body)
    job = transform({"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/in/"})
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"] == (
        f"ClientError: 1 of 3 objects could not be transformed; first: s3://{bucket}/in/b: "
        "the model answered 400: as asked"
    )
    assert outputs(s3, bucket).keys() == {"a.out", "c.out"}


def test_a_job_without_input_or_model_says_so(s3, bucket, transform):
    job = transform({"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/nothing/"})
    assert job["FailureReason"] == f"ClientError: There is no object under s3://{bucket}/nothing/."


def test_a_model_that_does_not_start_fails_the_job(s3, bucket, transform):
    s3.put_object(Bucket=bucket, Key="in/a", Body=b"x")
    job = transform({"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/in/"}, {"STUB_EXIT": "3"})
    assert job["TransformJobStatus"] == "Failed"
    assert "exit code 3" in job["FailureReason"]


def test_a_job_is_stopped(s3, bucket, sagemaker, submit, name, wait_until):
    for number in range(20):
        s3.put_object(Bucket=bucket, Key=f"in/{number}", Body=b"x" * number)
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/in/"}
    wait_for_end = submit(source, {"STUB_DELAY_SECONDS": "1"}, MaxConcurrentTransforms=1)
    wait_until(lambda: outputs(s3, bucket), 60)
    sagemaker.stop_transform_job(TransformJobName=name)
    assert sagemaker.describe_transform_job(TransformJobName=name)["TransformJobStatus"] in (
        "Stopping",
        "Stopped",
    )
    assert wait_for_end()["TransformJobStatus"] == "Stopped"
    assert 0 < len(outputs(s3, bucket)) < 20


def test_names_and_settings_that_cannot_work(s3, bucket, sagemaker, transform, name):
    s3.put_object(Bucket=bucket, Key="in/a", Body=b"x")
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/in/"}
    assert transform(source)["TransformJobStatus"] == "Completed"
    request = {
        "TransformJobName": name,
        "ModelName": name,
        "TransformInput": {"DataSource": {"S3DataSource": source}},
        "TransformOutput": {"S3OutputPath": f"s3://{bucket}/out"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }

    def refusal(**members):
        with pytest.raises(ClientError) as caught:
            sagemaker.create_transform_job(**{**request, **members})
        return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]

    assert refusal()[0] == "ResourceInUse"
    assert refusal(ModelName="nobody")[1].startswith("Could not find model")
    assert "SplitType" in refusal(TransformInput={**request["TransformInput"], "SplitType": "Line"})[1]
    assert (
        sagemaker.list_transform_jobs(NameContains=name)["TransformJobSummaries"][0]["TransformJobName"]
        == name
    )
    with pytest.raises(ClientError) as caught:
        sagemaker.describe_transform_job(TransformJobName="nobody")
    assert "Could not find requested job with name: nobody" in str(caught.value)


def test_more_than_100_mb_in_flight_is_refused(submit, bucket):
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/in/"}
    with pytest.raises(ClientError, match=r"MaxPayloadInMB is 102 MB; it must not exceed 100 MB"):
        submit(source, MaxConcurrentTransforms=17, MaxPayloadInMB=6)
