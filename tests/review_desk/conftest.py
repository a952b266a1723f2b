"""A Review Desk and an S3 server of their own, real processes both, and people who review."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from include.review_desk.clock import system_clock
from include.review_desk.people.workers import add_worker
from include.review_desk.storage.database import Database
from include.review_desk.storage.opening import open_database
from tests.conftest import free_port

from .postgres import PostgresServer, postgres_binaries

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = (ROOT / "include/worker_template/bounding_box.liquid.html").read_text("utf-8")
REGION, ACCOUNT = "us-east-1", "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/a2i-flow"
ACCESS_KEY, SECRET_KEY = "AKIAREVIEWDESKTEST", "not a secret"
PASSWORD = "a long password"
BUCKET = "review-desk-tests"


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def wait_for(condition, seconds: float = 45.0):
    """The first true value of ``condition()``; fails when none comes in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return value


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class ServerProcess:
    """A server that can be stopped, killed and started again on its port and its data."""

    def __init__(self, command: list[str], environment: dict[str, str], ready_url: str, log: Path) -> None:
        self.command, self.ready_url, self.log = command, ready_url, log
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
            )
        wait_for(self._ready, 40)

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        return self.is_up()

    def is_up(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(self.ready_url, timeout=2):
            return True
        return False


class Reviewer:
    """A person at the worker API, with one session."""

    def __init__(self, port: int, name: str, password: str = PASSWORD) -> None:
        self.port, self.name, self.token = port, name, ""
        status, body = self.call("/worker/sessions", {"name": name, "password": password})
        assert status == 200, body
        self.token = body["token"]

    def call(self, path: str, body: Any = None, method: str = "POST", raw: bytes | None = None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        payload = raw if raw is not None else json.dumps(body or {}).encode()
        try:
            connection.request(method, path, payload, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        return response.status, json.loads(text) if text else None

    def next(self) -> dict[str, Any] | None:
        status, body = self.call("/worker/tasks/next")
        assert status in (200, 204), body
        return body

    def answer(self, task: dict[str, Any], boxes: list[dict[str, Any]] | None = None):
        return self.call(f"/worker/tasks/{task['task']}/answer", {"answerContent": boxes_answer(boxes or [])})

    def decline(self, task: dict[str, Any], reason: str = "too blurred"):
        return self.call(f"/worker/tasks/{task['task']}/decline", {"reason": reason})


def boxes_answer(boxes: list[dict[str, Any]]) -> dict[str, Any]:
    properties = {"height": 240, "width": 320}
    return {"annotatedResult": {"boundingBoxes": boxes, "inputImageProperties": properties}}


def box(label: str = "RBC", **sides: Any) -> dict[str, Any]:
    return {"left": 10, "top": 20, "width": 30, "height": 40, "label": label} | sides


def input_content(**members: Any) -> str:
    content = {"taskObject": f"s3://{BUCKET}/images/1.jpg", "labels": ["RBC", "WBC"], "initialValue": []}
    return json.dumps(content | members, sort_keys=True)


class S3Server(ServerProcess):
    """S3 on loopback that keeps its objects over a restart."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        environment = {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(folder / "s3"),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "SERVICES": "s3,sqs",
        }
        command = [str(Path(sys.executable).parent / "ministack")]
        health = f"http://127.0.0.1:{self.port}/_ministack/health"
        super().__init__(command, environment, health, folder / "s3.log")


@dataclass
class Site:
    """One desk, addressed by boto3 as Amazon A2I would be, with the S3 that all desks share.

    ``database_url``: None means SQLite in ``folder``.
    """

    folder: Path
    s3_server: S3Server
    database_url: str | None = None
    port: int = field(default_factory=free_port)

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


def s3_client(port: int) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )


@pytest.fixture(scope="session")
def desk_s3(tmp_path_factory: pytest.TempPathFactory):
    """S3 with one bucket and one picture, shared by all desks."""
    server = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        server.start()
        s3 = s3_client(server.port)
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="images/1.jpg", Body=b"pixels")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres_server():
    """A PostgreSQL server; the tests that need it are skipped where Debian's package is not installed."""
    server = PostgresServer(postgres_binaries(), free_port())
    try:
        server.start()
        yield server
    finally:
        server.remove()


def _running_site(folder: Path, desk_s3: S3Server, database_url: str | None = None):
    site = Site(folder, desk_s3, database_url)
    try:
        site.desk.start()
        yield site
    finally:
        site.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, desk_s3: S3Server):
    """A desk on SQLite."""
    yield from _running_site(tmp_path_factory.mktemp("desk"), desk_s3)


@pytest.fixture(scope="session")
def postgres_site(
    tmp_path_factory: pytest.TempPathFactory, desk_s3: S3Server, postgres_server: PostgresServer
):
    """A desk on PostgreSQL."""
    folder = tmp_path_factory.mktemp("postgres-desk")
    yield from _running_site(folder, desk_s3, postgres_server.create_database())


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def both_sites(request: pytest.FixtureRequest) -> Site:
    """The desk on SQLite, then the one on PostgreSQL."""
    return request.getfixturevalue("site" if request.param == "sqlite" else "postgres_site")


@pytest.fixture(scope="session")
def sagemaker(site: Site):
    return site.client("sagemaker")


@pytest.fixture(scope="session")
def a2i(site: Site):
    return site.client("sagemaker-a2i-runtime")


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
        return Reviewer(self.site.port, name)

    def output(self, loop: str) -> dict[str, Any]:
        description = self.a2i.describe_human_loop(HumanLoopName=loop)
        uri = description["HumanLoopOutput"]["OutputS3Uri"]
        key = uri.removeprefix(f"s3://{BUCKET}/")
        body = self.site.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return dict(json.loads(body))


def flow_request(name: str, team: str, ui: str, **loop_config: Any) -> dict[str, Any]:
    prefix = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
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


@pytest.fixture
def make_flow(site: Site):
    """``make_flow(template=..., **loop_config) -> Flow``, on SQLite."""
    return site.make_flow


@pytest.fixture
def flow(site: Site) -> Flow:
    return site.make_flow()


@pytest.fixture
def any_flow(both_sites: Site) -> Flow:
    """A flow on either database."""
    return both_sites.make_flow()
