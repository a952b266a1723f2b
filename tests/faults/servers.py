"""S3, SageMaker and the Review Desk for one process of the harness, each of which may be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.faults.workers import TEAM, WORKER
from tests.support.aws import ACCOUNT_ID, REGION
from tests.support.servers import ROOT, S3_HEALTH, Server, free_port, s3_command

KEYS = ("AKIASECONDLOOKFAULT", "a secret of nobody")
ROLE_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/second-look"
IMAGE = f"{ACCOUNT_ID}.dkr.ecr.{REGION}.amazonaws.com/algorithm-of-the-faults:1"
_SERVICES = {
    "s3": ("s3", "sqs"),
    "sagemaker": ("sagemaker", "sagemaker-runtime", "logs"),
    "desk": ("sagemaker", "sagemaker-a2i-runtime"),
}


class Servers:
    """The three servers with their state in ``folder``.

    Each keeps its port and its state when it is killed and started again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._credentials = folder / "credentials.json"
        self._credentials.write_text(json.dumps(dict([KEYS])))
        self._ports = {name: free_port() for name in _SERVICES}
        self.urls = {name: f"http://127.0.0.1:{port}" for name, port in self._ports.items()}
        self._running: dict[str, Server] = {}
        for name in _SERVICES:
            self.start(name)
        self._add_worker()

    def start(self, name: str) -> None:
        """Start ``s3``, ``sagemaker`` or ``desk`` and wait until it answers."""
        command, environment, ready = getattr(self, f"_{name}")()
        server = Server(command, self.urls[name], self.folder / f"{name}.log", environment)
        self._running[name] = server.wait_ready(ready)

    def kill(self, name: str) -> None:
        """End a server as a power cut would."""
        self._running[name].kill()

    def restart(self, name: str) -> None:
        """Kill a server and start it again with what it had written down."""
        self.kill(name)
        self.start(name)

    def stop(self) -> None:
        """End all."""
        for server in self._running.values():
            server.stop()

    @cache  # noqa: B019  # as long as the servers live
    def client(self, service: str, *, desk: bool = False) -> Any:
        """A client without any fault, for looking at what the operators did."""
        name = next(name for name, services in _SERVICES.items() if service in services)
        return boto3.client(
            service,
            endpoint_url=self.urls["desk" if desk else name],
            region_name=REGION,
            aws_access_key_id=KEYS[0],
            aws_secret_access_key=KEYS[1],
            config=Config(retries={"mode": "standard", "max_attempts": 2}, read_timeout=70),
        )

    def calls(self, operation: str) -> int:
        """How often SageMaker was asked for an operation since it started."""
        with urllib.request.urlopen(f"{self.urls['sagemaker']}/_status", timeout=60) as answer:
            return int(json.load(answer)["operations"].get(operation, 0))

    def environment(self) -> dict[str, str]:
        """The Airflow connections to these servers."""
        return {
            "AIRFLOW_CONN_AWS_DEFAULT": self._connection("s3", "sagemaker"),
            "AIRFLOW_CONN_A2I_DEFAULT": self._connection("desk"),
        }

    def _connection(self, *names: str) -> str:
        config = {service: {"endpoint_url": self.urls[name]} for name in names for service in _SERVICES[name]}
        extra = {"region_name": REGION, "service_config": config}
        return json.dumps({"conn_type": "aws", "login": KEYS[0], "password": KEYS[1], "extra": extra})

    def _s3(self) -> tuple[list[str], dict[str, str], str]:
        return s3_command(self._ports["s3"], self.folder, self._credentials), {}, S3_HEALTH

    def _sagemaker(self) -> tuple[list[str], dict[str, str], str]:
        algorithms = self.folder / "algorithms.toml"
        # Without the site's packages it starts in a tenth of a second.
        command = [sys.executable, "-S", "-E", str(Path(__file__).with_name("algorithm.py"))]
        algorithms.write_text(
            f'[[algorithm]]\nimage = "*/algorithm-of-the-faults:*"\ncommand = {json.dumps(command)}\n'
            f"working_directory = {json.dumps(str(self.folder))}\n"
        )
        return self._program("local_sagemaker", "sagemaker", "--state-dir", str(self.folder / "sagemaker"),
                             "--algorithms", str(algorithms)), {}, "/_status"  # fmt: skip

    def _desk(self) -> tuple[list[str], dict[str, str], str]:
        return (
            self._program("review_desk", "desk", "--database", self._database, "--any-bucket"),
            {},
            "/healthz",
        )

    def _program(self, package: str, name: str, *arguments: str) -> list[str]:
        return [
            *(sys.executable, "-m", f"include.{package}", "serve", "--port", str(self._ports[name])),
            *("--s3-endpoint", self.urls["s3"], "--credentials", str(self._credentials)),
            *("--region", REGION, "--account-id", ACCOUNT_ID, *arguments),
        ]

    @property
    def _database(self) -> str:
        return f"sqlite:///{self.folder / 'desk.sqlite'}"

    def _add_worker(self) -> None:
        command = [sys.executable, "-m", "include.review_desk", "add-worker", "--database", self._database]
        subprocess.run(
            [*command, "--team", TEAM, "--name", WORKER[0], "--password-stdin"],
            input=WORKER[1],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            text=True,
            capture_output=True,
            timeout=60,
            check=True,
        )
