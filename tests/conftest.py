"""Real servers for the tests: S3, SageMaker on this machine and the Review Desk, each started once when
first asked for.

Every server listens on a free loopback port, keeps its state in a temporary folder, runs in a process group
of its own that is killed at the end, and dies with pytest should pytest itself be killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.config import Config
from hypothesis import settings

from tests.support.aws import ACCOUNT_ID, REGION, ROLE_ARN, AwsCredentials, connection
from tests.support.environment import isolate, share_service_models
from tests.support.lanes import starts
from tests.support.servers import ROOT, S3_HEALTH, Server, free_port, s3_command

pytest_plugins = ["tests.support.lane_hooks", "tests.support.order", "tests.support.starting"]

# A busy machine is no fault of the code: no deadline an example, and the same examples each time.
settings.register_profile("second-look", deadline=None, derandomize=True)
settings.load_profile("second-look")

TEAM = "night-team"
WORKERS = {"alice": "alice's long password", "bob": "bob's long password"}

# Here and not in a hook: a folder's conftest, loaded next, may import Airflow.
isolate()
share_service_models()


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    """``wait_until(predicate, timeout_seconds)`` -> its first true value; fails at the deadline."""

    def wait(
        predicate: Callable[[], Any], timeout_seconds: float = 30.0, interval_seconds: float = 0.05
    ) -> Any:
        deadline = time.monotonic() + timeout_seconds
        while True:
            value = predicate()
            if value:
                return value
            if time.monotonic() > deadline:
                pytest.fail(f"Nothing came within {timeout_seconds} s; the last answer was {value!r}.")
            time.sleep(interval_seconds)

    return wait


@pytest.fixture(scope="session")
def aws_credentials(tmp_path_factory: pytest.TempPathFactory) -> AwsCredentials:
    """The key pair of all tests, also as the file that the servers read."""
    file = tmp_path_factory.mktemp("credentials") / "credentials.json"
    credentials = AwsCredentials("AKIASECONDLOOKTEST", "a secret of nobody", file)
    file.write_text(json.dumps({credentials.access_key_id: credentials.secret_access_key}))
    return credentials


@pytest.fixture(scope="session")
@starts("server")
def s3_server(tmp_path_factory: pytest.TempPathFactory, aws_credentials: AwsCredentials) -> Iterator[str]:
    """S3 (and SQS) on this machine, on a free port; yields its URL."""
    folder = tmp_path_factory.mktemp("s3")
    port = free_port()
    command = s3_command(port, folder, aws_credentials.file)
    server = Server(command, f"http://127.0.0.1:{port}", folder / "server.log")
    yield server.wait_ready(S3_HEALTH).url
    server.stop()


@pytest.fixture(scope="session")
def algorithms_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images that SageMaker here can run: the real detector, answering in each form that is known of
    Amazon's, and a stub for tests about other things."""
    path = tmp_path_factory.mktemp("algorithms") / "algorithms.toml"
    detector = [str(ROOT / "build/venv-detector/bin/python"), "-m", "include.detector"]
    stub = [sys.executable, "-u", str(ROOT / "tests/local_sagemaker/stub_algorithm.py")]
    path.write_text(
        f"""
[[algorithm]]
image = "*/object-detection:*"
command = {json.dumps(detector)}
working_directory = {json.dumps(str(ROOT))}

[[algorithm]]
image = "*/object-detection-wrapped:*"
command = {json.dumps(detector)}
working_directory = {json.dumps(str(ROOT))}
environment = {{ SECONDLOOK_DETECTOR_ANSWER_FORM = "predictions" }}

[[algorithm]]
image = "*/object-detection-ratios:*"
command = {json.dumps(detector)}
working_directory = {json.dumps(str(ROOT))}
environment = {{ SECONDLOOK_DETECTOR_ANSWER_FORM = "prediction" }}

[[algorithm]]
image = "*/stub-algorithm:*"
command = {json.dumps(stub)}
working_directory = {json.dumps(str(ROOT))}
"""
    )
    return path


@pytest.fixture(scope="session")
@starts("server")
def start_sagemaker(
    s3_server: str, aws_credentials: AwsCredentials, algorithms_file: Path
) -> Iterator[Callable[..., Server]]:
    """Factory ``start_sagemaker(state_dir, *more_arguments) -> Server``, for tests that need their own."""
    servers: list[Server] = []

    def start(state_dir: Path, *arguments: str) -> Server:
        port = free_port()
        command = [
            *(sys.executable, "-m", "include.local_sagemaker", "serve", "--port", str(port)),
            *("--state-dir", str(state_dir), "--s3-endpoint", s3_server),
            *("--credentials", str(aws_credentials.file), "--algorithms", str(algorithms_file)),
            *("--region", REGION, "--account-id", ACCOUNT_ID),
            *arguments,
        ]
        state_dir.mkdir(parents=True, exist_ok=True)
        server = Server(command, f"http://127.0.0.1:{port}", state_dir / "server.log")
        servers.append(server)
        return server.wait_ready("/_status")

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def sagemaker_server(start_sagemaker: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> str:
    """SageMaker on this machine; yields its URL."""
    return start_sagemaker(tmp_path_factory.mktemp("sagemaker")).url


@pytest.fixture(scope="session")
def event_queue_url(aws_clients: Callable[..., Any]) -> str:
    """The URL of the SQS queue to which the Review Desk sends its events."""
    return str(aws_clients("sqs").create_queue(QueueName="human-loops")["QueueUrl"])


@pytest.fixture(scope="session")
@starts("server")
def desk_server(
    s3_server: str,
    event_queue_url: str,
    aws_credentials: AwsCredentials,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The Review Desk with a team ``night-team`` of two workers (see ``desk_workers``); yields its URL."""
    folder = tmp_path_factory.mktemp("desk")
    database = f"sqlite:///{folder / 'desk.sqlite'}"
    port = free_port()
    command = [
        *(sys.executable, "-m", "include.review_desk", "serve", "--port", str(port), "--database", database),
        *("--s3-endpoint", s3_server, "--credentials", str(aws_credentials.file)),
        *("--region", REGION, "--account-id", ACCOUNT_ID, "--event-queue-url", event_queue_url),
        "--any-bucket",
    ]
    server = Server(command, f"http://127.0.0.1:{port}", folder / "server.log").wait_ready("/healthz")
    for name, password in WORKERS.items():
        add = [sys.executable, "-m", "include.review_desk", "add-worker", "--database", database]
        added = subprocess.run(
            [*add, "--team", TEAM, "--name", name, "--password-stdin"],
            input=password,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert added.returncode == 0, added.stderr
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def desk_workers() -> dict[str, str]:
    """Worker name -> password of the team ``night-team``."""
    return dict(WORKERS)


@pytest.fixture(scope="session")
def desk_team_arn() -> str:
    """The ARN of the work team ``night-team``."""
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:workteam/private-crowd/{TEAM}"


@pytest.fixture(scope="session")
def role_arn() -> str:
    """An execution role that the local servers accept."""
    return ROLE_ARN


@pytest.fixture(scope="session")
@starts("server")
def aws_clients(request: pytest.FixtureRequest, aws_credentials: AwsCredentials) -> Callable[..., Any]:
    """``aws_clients(service, desk=False)`` -> a boto3 client at the server that answers for the service.

    ``sagemaker`` means SageMaker on this machine, or the Review Desk (human task UIs, flow definitions,
    work teams) with ``desk=True``; ``sagemaker-a2i-runtime`` is always the desk. A server starts when a
    client first needs it.
    """

    def client(service: str, *, desk: bool = False, **arguments: Any) -> Any:
        if service in ("s3", "sqs"):
            url = request.getfixturevalue("s3_server")
        elif desk or service == "sagemaker-a2i-runtime":
            url = request.getfixturevalue("desk_server")
        else:
            url = request.getfixturevalue("sagemaker_server")
        return boto3.client(
            service,
            **{
                "endpoint_url": url,
                "region_name": REGION,
                "aws_access_key_id": aws_credentials.access_key_id,
                "aws_secret_access_key": aws_credentials.secret_access_key,
                "config": Config(retries={"mode": "standard", "max_attempts": 2}, read_timeout=70),
                **arguments,
            },
        )

    return client


@pytest.fixture
def api_calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Operation and parameters of every call that boto3 makes in this process while the test runs."""
    calls: list[tuple[str, dict[str, Any]]] = []
    make = BaseClient._make_api_call

    def record(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        calls.append((operation, parameters))
        return make(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", record)
    return calls


@pytest.fixture
def bucket(aws_clients: Callable[..., Any]) -> str:
    """A fresh, empty bucket; its name."""
    name = f"second-look-{uuid.uuid4().hex[:12]}"
    aws_clients("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="session")
def aws_connection(aws_credentials: AwsCredentials, s3_server: str, sagemaker_server: str) -> str:
    """The Airflow connection ``aws_default`` as JSON: S3 and SageMaker on this machine."""
    services = ("sagemaker", "sagemaker-runtime", "logs")
    return connection(aws_credentials, {"s3": s3_server, **dict.fromkeys(services, sagemaker_server)})


@pytest.fixture(scope="session")
def a2i_connection(aws_credentials: AwsCredentials, desk_server: str) -> str:
    """The Airflow connection ``a2i_default`` as JSON: the Review Desk and nothing else."""
    services = ("sagemaker", "sagemaker-a2i-runtime")
    return connection(aws_credentials, dict.fromkeys(services, desk_server))


@pytest.fixture(scope="session")
def airflow_connections(aws_connection: str, a2i_connection: str) -> dict[str, str]:
    """Environment variables that give Airflow both connections."""
    return {"AIRFLOW_CONN_AWS_DEFAULT": aws_connection, "AIRFLOW_CONN_A2I_DEFAULT": a2i_connection}
