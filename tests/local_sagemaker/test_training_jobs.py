"""A training job from request to artifact."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError


def error_of(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_job_reads_its_files_and_leaves_a_model(
    s3, bucket, sagemaker, training_request, channel, finished, seen
):
    for key in ("data/a.txt", "data/sub/b.txt"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    s3.put_object(Bucket=bucket, Key="data/empty-folder/", Body=b"")
    request = training_request({"epochs": "1"}, channel("train", "data/", ContentType="text/plain"))
    before = datetime.now(UTC)
    arn = sagemaker.create_training_job(**request, Tags=[{"Key": "project", "Value": "second-look"}])[
        "TrainingJobArn"
    ]
    job = finished(request["TrainingJobName"])
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed"), job.get(
        "FailureReason"
    )
    assert job["TrainingJobArn"] == arn
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == (
        f"s3://{bucket}/models/{request['TrainingJobName']}/output/model.tar.gz"
    )
    assert before.replace(microsecond=0) <= job["TrainingStartTime"] <= job["TrainingEndTime"]
    assert job["BillableTimeInSeconds"] >= 1
    statuses = [transition["Status"] for transition in job["SecondaryStatusTransitions"]]
    assert statuses == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    saw = seen(job)
    assert saw["config"]["hyperparameters"] == {"epochs": "1"}
    assert saw["config"]["inputdataconfig"]["train"]["ContentType"] == "text/plain"
    assert saw["config"]["resourceconfig"]["current_host"] == "algo-1"
    files = saw["channels"]["train"]
    assert files.keys() == {"a.txt", "sub/b.txt"}
    assert files["a.txt"]["sha256"] == hashlib.sha256(b"data/a.txt").hexdigest()
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "project", "Value": "second-look"}]


def test_the_same_model_is_the_same_artifact_byte_for_byte(s3, bucket, sagemaker, training_request, finished):
    etags = []
    for run in ("first", "second"):
        request = training_request({}, TrainingJobName=f"same-{run}-{bucket[-12:]}")
        sagemaker.create_training_job(**request)
        job = finished(request["TrainingJobName"])
        key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{bucket}/")
        etags.append(s3.head_object(Bucket=bucket, Key=key)["ETag"])
    assert etags[0] == etags[1]


def test_a_manifest_names_the_files(s3, bucket, sagemaker, training_request, channel, finished, seen):
    s3.put_object(Bucket=bucket, Key="far/away/x.txt", Body=b"x")
    manifest = [{"prefix": f"s3://{bucket}/far/"}, "away/x.txt"]
    s3.put_object(Bucket=bucket, Key="m.json", Body=json.dumps(manifest).encode())
    request = training_request({}, channel("train", "m.json", S3DataType="ManifestFile"))
    sagemaker.create_training_job(**request)
    assert seen(finished(request["TrainingJobName"]))["channels"]["train"].keys() == {"away/x.txt"}


def test_metrics_are_the_last_values_printed(sagemaker, training_request, finished):
    request = training_request(
        {"print": "loss=3.5|loss=nan|loss=1.25|other"},
        AlgorithmSpecification={
            "TrainingImage": "x/stub-algorithm:1",
            "TrainingInputMode": "File",
            "MetricDefinitions": [
                {"Name": "loss", "Regex": r"loss=(\S+)"},
                {"Name": "absent", "Regex": "no (.)"},
            ],
        },
    )
    sagemaker.create_training_job(**request)
    (metric,) = finished(request["TrainingJobName"])["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"]) == ("loss", 1.25)


def test_the_log_is_read_as_cloudwatch_logs(aws_clients, sagemaker, training_request, finished):
    logs = aws_clients("logs")
    request = training_request({"print": "|".join(f"line {number}" for number in range(25))})
    job = request["TrainingJobName"]
    sagemaker.create_training_job(**request)
    finished(job)
    group = "/aws/sagemaker/TrainingJobs"
    (stream,) = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=job + "/")["logStreams"]
    assert stream["logStreamName"].startswith(f"{job}/algo-1-")
    assert stream["firstEventTimestamp"] <= stream["lastEventTimestamp"]
    asked = {"logGroupName": group, "logStreamName": stream["logStreamName"]}
    lines, token = [], {}
    while True:
        answer = logs.get_log_events(**asked, startFromHead=True, limit=10, **token)
        lines += [event["message"] for event in answer["events"]]
        if token.get("nextToken") == answer["nextForwardToken"]:
            break
        token = {"nextToken": answer["nextForwardToken"]}
    assert lines[:25] == [f"line {number}" for number in range(25)]
    assert lines[25].startswith(f"training {job}")
    latest = logs.get_log_events(**asked, limit=2)
    assert [event["message"] for event in latest["events"]] == lines[-2:]
    earlier = logs.get_log_events(**asked, limit=2, nextToken=latest["nextBackwardToken"])
    assert [event["message"] for event in earlier["events"]] == lines[-4:-2]
    code, _ = error_of(logs.get_log_events, logGroupName=group, logStreamName="../../../etc/passwd")
    assert code == "ResourceNotFoundException"


class TestFailures:
    """A job that cannot work ends Failed, with one sentence that says why."""

    @pytest.fixture
    def reason(self, sagemaker, training_request, finished):
        def run(hyperparameters, *channels, **members):
            request = training_request(hyperparameters, *channels, **members)
            sagemaker.create_training_job(**request)
            job = finished(request["TrainingJobName"])
            assert job["TrainingJobStatus"] == "Failed"
            assert job["SecondaryStatusTransitions"][-1]["StatusMessage"] == job["FailureReason"]
            return job["FailureReason"]

        return run

    def test_what_the_algorithm_says(self, reason):
        assert reason({"exit_code": "1", "failure": "The images are too small."}) == (
            "AlgorithmError: The images are too small."
        )

    def test_a_long_failure_is_cut(self, reason):
        assert len(reason({"exit_code": "1", "failure": "x" * 2500})) == 1024

    def test_an_exit_code_without_a_word(self, reason):
        assert "ended with exit code 3" in reason({"exit_code": "3"})

    def test_no_such_bucket(self, reason, channel):
        missing = channel("train", "data/")
        missing["DataSource"]["S3DataSource"]["S3Uri"] = "s3://no-bucket-of-that-name/data/"
        assert (
            "The bucket no-bucket-of-that-name of s3://no-bucket-of-that-name/data/ does not exist."
            in reason({}, missing)
        )

    def test_no_such_object(self, reason, channel, bucket):
        assert f"There is no object under s3://{bucket}/nothing/." in reason({}, channel("train", "nothing/"))

    def test_an_output_bucket_that_does_not_exist(self, reason):
        text = reason({}, OutputDataConfig={"S3OutputPath": "s3://no-bucket-of-that-name/models"})
        assert text.startswith("ClientError: The model cannot be uploaded: ")

    def test_an_image_that_nothing_runs(self, reason):
        specification = {"TrainingImage": "x/unheard-of:1", "TrainingInputMode": "File"}
        assert "`image` pattern that matches x/unheard-of:1" in reason(
            {}, AlgorithmSpecification=specification
        )

    @pytest.mark.parametrize(
        ("line", "complaint"),
        [
            (b"{broken", "is not valid JSON"),
            (b"[1]", "is not a JSON object"),
            (b'{"source-ref": "s3://b/k"}', "has no attribute 'label'; it has source-ref."),
            (
                b'{"source-ref": "https://b/k", "label": 1}',
                "has a wrong 'source-ref': 'https://b/k' is not an S3",
            ),
        ],
    )
    def test_a_broken_manifest_line(self, reason, channel, s3, bucket, line, complaint):
        good = b'{"source-ref": "s3://%s/x", "label": 1}\n' % bucket.encode()
        s3.put_object(Bucket=bucket, Key="x", Body=b"x")
        s3.put_object(Bucket=bucket, Key="a.manifest", Body=good + good + line + b"\n")
        text = reason({}, augmented(channel))
        assert f"Line 3 of s3://{bucket}/a.manifest {complaint}" in text

    def test_an_image_that_a_manifest_names_in_vain(self, reason, channel, s3, bucket):
        line = b'{"source-ref": "s3://%s/gone.jpg", "label": 1}\n' % bucket.encode()
        s3.put_object(Bucket=bucket, Key="a.manifest", Body=line)
        assert reason({}, augmented(channel)) == f"ClientError: There is no object s3://{bucket}/gone.jpg."


def augmented(channel, **members):
    return channel(
        "train",
        "a.manifest",
        S3DataType="AugmentedManifestFile",
        AttributeNames=["source-ref", "label"],
        InputMode="Pipe",
        RecordWrapperType="RecordIO",
        **members,
    )


def test_a_stopped_job_ends_stopped_and_keeps_its_model(
    sagemaker, training_request, finished, artifact, wait_until
):
    request = training_request({"sleep_seconds": "60"})
    job = request["TrainingJobName"]
    sagemaker.create_training_job(**request)
    wait_until(lambda: sagemaker.describe_training_job(TrainingJobName=job)["SecondaryStatus"] == "Training")
    sagemaker.stop_training_job(TrainingJobName=job)
    assert sagemaker.describe_training_job(TrainingJobName=job)["TrainingJobStatus"] in (
        "Stopping",
        "Stopped",
    )
    stopped = finished(job)
    assert (stopped["TrainingJobStatus"], stopped["SecondaryStatus"]) == ("Stopped", "Stopped")
    artifact(stopped["ModelArtifacts"]["S3ModelArtifacts"])
    code, message = error_of(sagemaker.stop_training_job, TrainingJobName=job)
    assert code == "ValidationException"
    assert "status Stopped" in message
    sagemaker.delete_training_job(TrainingJobName=job)
    assert error_of(sagemaker.describe_training_job, TrainingJobName=job) == (
        "ValidationException",
        "Requested resource not found.",
    )


def test_a_job_that_ignores_sigterm_is_killed_when_its_time_is_over(
    start_sagemaker, tmp_path, aws_clients, training_request, finished
):
    server = start_sagemaker(tmp_path, "--stop-grace-seconds", "0.3")
    client = aws_clients("sagemaker", endpoint_url=server.url)
    request = training_request(
        {"sleep_seconds": "60", "ignore_sigterm": "yes"}, StoppingCondition={"MaxRuntimeInSeconds": 1}
    )
    client.create_training_job(**request)
    job = finished(request["TrainingJobName"], client)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    server.stop()


def test_a_name_is_used_once(sagemaker, training_request, finished):
    request = training_request({})
    sagemaker.create_training_job(**request)
    code, message = error_of(sagemaker.create_training_job, **request)
    assert code == "ResourceInUse"
    assert "a job with this name already exists" in message
    finished(request["TrainingJobName"])


def test_what_cannot_work_is_refused_at_once(sagemaker, training_request, channel):
    def message(*channels, **members):
        code, text = error_of(sagemaker.create_training_job, **training_request({}, *channels, **members))
        assert code == "ValidationException"
        return text

    assert "occurs more than once" in message(channel("a", "x"), channel("a", "y"))
    assert "AttributeNames must be given" in message(channel("a", "x", S3DataType="AugmentedManifestFile"))
    assert "needs the input mode Pipe" in message(
        channel("a", "x", S3DataType="AugmentedManifestFile", AttributeNames=["y"])
    )
    assert "CompressionType Gzip" in message(channel("a", "x", CompressionType="Gzip"))
    assert "Member must satisfy regular expression pattern" in message(
        OutputDataConfig={"S3OutputPath": "/tmp/x"}
    )


def test_a_role_that_does_not_exist_is_refused_in_a_sentence(
    start_sagemaker, tmp_path, aws_clients, training_request, role_arn
):
    server = start_sagemaker(tmp_path, "--role-arn", role_arn)
    client = aws_clients("sagemaker", endpoint_url=server.url)
    wrong = "arn:aws:iam::111122223333:role/nobody"
    assert error_of(client.create_training_job, **training_request({}, RoleArn=wrong)) == (
        "ValidationException",
        f"Could not assume role {wrong}. Please ensure that the role exists and allows principal "
        "'sagemaker.amazonaws.com' to assume the role.",
    )
    client.create_training_job(**training_request({}))
    server.stop()


def test_jobs_are_listed_newest_first_by_page_name_and_status(sagemaker, training_request, finished, name):
    for suffix, code in (("a", "0"), ("b", "1"), ("c", "0")):
        request = training_request({"exit_code": code}, TrainingJobName=f"{name}-{suffix}")
        sagemaker.create_training_job(**request)
        finished(f"{name}-{suffix}")
    pages = sagemaker.get_paginator("list_training_jobs").paginate(
        NameContains=name, PaginationConfig={"PageSize": 2}
    )
    listed = [job["TrainingJobName"] for page in pages for job in page["TrainingJobSummaries"]]
    assert listed == [f"{name}-c", f"{name}-b", f"{name}-a"]
    failed = sagemaker.list_training_jobs(NameContains=name, StatusEquals="Failed")["TrainingJobSummaries"]
    assert [job["TrainingJobName"] for job in failed] == [f"{name}-b"]
    by_name = sagemaker.list_training_jobs(NameContains=name, SortBy="Name", SortOrder="Ascending")
    assert [job["TrainingJobName"][-1] for job in by_name["TrainingJobSummaries"]] == ["a", "b", "c"]
