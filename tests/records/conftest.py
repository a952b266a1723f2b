"""A deployment's place in a bucket of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.aws import AwsCredentials, connection
from tests.support.project import Project


@pytest.fixture
def project(
    monkeypatch: pytest.MonkeyPatch,
    aws_credentials: AwsCredentials,
    s3_server: str,
    aws_clients: Callable[..., Any],
    bucket: str,
    role_arn: str,
) -> Project:
    """An empty deployment; the connection of tasks leads to S3 alone."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(aws_credentials, {"s3": s3_server}))
    return Project(bucket=bucket, s3=aws_clients("s3"), role_arn=role_arn, prefix="shapes")
