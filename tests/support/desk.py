"""A Review Desk and an S3 server of their own, real processes both, for tests that look into a desk."""

from __future__ import annotations

import http.client
import json
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from include.review_desk.clock import system_clock
from include.review_desk.people.workers import add_worker
from include.review_desk.storage.database import Database
from include.review_desk.storage.opening import open_database
from tests.support.aws import ACCOUNT_ID, REGION
from tests.support.reviewer import PASSWORD, Reviewer
from tests.support.servers import ROOT, S3_HEALTH, ServerProcess, free_port, s3_command, wait_for

TEMPLATE = (ROOT / "plugins/secondlook/worker_template/bounding_box.liquid.html").read_text("utf-8")
ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/a2i-flow"
ACCESS_KEY, SECRET_KEY = "AKIAREVIEWDESKTEST", "not a secret"
BUCKET = "review-desk-tests"


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def input_content(**members: Any) -> str:
    content = {"taskObject": f"s3://{BUCKET}/images/1.jpg", "labels": ["RBC", "WBC"], "initialValue": []}
    return json.dumps(content | members, sort_keys=True)


def flow_request(name: str, team: str, ui: str, **loop_config: Any) -> dict[str, Any]:
    prefix = f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}"
    config = {
        "WorkteamArn": f"{prefix}:workteam/private-crowd/{team}",
        "HumanTaskUiArn": f"{prefix}:human-task-ui/{ui}",
        "TaskTitle": "Check the boxes",
        "TaskDescription": "Correct, add or remove boxes.",
        "TaskCount": 1,
    }
    return {
        "FlowDefinitionName": name,
        "RoleArn": ROLE,
        "HumanLoopConfig": config | loop_config,
        "OutputConfig": {"S3OutputPath": f"s3://{BUCKET}/reviews/a2i/"},
    }


def s3_client(port: int) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )


class S3Server(ServerProcess):
    """S3 on loopback that keeps its objects over a restart."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        credentials = folder / "s3-keys.json"
        credentials.write_text(json.dumps({ACCESS_KEY: SECRET_KEY}))
        command = s3_command(self.port, folder, credentials, "--bucket", BUCKET)
        super().__init__(command, {}, f"http://127.0.0.1:{self.port}{S3_HEALTH}", folder / "s3.log")


@dataclass
class Site:
    """One desk, addressed by boto3 as Amazon A2I would be, with the S3 that all desks share.

    ``database_url``: None means SQLite in ``folder``. ``buckets``: without any the desk may use all.
    ``options`` are further ones of ``serve``.
    """

    folder: Path
    s3_server: S3Server
    database_url: str | None = None
    port: int = field(default_factory=free_port)
    buckets: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._clients: dict[str, Any] = {}
        self._database: Database | None = None
        credentials = self.folder / "keys.json"
        credentials.write_text(json.dumps({ACCESS_KEY: SECRET_KEY}))
        self.s3_port = self.s3_server.port
        self.database_url = self.database_url or f"sqlite:///{self.folder}/desk.db"
        self.desk = ServerProcess(
            [
                *(sys.executable, "-m", "include.review_desk", "serve", "--port", str(self.port)),
                *("--database", self.database_url, "--credentials", str(credentials)),
                *("--s3-endpoint", f"http://127.0.0.1:{self.s3_port}"),
                *(word for bucket in self.buckets for word in ("--bucket", bucket)),
                *(() if self.buckets else ("--any-bucket",)),
                *self.options,
            ],
            {},
            f"http://127.0.0.1:{self.port}/healthz",
            self.folder / "desk.log",
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str, **overrides: Any) -> Any:
        port = self.s3_port if service == "s3" else self.port
        arguments = {
            "endpoint_url": f"http://127.0.0.1:{port}",
            "region_name": REGION,
            "aws_access_key_id": ACCESS_KEY,
            "aws_secret_access_key": SECRET_KEY,
            "config": Config(retries={"total_max_attempts": 1}),
        }
        if overrides:
            return boto3.client(service, **(arguments | overrides))
        if service not in self._clients:
            self._clients[service] = boto3.client(service, **arguments)
        return self._clients[service]

    @property
    def database(self) -> Database:
        """The desk's database, opened by the tests."""
        if self._database is None:
            self._database = open_database(str(self.database_url))
        return self._database

    def add_worker(self, team: str, name: str, password: str = PASSWORD) -> None:
        add_worker(self.database, system_clock(), team=team, name=name, password=password)

    def make_flow(self, template: str = TEMPLATE, **loop_config: Any) -> Flow:
        """A flow definition with a team and a template of its own."""
        sagemaker = self.client("sagemaker")
        name, team, ui = unique("flow"), unique("team"), unique("ui")
        members = [{"OidcMemberDefinition": {"Groups": ["night"]}}]
        sagemaker.create_workteam(WorkteamName=team, Description="Reviewers", MemberDefinitions=members)
        sagemaker.create_human_task_ui(HumanTaskUiName=ui, UiTemplate={"Content": template})
        arn = sagemaker.create_flow_definition(**flow_request(name, team, ui, **loop_config))
        a2i = self.client("sagemaker-a2i-runtime")
        return Flow(self, name, arn["FlowDefinitionArn"], team, ui, a2i)

    def close(self) -> None:
        """End the desk."""
        self.desk.stop()
        if self._database is not None:
            self._database.close()

    def get(self, path: str, **headers: str) -> tuple[int, str, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        try:
            return response.status, response.read().decode(), response.headers
        finally:
            connection.close()


@dataclass
class Flow:
    """A flow definition with its own team and template."""

    site: Site
    name: str
    arn: str
    team: str
    ui: str
    a2i: Any

    def start(self, name: str | None = None, **members: Any) -> str:
        name = name or unique("loop")
        self.a2i.start_human_loop(
            HumanLoopName=name,
            FlowDefinitionArn=self.arn,
            HumanLoopInput={"InputContent": input_content(**members)},
        )
        return name

    def status(self, loop: str) -> str:
        return str(self.a2i.describe_human_loop(HumanLoopName=loop)["HumanLoopStatus"])

    def ended(self, loop: str, seconds: float = 45.0) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            description = self.a2i.describe_human_loop(HumanLoopName=loop)
            over = description["HumanLoopStatus"] in ("Completed", "Failed", "Stopped")
            return description if over else None

        return wait_for(look, seconds)

    def reviewer(self, name: str | None = None) -> Reviewer:
        name = name or unique("person")
        self.site.add_worker(self.team, name)
        return Reviewer(self.site.url, name)

    def output(self, loop: str) -> dict[str, Any]:
        description = self.a2i.describe_human_loop(HumanLoopName=loop)
        uri = description["HumanLoopOutput"]["OutputS3Uri"]
        key = uri.removeprefix(f"s3://{BUCKET}/")
        body = self.site.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return dict(json.loads(body))
