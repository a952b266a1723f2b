"""A night up to the moment people are asked, on a real S3 server and a real Review Desk."""

from __future__ import annotations

import contextlib
import hashlib
import json
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from secondlook import jsonl
from secondlook.detection import Box, Detection, Prediction
from secondlook.layout import Layout
from secondlook.operators.launch import HumanLoopStartOperator
from secondlook.operators.manifest import AugmentedManifestOperator
from secondlook.operators.review_workflow import (
    PROJECT_ROOT,
    TEMPLATE_PATH,
    ReviewWorkflowCreateOperator,
    ReviewWorkflowRemoveOperator,
)
from secondlook.sensors.human_loops import HumanLoopSensor

LABELS = ["RBC", "WBC", "Platelets"]
NIGHT = "2026-11-20"
MODEL = "second-look-model-1"
WIDTH_PX, HEIGHT_PX = 320, 240


class TaskInstance:
    """What operators use of a task instance: who it is, and somewhere to push XComs to."""

    dag_id, run_id, task_id, map_index = "nightly_detection", "manual__1", "launch", -1

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


@pytest.fixture
def context() -> dict[str, Any]:
    """The part of Airflow's context that the operators use."""
    return {"ti": TaskInstance()}


class Reviewer:
    """A person at the Review Desk, through the same HTTP calls as the portal."""

    def __init__(self, url: str, name: str, password: str) -> None:
        self._url = url
        self._token = ""
        self._token = self._post("/worker/sessions", {"name": name, "password": password})["token"]

    def next(self) -> dict[str, Any] | None:
        return self._post("/worker/tasks/next", {}) or None

    def answer(self, task: dict[str, Any], boxes: Sequence[dict[str, Any]], **size: int) -> None:
        content = {
            "annotatedResult": {
                "boundingBoxes": list(boxes),
                "inputImageProperties": {"width": WIDTH_PX, "height": HEIGHT_PX, **size},
            }
        }
        self._post(f"/worker/tasks/{task['task']}/answer", {"answerContent": content})

    def answer_all(self, boxes_of: Callable[[dict[str, Any]], Sequence[dict[str, Any]]]) -> int:
        """Answer every task on offer; return how many there were."""
        answered = 0
        while task := self.next():
            self.answer(task, boxes_of(task))
            answered += 1
        return answered

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(self._url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else {}


def predrawn(task: dict[str, Any]) -> list[dict[str, Any]]:
    """The answer of a reviewer who finds the model's boxes right."""
    return task["input"]["initialValue"]


@dataclass
class Project:
    """One deployment in a bucket and a flow definition of its own."""

    bucket: str
    s3: Any
    a2i: Any
    control: Any
    role_arn: str
    team: str
    prefix: str = "cells"
    flow: str = field(default_factory=lambda: f"cells-{uuid.uuid4().hex[:8]}")

    @property
    def layout(self) -> Layout:
        return Layout(self.bucket, self.prefix)

    @property
    def place(self) -> dict[str, Any]:
        return {"bucket": self.bucket, "prefix": self.prefix, "flow_definition_name": self.flow}

    @property
    def flow_arn(self) -> str:
        return self.control.describe_flow_definition(FlowDefinitionName=self.flow)["FlowDefinitionArn"]

    def create(self, **arguments: Any) -> ReviewWorkflowCreateOperator:
        defaults = {
            "task_id": "create",
            "flow_role_arn": self.role_arn,
            "workteam_name": self.team,
            "labels": LABELS,
            "task_title": "Correct the boxes",
            "task_description": "One box around every cell.",
            "task_time_limit_seconds": 600,
        }
        return ReviewWorkflowCreateOperator(**{**defaults, **self.place, **arguments})

    def remove(self, **arguments: Any) -> ReviewWorkflowRemoveOperator:
        return ReviewWorkflowRemoveOperator(task_id="remove", **{**self.place, **arguments})

    def launch(self, **arguments: Any) -> HumanLoopStartOperator:
        defaults = {"task_id": "launch", "night": NIGHT, "model": MODEL, "labels": LABELS}
        return HumanLoopStartOperator(**{**defaults, **self.place, **arguments})

    def await_reviews(self, **arguments: Any) -> HumanLoopSensor:
        defaults = {"task_id": "await_reviews", "night": NIGHT, "poll_interval_seconds": 0.2, "timeout": 60}
        return HumanLoopSensor(**{**defaults, **self.place, **arguments})

    def manifest(self, **arguments: Any) -> AugmentedManifestOperator:
        defaults = {"task_id": "manifest", "night": NIGHT, "labels": LABELS}
        place = {"bucket": self.bucket, "prefix": self.prefix}
        return AugmentedManifestOperator(**{**defaults, **place, **arguments})

    def score(self, predictions: Sequence[Prediction], night: str = NIGHT, per_part: int = 4) -> None:
        """Write predictions as the scoring task does."""
        for index, start in enumerate(range(0, len(predictions), per_part)):
            records = [prediction.to_record() for prediction in predictions[start : start + per_part]]
            self.put(self.layout.prediction_part(night, MODEL, index), jsonl.encode_gzip(records))
        self.put(self.layout.predictions_summary(night, MODEL), b"{}")

    def prediction(self, name: str, *scores: float, night: str = NIGHT) -> Prediction:
        """A scored image with one box per score, side by side."""
        boxes = [Box(10.0 + 20 * i, 20.0, 25.0 + 20 * i, 60.0) for i in range(len(scores))]
        detections = [
            Detection(i % 3, score, box) for i, (score, box) in enumerate(zip(scores, boxes, strict=True))
        ]
        image = self.layout.uri(f"{self.layout.images(night)}/{name}.jpg")
        return Prediction(
            image,
            f"etag-of-{name}",
            WIDTH_PX,
            HEIGHT_PX,
            3,
            MODEL,
            tuple(sorted(detections, key=Detection.sort_key)),
            hashlib.sha256(image.encode()).hexdigest(),
        )

    def make_flow(self, human_task_ui_arn: str, **loop_config: Any) -> None:
        """Create the flow definition as the review_workflow DAG does, yet with any configuration."""
        team = self.control.describe_workteam(WorkteamName=self.team)["Workteam"]
        self.control.create_flow_definition(
            FlowDefinitionName=self.flow,
            RoleArn=self.role_arn,
            HumanLoopConfig={
                "WorkteamArn": team["WorkteamArn"],
                "HumanTaskUiArn": human_task_ui_arn,
                "TaskTitle": "Correct the boxes",
                "TaskDescription": "One box around every cell.",
                "TaskCount": 1,
                "TaskAvailabilityLifetimeInSeconds": 600,
                "TaskTimeLimitInSeconds": 600,
                **loop_config,
            },
            OutputConfig={"S3OutputPath": self.layout.uri(self.layout.a2i_output())},
        )

    def put(self, key: str, data: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data)

    def get(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def lines(self, key: str) -> list[dict[str, Any]]:
        return jsonl.decode(self.get(key))

    def loops(self) -> dict[str, str]:
        """Name and status of every human loop of the flow."""
        pages = self.a2i.get_paginator("list_human_loops").paginate(FlowDefinitionArn=self.flow_arn)
        return {
            loop["HumanLoopName"]: loop["HumanLoopStatus"]
            for page in pages
            for loop in page["HumanLoopSummaries"]
        }

    def stop_all(self) -> None:
        for name, status in self.loops().items():
            if status == "InProgress":
                # One that is answered already may end between the listing and here.
                with contextlib.suppress(self.a2i.exceptions.ValidationException):
                    self.a2i.stop_human_loop(HumanLoopName=name)


def _connection(login: str, password: str, endpoints: dict[str, str]) -> str:
    services = {service: {"endpoint_url": url} for service, url in endpoints.items()}
    extra = {"region_name": "us-east-1", "service_config": services}
    return json.dumps({"conn_type": "aws", "login": login, "password": password, "extra": extra})


@pytest.fixture
def connections(
    monkeypatch: pytest.MonkeyPatch, aws_credentials: Any, s3_server: str, desk_server: str
) -> Callable[..., None]:
    """Point Airflow's connections at the servers; ``connections(a2i=url)`` replaces the desk."""
    keys = (aws_credentials.access_key_id, aws_credentials.secret_access_key)

    def connect(a2i: str = desk_server) -> None:
        s3_and_sqs = {"s3": s3_server, "sqs": s3_server}
        # A desk has keys of its own: with this connection nothing else can be reached.
        desk = {"sagemaker": a2i, "sagemaker-a2i-runtime": a2i}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", _connection(*keys, s3_and_sqs))
        monkeypatch.setenv("AIRFLOW_CONN_A2I_DEFAULT", _connection(*keys, desk))

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
    content = (PROJECT_ROOT / TEMPLATE_PATH).read_text()
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
) -> Iterator[Project]:
    """A deployment without a review workflow yet; its human loops are stopped at the end."""
    project = Project(
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
def ready(project: Project, human_task_ui_arn: str) -> Project:
    """A deployment whose flow definition exists."""
    project.make_flow(human_task_ui_arn)
    return project


@pytest.fixture
def reviewer(desk_server: str, desk_workers: dict[str, str]) -> Reviewer:
    return Reviewer(desk_server, "alice", desk_workers["alice"])


@pytest.fixture
def second_reviewer(desk_server: str, desk_workers: dict[str, str]) -> Reviewer:
    return Reviewer(desk_server, "bob", desk_workers["bob"])
