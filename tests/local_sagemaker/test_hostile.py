"""Two thousand hostile requests to SageMaker on this machine: none is a 5xx, none hangs, and it goes on.

Each of the first half is wrong in one way, and is refused by a 4xx with a sentence, and nothing changes. The
second half is random: what is in order by accident may be taken.
"""

from __future__ import annotations

import random
import re
import sqlite3
import time
from collections import Counter

import boto3
import pytest

from tests.local_sagemaker.hostile.requests import Attack, Names
from tests.support.aws import REGION, ROLE_ARN, STUB_IMAGE
from tests.support.hostile.sending import RAW, Attacker, send_raw
from tests.support.servers import wait_for

SEED = 20_261_201
GROUP = "/aws/sagemaker/TrainingJobs"


@pytest.fixture(scope="module")
def victim(start_sagemaker, tmp_path_factory):
    """A server of its own, so that nothing else changes it meanwhile."""
    return start_sagemaker(tmp_path_factory.mktemp("hostile"), "--stop-grace-seconds", "1")


@pytest.fixture(scope="module")
def clients(victim, aws_credentials):
    def client(service):
        return boto3.client(
            service,
            endpoint_url=victim.url,
            region_name=REGION,
            aws_access_key_id=aws_credentials.access_key_id,
            aws_secret_access_key=aws_credentials.secret_access_key,
        )

    return client


@pytest.fixture(scope="module")
def attack(clients, aws_clients, aws_credentials):
    """A model in service and a training job that has ended."""
    sagemaker, bucket = clients("sagemaker"), "second-look-hostile"
    s3 = aws_clients("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="data/a.txt", Body=b"x")
    variant = {
        "VariantName": "v",
        "ModelName": "victim",
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    }
    sagemaker.create_model(
        ModelName="victim", ExecutionRoleArn=ROLE_ARN, PrimaryContainer={"Image": STUB_IMAGE}
    )
    sagemaker.create_endpoint_config(EndpointConfigName="victim", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="victim", EndpointConfigName="victim")
    sagemaker.create_training_job(
        TrainingJobName="victim",
        RoleArn=ROLE_ARN,
        AlgorithmSpecification={"TrainingImage": STUB_IMAGE, "TrainingInputMode": "File"},
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/models"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )

    def ready():
        job = sagemaker.describe_training_job(TrainingJobName="victim")["TrainingJobStatus"]
        return job != "InProgress" and is_in_service(sagemaker)

    wait_for(ready)
    streams = clients("logs").describe_log_streams(logGroupName=GROUP)["logStreams"]
    return Attack(Names(bucket, "victim", "victim", "victim", streams[0]["logStreamName"]), aws_credentials)


def is_in_service(sagemaker):
    return sagemaker.describe_endpoint(EndpointName="victim")["EndpointStatus"] == "InService"


def is_settled(sagemaker):
    """Whether what was taken by accident has ended."""
    lists = {
        "training_jobs": ("TrainingJobSummaries", ["InProgress", "Stopping"]),
        "transform_jobs": ("TransformJobSummaries", ["InProgress", "Stopping"]),
        "endpoints": ("Endpoints", ["Creating", "Updating", "Deleting"]),
    }
    return not any(
        getattr(sagemaker, f"list_{kind}")(StatusEquals=status)[member]
        for kind, (member, statuses) in lists.items()
        for status in statuses
    )


def port_of(server):
    return int(server.url.rpartition(":")[2])


def everything(server):
    """All resources and tags."""
    with sqlite3.connect(f"file:{server.log_path.parent / 'state.sqlite'}?mode=ro", uri=True) as database:
        return [
            database.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in ("resource", "tag")
        ]


def described(request, answer):
    what = (
        f"{request.kind}: {request.method} {request.path[:90]} {request.headers.get('X-Amz-Target', '')[:60]}"
    )
    return f"{what} {request.body[:300]!r} -> {answer.status} {answer.sentence[:200]!r}"


def test_a_thousand_hostile_requests_are_refused_and_change_nothing(victim, attack):
    before = everything(victim)
    attacker, wrong, counts = Attacker(port_of(victim)), [], Counter()
    started = time.monotonic()
    requests = [
        *attack.broken_documents(),
        *attack.made_up_tokens(),
        *attack.impossible_names(),
        *attack.invocations(),
        *attack.wrong_addresses(),
        *attack.bad_signatures(),
        *attack.wrong_in_one_member(random.Random(SEED), 800),
    ]
    for request in requests:
        answer = attacker.send(request)
        counts[request.kind, answer.status] += 1
        said = request.method == "HEAD" or " " in answer.sentence
        if not (400 <= answer.status < 500 and said):
            wrong.append(described(request, answer))
    attacker.close()
    print(f"{counts.total()} requests in {time.monotonic() - started:.1f} s", sorted(counts.items()))
    assert not wrong, f"{len(wrong)} were not refused:\n" + "\n".join(wrong[:40])
    assert counts.total() >= 1000
    assert everything(victim) == before


@pytest.mark.parametrize("seed", range(SEED, SEED + 4))
def test_random_requests_are_never_a_fault_of_the_server(victim, attack, seed):
    attacker, wrong, counts = Attacker(port_of(victim)), [], Counter()
    for request in attack.random(random.Random(seed), 300):
        answer = attacker.send(request)
        counts[answer.status] += 1
        if not 200 <= answer.status < 500:
            wrong.append(described(request, answer))
    attacker.close()
    print(sorted(counts.items()))
    assert not wrong, f"{len(wrong)} were not taken or refused:\n" + "\n".join(wrong[:40])


def test_what_is_hardly_http_is_refused_and_changes_nothing(victim, attack, clients):
    wait_for(lambda: is_settled(clients("sagemaker")), 60)
    before = everything(victim)
    for raw in RAW:
        answer = send_raw(port_of(victim), raw)
        statuses = re.findall(rb"HTTP/1\.1 (\d{3})", answer)
        assert all(status[:1] == b"4" for status in statuses), (raw[:100], answer[:300])
    assert everything(victim) == before


def test_the_server_is_well_afterwards(victim, attack, clients):
    sagemaker = clients("sagemaker")
    wait_for(lambda: is_settled(sagemaker), 60)
    documents = [row[2] for row in everything(victim)[0]]
    assert not [document for document in documents if "InternalServerError" in document]
    model = {"ModelName": "after", "PrimaryContainer": {"Image": STUB_IMAGE}}
    sagemaker.create_model(ExecutionRoleArn=ROLE_ARN, **model)
    sagemaker.delete_model(ModelName="after")
    log = victim.log_path.read_text("utf-8", "replace")
    assert "Traceback" not in log, log[log.index("Traceback") - 300 :][:3000]
