"""Receivers of events: an HTTP server that refuses as it is told, and an SQS queue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.review_desk.events.receivers import SECRET, Receiver, SqsQueue
from tests.support.aws import REGION
from tests.support.desk import ACCESS_KEY, SECRET_KEY, S3Server, Site, unique
from tests.support.lanes import starts


@pytest.fixture
@starts("server")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def sqs(desk_s3: S3Server) -> Any:
    return boto3.client(
        "sqs",
        endpoint_url=f"http://127.0.0.1:{desk_s3.port}",
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )


@pytest.fixture
def queue(sqs: Any) -> SqsQueue:
    return SqsQueue(sqs, sqs.create_queue(QueueName=unique("events"))["QueueUrl"])


@pytest.fixture
def announcing_site(tmp_path: Path, desk_s3: S3Server, receiver: Receiver, queue: SqsQueue) -> Iterator[Site]:
    """A desk that announces ended loops to ``receiver`` and ``queue``."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    site = Site(tmp_path, desk_s3)
    site.desk.command += ["--event-webhook", receiver.url, "--event-webhook-secret-file", str(secret)]
    site.desk.command += ["--event-queue-url", queue.url]
    site.desk.start()
    yield site
    site.close()
