"""A deployment without a flow definition or with one, and reviewers of its team."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from secondlook.worker_template import read_template
from tests.support.airflow import TaskInstance
from tests.support.aws import AwsCredentials, connection
from tests.support.review_project import ReviewProject
from tests.support.reviewer import Reviewer


@pytest.fixture
def context() -> dict[str, Any]:
    """The part of Airflow's context that the operators use."""
    return {"ti": TaskInstance("manual__1", "launch")}


@pytest.fixture
def connections(
    monkeypatch: pytest.MonkeyPatch, aws_credentials: AwsCredentials, s3_server: str, desk_server: str
) -> Callable[..., None]:
    """Point Airflow's connections at the servers; ``connections(a2i=url)`` replaces the desk."""

    def connect(a2i: str = desk_server) -> None:
        s3_and_sqs = {"s3": s3_server, "sqs": s3_server}
        # A desk has keys of its own: with this connection nothing else can be reached.
        desk = {"sagemaker": a2i, "sagemaker-a2i-runtime": a2i}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(aws_credentials, s3_and_sqs))
        monkeypatch.setenv("AIRFLOW_CONN_A2I_DEFAULT", connection(aws_credentials, desk))

    connect()
    return connect


@pytest.fixture(scope="session")
def clients(aws_clients: Callable[..., Any]) -> dict[str, Any]:
    """Clients for looking at what the operators did; made once, since the SageMaker one takes a while."""
    return {
        "s3": aws_clients("s3"),
        "a2i": aws_clients("sagemaker-a2i-runtime"),
        "control": aws_clients("sagemaker", desk=True),
    }


@pytest.fixture(scope="session")
def human_task_ui_arn(clients: dict[str, Any]) -> str:
    """The project's worker template on the desk."""
    content = read_template()
    created = clients["control"].create_human_task_ui(
        HumanTaskUiName="cells-template", UiTemplate={"Content": content}
    )
    return created["HumanTaskUiArn"]


@pytest.fixture
def project(
    connections: Callable[..., None],
    bucket: str,
    clients: dict[str, Any],
    role_arn: str,
    desk_team_arn: str,
) -> Iterator[ReviewProject]:
    """A deployment without a review workflow yet; its human loops are stopped at the end."""
    project = ReviewProject(
        bucket=bucket,
        **clients,
        role_arn=role_arn,
        team=desk_team_arn.rpartition("/")[2],
    )
    yield project
    try:
        project.stop_all()
    except project.control.exceptions.ResourceNotFound:
        # The test removed the flow definition, and its open loops with it.
        return


@pytest.fixture
def ready(project: ReviewProject, human_task_ui_arn: str) -> ReviewProject:
    """A deployment whose flow definition exists."""
    project.make_flow(human_task_ui_arn)
    return project


@pytest.fixture
def reviewer(desk_server: str, desk_workers: dict[str, str]) -> Reviewer:
    return Reviewer(desk_server, "alice", desk_workers["alice"])


@pytest.fixture
def second_reviewer(desk_server: str, desk_workers: dict[str, str]) -> Reviewer:
    return Reviewer(desk_server, "bob", desk_workers["bob"])
