"""What whoever runs the desk sees: metrics, health, logs, and what serve says about its buckets."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from include.review_desk.errors import DeskSetupError
from include.review_desk.storage.opening import open_database
from tests.support.desk import BUCKET, Site, flow_request, unique
from tests.support.reviewer import PASSWORD, box
from tests.support.servers import ROOT, free_port, wait_for

SECRET_INPUT, SECRET_REASON = "a patient named Unmistakable", "an unmistakable reason"


def scrape(site):
    status, text, headers = site.get("/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return list(text_string_to_metric_families(text))


def value(site, name, **labels):
    samples = [sample for family in scrape(site) for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def test_metrics_follow_the_work(both_sites):
    site = both_sites
    flow = site.make_flow()
    # Answers of the tests before may still be held for correction.
    wait_for(lambda: value(site, "review_desk_outputs_not_written") == 0)
    before = {name: value(site, f"review_desk_{name}") for name in ("loops_waiting", "tasks_in_work")}
    answered = value(site, "review_desk_answers_total")
    completed = value(site, "review_desk_human_loops", status="Completed")
    started = value(site, "review_desk_aws_calls_total", operation="StartHumanLoop", http_status="200")
    first, _second = flow.start(), flow.start()
    person = flow.reviewer()
    task = person.next()
    assert value(site, "review_desk_loops_waiting") == before["loops_waiting"] + 1
    assert value(site, "review_desk_tasks_in_work") == before["tasks_in_work"] + 1
    person.answer(task, [box()])
    assert flow.ended(first)["HumanLoopStatus"] == "Completed"
    assert value(site, "review_desk_answers_total") == answered + 1
    assert value(site, "review_desk_human_loops", status="Completed") == completed + 1
    calls = value(site, "review_desk_aws_calls_total", operation="StartHumanLoop", http_status="200")
    assert calls == started + 2
    route = "/worker/tasks/{task}/answer"
    assert value(site, "review_desk_request_duration_seconds_count", route=route, method="POST") >= 1
    assert value(site, "review_desk_worker_sessions") >= 1
    assert value(site, "review_desk_outputs_not_written") == 0


def test_metrics_count_refused_sign_ins(flow):
    before = value(flow.site, "review_desk_sign_in_failures_total")
    person = flow.reviewer()
    status, _ = person.call("/worker/sessions", {"name": person.name, "password": "a wrong password"})
    assert status == 401
    assert value(flow.site, "review_desk_sign_in_failures_total") == before + 1


def test_metrics_have_bounded_labels_without_personal_data(flow):
    person = flow.reviewer(unique("Unmistakable"))
    loop = flow.start()
    task = person.next()
    flow.site.get(f"/no/such/{unique('path')}")
    person.call(f"/worker/tasks/{task['task']}/decline", {}, method="PATCH")
    families = scrape(flow.site)
    values = {label for family in families for sample in family.samples for label in sample.labels.values()}
    text = " ".join(values)
    for secret in (person.name, loop, task["task"], flow.name, flow.team, "PATCH", "/no/such"):
        assert secret not in text
    assert {"unknown", "other", "/worker/tasks/next"} <= values
    assert len(values) < 150


def test_logs_tell_nothing_about_people_or_their_work(flow):
    person = flow.reviewer(unique("Unmistakable"))
    flow.start(note=SECRET_INPUT)
    flow.start(note=SECRET_INPUT)
    declined = person.next()
    person.decline(declined, SECRET_REASON)
    task = person.next()
    person.answer(task, [box(left=31415.9265)])
    person.call("/worker/sessions", {"name": person.name, "password": "a wrong password"})
    status, _ = person.call("/worker/tasks/next", raw=b"\xff{")
    assert status in (200, 204, 400)
    log = flow.site.desk.log.read_text()
    secrets = (person.name, person.token, task["task"], declined["task"], PASSWORD, "a wrong password")
    for secret in (*secrets, SECRET_INPUT, SECRET_REASON, "31415.9265"):
        assert secret not in log
    requests = [line for line in map(json.loads, log.splitlines()) if line["message"] == "request"]
    assert requests
    assert not any("127.0.0.1" in json.dumps(line) for line in requests)


def test_errors_of_the_database_do_not_quote_what_was_stored(tmp_path: Path):
    database = open_database(f"sqlite:///{tmp_path}/desk.db")
    with pytest.raises(Exception, match="no such table") as failure, database.read() as connection:
        connection.execute(text("SELECT :name FROM nowhere"), {"name": SECRET_INPUT})
    assert SECRET_INPUT not in str(failure.value)
    database.close()
    with pytest.raises(DeskSetupError):
        open_database("sqlite:////no/such/folder/desk.db")


@pytest.mark.usefixtures("programs")
def test_serve_needs_no_more_than_a_database_and_a_bucket(tmp_path: Path):
    port = free_port()
    command = [
        *(sys.executable, "-m", "include.review_desk", "serve", "--port", str(port)),
        *("--database", f"sqlite:///{tmp_path}/desk.db", "--bucket", "my-bucket"),
    ]
    environment = {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true", "PYTHONPATH": str(ROOT)}
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        wait_for(lambda: process.poll() is not None or _healthy(port))
        wait_for(lambda: "no AWS credentials" in log.read_text())
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(30)
    assert code == 0
    assert [line for line in log.read_text().splitlines() if not line.startswith("{")] == []


def test_a_missing_bucket_is_one_sentence_and_other_buckets_are_refused(tmp_path: Path, desk_s3):
    site = Site(tmp_path, desk_s3, buckets=(BUCKET, "not-made-yet"))
    site.desk.start()
    try:
        wait_for(lambda: "The bucket not-made-yet does not exist: create it" in site.desk.log.read_text())
        flow = site.make_flow()
        request = flow_request(unique("flow"), flow.team, flow.ui)
        request["OutputConfig"] = {"S3OutputPath": "s3://another-bucket/reviews/"}
        with pytest.raises(ClientError, match=r"s3://another-bucket/reviews/.* was not started with"):
            site.client("sagemaker").create_flow_definition(**request)
        loop = flow.start(taskObject="s3://another-bucket/image.jpg")
        failed = flow.a2i.describe_human_loop(HumanLoopName=loop)
        assert failed["FailureCode"] == "ValidationError"
        assert 'may not read from the bucket "another-bucket"' in failed["FailureReason"]
        assert flow.status(flow.start()) == "InProgress"
    finally:
        site.close()


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--event-webhook", "ftp://example.org/x"), "--event-webhook must be an http or https address"),
        (("--event-queue-url", "https://sqs.us-east-1.amazonaws.com"), "--event-queue-url names no queue"),
        (
            ("--event-webhook", "http://x/", "--event-webhook-secret-file", "/no/such/file"),
            "secret file /no/such/file cannot be read",
        ),
        (("--image-origin", "https://x; script-src *"), "--image-origin 'https://x; script-src *' must be"),
        (("--image-origin", "https://x/path"), "must be an origin, without a path"),
        (("--bucket", "my-bucket", "--any-bucket"), "--any-bucket contradicts --bucket"),
    ],
)
def test_wrong_options_are_one_sentence(tmp_path: Path, options: tuple[str, ...], sentence: str):
    database = f"sqlite:///{tmp_path}/desk.db"
    command = [sys.executable, "-m", "include.review_desk", "serve", "--database", database, *options]
    command += () if "--any-bucket" in options else ("--bucket", "my-bucket")
    environment = {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.mark.parametrize("beginning", [b"GET / HTTP/1.1\r\nX: ", b"GET /"])
def test_headers_without_an_end_are_cut_off(site, beginning: bytes):
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as connection:
        connection.sendall(beginning)
        with contextlib.suppress(ConnectionError):
            for _ in range(10):
                connection.sendall(b"a" * 100_000)
        answer = b""
        while part := connection.recv(4096):
            answer += part
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"larger than 64 KiB" in answer
    assert site.get("/healthz")[0] == 200


@pytest.mark.parametrize("body", [0, 10_000])
def test_requests_on_one_connection_are_counted_apart(site, body: int):
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nX: " % body
    request = head + b"a" * 30_000 + b"\r\n\r\n" + b"b" * body
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as connection:
        for _ in range(5):
            connection.sendall(request)
            answer = b""
            while b"stopped_threads" not in answer:
                answer += connection.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200")
