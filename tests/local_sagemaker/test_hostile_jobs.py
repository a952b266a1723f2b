"""Requests that are well formed and mean harm: each ends in one sentence, and nothing outside is written."""

from __future__ import annotations

import base64
import gzip
import io
import json
import socket
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from include.local_sagemaker import metrics as metrics_module
from include.local_sagemaker.logs import LogStream
from include.local_sagemaker.metrics import compile_metrics, final_metrics
from tests.support.aws import STUB_IMAGE

GROUP = "/aws/sagemaker/TrainingJobs"


def refusal(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    return answer["Error"]["Message"]


@pytest.mark.parametrize(
    ("key", "prefix"),
    [
        ("models/model.tar.gzX/../../../../../../escaped", "models/model.tar.gz"),
        ("models/..", "models/"),
        ("models/{elsewhere}", "models/"),
    ],
)
def test_a_key_that_leads_elsewhere_ends_the_job(
    s3, bucket, sagemaker, training_request, channel, finished, tmp_path, key, prefix
):
    key = key.format(elsewhere=tmp_path / "escaped")
    s3.put_object(Bucket=bucket, Key=key, Body=b"evil")
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    request = training_request({}, channel("model", prefix))
    sagemaker.create_training_job(**request)
    reason = finished(request["TrainingJobName"])["FailureReason"]
    start = f"ClientError: Channel model cannot be read: s3://{bucket}/{key} cannot be a file of the channel"
    assert reason.startswith(start)
    assert "leads out of the folder; rename the object" in reason
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_entry_that_leads_elsewhere_ends_the_job(
    s3, bucket, sagemaker, training_request, channel, finished
):
    manifest = [{"prefix": f"s3://{bucket}/a/"}, "../b"]
    s3.put_object(Bucket=bucket, Key="m.json", Body=json.dumps(manifest).encode())
    request = training_request({}, channel("train", "m.json", S3DataType="ManifestFile"))
    sagemaker.create_training_job(**request)
    reason = finished(request["TrainingJobName"])["FailureReason"]
    assert "the name '../b' leads out of the folder" in reason


def test_two_keys_that_cannot_both_be_files_end_the_job(
    s3, bucket, sagemaker, training_request, channel, finished
):
    for key in ("data/a", "data/a/b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    request = training_request({}, channel("train", "data/"))
    sagemaker.create_training_job(**request)
    assert "could not be copied" in finished(request["TrainingJobName"])["FailureReason"]


@pytest.mark.parametrize("folder", [".", ".."])
def test_a_channel_that_is_no_folder_of_its_own_is_refused(sagemaker, training_request, channel, folder):
    message = refusal(sagemaker.create_training_job, **training_request({}, channel(folder, "data/")))
    assert message.startswith(f"A channel becomes a folder, and the name '{folder}' ")


def test_a_channel_with_the_name_of_anothers_pipe_is_refused(sagemaker, training_request, channel):
    piped, taken = channel("train", "data/", InputMode="Pipe"), channel("train_0", "data/")
    message = refusal(sagemaker.create_training_job, **training_request({}, piped, taken))
    assert message == "Channel train_0 has the name of a pipe of channel train; choose another name."


def link_out(elsewhere: Path) -> bytes:
    """A link to a folder elsewhere, and a file behind it."""
    link = tarfile.TarInfo("out")
    link.type, link.linkname = tarfile.SYMTYPE, str(elsewhere)
    return packed((link, b""), (tarfile.TarInfo("out/escaped"), b"evil"))


def endless(_: Path) -> bytes:
    """A size of minus one block: the standard library once read the same header again and again."""
    member = tarfile.TarInfo("a")
    plain = bytearray(gzip.decompress(packed((member, b"x" * 512))))
    plain[124:136] = (-512).to_bytes(12, "big", signed=True)
    plain[148:156] = b" " * 8
    plain[148:156] = b"%06o\x00 " % sum(plain[:512])
    return gzip.compress(bytes(plain))


def zeros(_: Path) -> bytes:
    return packed((tarfile.TarInfo("zeros"), bytes(100_000_000)))


def packed(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=9) as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (link_out, "'out' is a symbolic link; only regular files are taken"),
        (endless, "a number that is none or negative"),
        (zeros, "it unpacks to more than 200 times its size"),
    ],
)
def test_a_hostile_model_never_comes_into_service(
    s3, bucket, sagemaker, make_config, wait_until, name, tmp_path, make, says
):
    make_config(name)
    s3.put_object(Bucket=bucket, Key="model/model.tar.gz", Body=make(tmp_path))
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)

    def reason():
        return sagemaker.describe_endpoint(EndpointName=name).get("FailureReason")

    told = wait_until(reason, 60)
    assert f"s3://{bucket}/model/model.tar.gz is not a usable model.tar.gz: " in told
    assert says in told
    assert list(tmp_path.iterdir()) == []


HARMFUL = {
    "PYTHONWARNINGS": "all:0:antigravity.x:0:0",
    "BROWSER": "/bin/sh -c 'touch escaped' %s",
    "PYTHONPATH": "/tmp",
    "PATH": "/tmp",
    "LD_PRELOAD": "/tmp/evil.so",
    "MXNET_LIBRARY_PATH": "/tmp/evil.so",
    "AWS_CONFIG_FILE": "/tmp/config",
}
HARMLESS = {
    "SM_LOG_LEVEL": "20",
    "OMP_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
    "ENV": "dev",
    "GIT_COMMIT": "x",
}


@pytest.mark.parametrize("variable", HARMFUL)
def test_a_variable_that_makes_a_job_run_another_program_is_refused(
    sagemaker, training_request, model_data, role_arn, name, variable
):
    environment = HARMLESS | {variable: HARMFUL[variable]}
    container = {"Image": STUB_IMAGE, "ModelDataUrl": model_data, "Environment": environment}
    messages = [
        refusal(sagemaker.create_training_job, **training_request({}, Environment=environment)),
        refusal(
            sagemaker.create_model, ModelName=name, ExecutionRoleArn=role_arn, PrimaryContainer=container
        ),
    ]
    for message in messages:
        assert f"Environment sets {variable}, which this server does not pass on" in message
        assert "here it is a process of this machine" in message


def test_a_transform_job_passes_on_no_such_variable_either(sagemaker, make_config, name):
    make_config(name)
    uri = "s3://bucket-of-nothing/x/"
    message = refusal(
        sagemaker.create_transform_job,
        TransformJobName=name,
        ModelName=name,
        Environment={"LD_AUDIT": "/tmp/evil.so"},
        TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}},
        TransformOutput={"S3OutputPath": uri},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    assert "sets LD_AUDIT" in message


def test_ordinary_variables_reach_the_job(sagemaker, training_request, finished):
    request = training_request({}, Environment=HARMLESS)
    sagemaker.create_training_job(**request)
    assert finished(request["TrainingJobName"])["TrainingJobStatus"] == "Completed"


def test_an_expression_without_end_costs_its_metric_alone(sagemaker, aws_clients, training_request, finished):
    definitions = [
        {"Name": "endless", "Regex": r"(.*a){20}b"},
        {"Name": "loss", "Regex": r"loss=(\S+)"},
    ]
    request = training_request(
        {"print": "a" * 2000 + "|loss=1.5"},
        AlgorithmSpecification={
            "TrainingImage": STUB_IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": definitions,
        },
    )
    sagemaker.create_training_job(**request)
    (metric,) = finished(request["TrainingJobName"])["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"]) == ("loss", 1.5)
    logs = aws_clients("logs")
    (stream,) = logs.describe_log_streams(
        logGroupName=GROUP, logStreamNamePrefix=request["TrainingJobName"] + "/"
    )["logStreams"]
    lines = logs.get_log_events(logGroupName=GROUP, logStreamName=stream["logStreamName"])["events"]
    assert "The metric endless is left out" in lines[-1]["message"]


def test_other_threads_run_while_an_expression_searches(tmp_path):
    log = LogStream(tmp_path / "x.log")
    log.say("a" * 2000)
    log.close()
    compiled = compile_metrics("x", [{"Name": "endless", "Regex": r"(.*a){20}b"}])
    with ThreadPoolExecutor(1) as pool:
        search = pool.submit(final_metrics, log.path, compiled, [].append)
        turns = 0
        while not search.done():
            time.sleep(0.01)
            turns += 1
    assert search.result() == []
    assert turns > 20


def test_all_lines_together_have_a_limit_too(tmp_path, monkeypatch):
    monkeypatch.setattr(metrics_module, "JOB_SECONDS", 0.0)
    log = LogStream(tmp_path / "x.log")
    log.say("loss=1")
    log.close()
    told = []
    compiled = compile_metrics("x", [{"Name": "loss", "Regex": "loss=(.)"}])
    assert final_metrics(log.path, compiled, told.append) == []
    assert told[0].startswith("The metric loss is left out")


@pytest.mark.parametrize("group", ["/" * 100, "/" * 512, "a" * 512])
def test_the_log_of_a_group_with_an_impossible_name_does_not_exist(aws_clients, group):
    logs = aws_clients("logs")
    for call in (
        lambda: logs.describe_log_streams(logGroupName=group),
        lambda: logs.get_log_events(logGroupName=group, logStreamName="x"),
        lambda: logs.get_log_events(logGroupName=GROUP, logStreamName=group),
    ):
        with pytest.raises(logs.exceptions.ResourceNotFoundException):
            call()


@pytest.mark.parametrize(
    "token", ["f/1", "f/3", "b/99999999999999999999", "f/²", "f/" + "9" * 5000, "x", "f/-1"]
)
def test_a_page_token_that_no_answer_held_is_refused(
    sagemaker, aws_clients, training_request, finished, token
):
    request = training_request({})
    sagemaker.create_training_job(**request)
    finished(request["TrainingJobName"])
    logs = aws_clients("logs")
    (stream,) = logs.describe_log_streams(
        logGroupName=GROUP, logStreamNamePrefix=request["TrainingJobName"] + "/"
    )["logStreams"]
    where = {"logGroupName": GROUP, "logStreamName": stream["logStreamName"]}
    assert "is invalid" in refusal(logs.get_log_events, **where, nextToken=token)


def test_a_negative_page_is_refused(sagemaker):
    token = base64.b64encode(b"-5").decode()
    assert "was not issued by this server" in refusal(sagemaker.list_models, NextToken=token)


def test_a_websocket_is_refused_like_any_unsigned_request(sagemaker_server):
    address = urlsplit(sagemaker_server)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 403 ")
