"""Real servers for the load figures: S3, Review Desks and the bare framework, each a process of its own."""

from __future__ import annotations

import json
import os
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from include.demo.machine import LOOPBACK, clean_environment, free_ports
from include.demo.processes import Program, Supervisor
from include.review_desk.clock import system_clock
from include.review_desk.people.workers import add_worker
from include.review_desk.storage.opening import open_database

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = (ROOT / "plugins/secondlook/worker_template/bounding_box.liquid.html").read_text("utf-8")
REGION, ACCOUNT_ID, BUCKET = "us-east-1", "111122223333", "desk-load"
ACCESS_KEY, SECRET_KEY, PASSWORD = "AKIADESKLOAD", "not a secret", "a long password"
TEAM = "load"
START_SECONDS = 60.0
STARTERS = 4


@dataclass(frozen=True)
class LoadedDesk:
    """One Review Desk on a database of its own, with a flow definition to start loops of."""

    url: str
    database_url: str
    flow_arn: str
    pid: int

    def client(self) -> Any:
        """boto3's A2I client for this desk."""
        return _client("sagemaker-a2i-runtime", self.url)

    def add_reviewers(self, count: int) -> list[str]:
        """Make accounts; returns their names."""
        names = [f"reviewer-{number:02}" for number in range(count)]
        database = open_database(self.database_url)
        for name in names:
            add_worker(database, system_clock(), team=TEAM, name=name, password=PASSWORD)
        database.close()
        return names

    def start_loops(self, prefix: str, count: int) -> None:
        """Start human loops as a DAG does, through boto3 on a few threads."""
        local = threading.local()

        def start(number: int) -> None:
            if not hasattr(local, "client"):
                local.client = self.client()
            local.client.start_human_loop(
                HumanLoopName=f"{prefix}-{number}",
                FlowDefinitionArn=self.flow_arn,
                HumanLoopInput={"InputContent": _input_content(number)},
            )

        with ThreadPoolExecutor(STARTERS) as pool:
            list(pool.map(start, range(count)))

    def resident_mib(self) -> float:
        """Resident memory of the desk's process in MiB (Linux, /proc)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError(f"The process {self.pid} has no VmRSS: it has ended.")

    def processor_seconds(self) -> float:
        """Processor time that the desk's own process has used (Linux, /proc)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class LoadSite:
    """Starts the servers of one measurement."""

    folder: Path
    supervisor: Supervisor

    def start_s3(self) -> None:
        """S3 on this machine, with one bucket."""
        (port,) = free_ports(1)
        self.s3_url = f"http://{LOOPBACK}:{port}"
        command = [
            *(sys.executable, "-m", "include.local_s3", "serve", "--port", str(port)),
            *("--state-dir", str(self.folder / "s3"), "--credentials", str(self._credentials())),
        ]
        self._start(Program("s3", command, clean_environment(ROOT), ROOT), f"{self.s3_url}/_ministack/health")
        _client("s3", self.s3_url).create_bucket(Bucket=BUCKET)

    def _credentials(self) -> Path:
        file = self.folder / "credentials.json"
        file.write_text(json.dumps({ACCESS_KEY: SECRET_KEY}))
        return file

    def start_bare(self) -> str:
        """The bare framework; returns the URL of its empty request."""
        (port,) = free_ports(1)
        command = [sys.executable, str(ROOT / "tests/benchmarks/empty_server.py"), str(port)]
        url = f"http://{LOOPBACK}:{port}"
        self._start(Program("bare", command, clean_environment(ROOT), ROOT), url)
        return f"{url}/empty"

    def start_desk(self, name: str) -> LoadedDesk:
        """A Review Desk with a team, a worker template and a flow definition."""
        (port,) = free_ports(1)
        url = f"http://{LOOPBACK}:{port}"
        database_url = f"sqlite:///{self.folder / name}.db"
        command = [
            *(sys.executable, "-m", "include.review_desk", "serve", "--port", str(port)),
            *("--database", database_url, "--credentials", str(self._credentials())),
            *("--s3-endpoint", self.s3_url, "--log-level", "warning", "--bucket", BUCKET),
        ]
        self._start(Program(name, command, clean_environment(ROOT), ROOT), f"{url}/healthz")
        return LoadedDesk(url, database_url, _create_flow(url), _listener(port))

    def _start(self, program: Program, ready_url: str) -> None:
        self.supervisor.start(program)
        self.supervisor.wait_until(program.name, lambda: _answers(ready_url), START_SECONDS)


@contextmanager
def load_site(folder: Path) -> Iterator[LoadSite]:
    """A site with its S3 running; everything ends with the context."""
    with Supervisor(folder / "logs") as supervisor:
        site = LoadSite(folder, supervisor)
        site.start_s3()
        yield site


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500


def _client(service: str, url: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(retries={"total_max_attempts": 1}),
    )


def _create_flow(url: str) -> str:
    sagemaker = _client("sagemaker", url)
    members = [{"OidcMemberDefinition": {"Groups": [TEAM]}}]
    team = sagemaker.create_workteam(WorkteamName=TEAM, Description="Load", MemberDefinitions=members)
    ui = sagemaker.create_human_task_ui(HumanTaskUiName="load", UiTemplate={"Content": TEMPLATE})
    flow = sagemaker.create_flow_definition(
        FlowDefinitionName="load",
        RoleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/load",
        HumanLoopConfig={
            "WorkteamArn": team["WorkteamArn"],
            "HumanTaskUiArn": ui["HumanTaskUiArn"],
            "TaskTitle": "Check the boxes",
            "TaskDescription": "Correct, add or remove boxes.",
            "TaskCount": 1,
        },
        OutputConfig={"S3OutputPath": f"s3://{BUCKET}/reviews"},
    )
    return str(flow["FlowDefinitionArn"])


def _input_content(number: int) -> str:
    boxes = [
        {"left": 10 * side, "top": 5 * side, "width": 30, "height": 40, "label": "RBC"} for side in range(12)
    ]
    content = {
        "taskObject": f"s3://{BUCKET}/images/{number:06}.jpg",
        "labels": ["RBC", "WBC", "Platelets"],
        "initialValue": boxes,
    }
    return json.dumps(content, sort_keys=True)


def _listener(port: int) -> int:
    """The process that listens on a loopback port (Linux, /proc)."""
    wanted = f":{port:04X}"
    inodes = {
        fields[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if (fields := line.split())[1].endswith(wanted) and fields[3] == "0A"
    }
    for handle in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            target = handle.readlink().name
        except OSError:
            continue
        if target.startswith("socket:[") and target[8:-1] in inodes:
            return int(handle.parts[2])
    raise RuntimeError(f"Nobody listens on port {port}.")
