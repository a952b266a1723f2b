"""`make up` as a user starts it, in a process of its own, and what a test asks of it from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from include.demo.airflow_api import AirflowApi, AirflowRefused
from include.demo.guard import descendants
from include.demo.state import REGION, Secrets, State

ROOT = Path(__file__).resolve().parents[2]
# What the command line of each service holds; it stands behind that of its guard.
MARKS = {
    "s3": "include.local_s3 serve",
    "sagemaker": "include.local_sagemaker serve",
    "desk": "include.review_desk serve",
    "reviewers": "include.demo.reviewers",
    "postgres": "bin/postgres -D",
    "airflow-api-server": "airflow api-server",
    "airflow-scheduler": "airflow scheduler",
    "airflow-dag-processor": "airflow dag-processor",
    "airflow-triggerer": "airflow triggerer",
}


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@dataclass
class Place:
    """One start of `make up` on a state folder."""

    folder: Path
    log: Path
    process: subprocess.Popen[bytes]
    begins: int
    _state: State | None = field(default=None)

    @classmethod
    def start(cls, folder: Path, log: Path, *options: str) -> Place:
        command = [
            sys.executable,
            "-m",
            "include.demo",
            "up",
            "--state",
            str(folder),
            "--seed",
            "7",
            *options,
        ]
        with log.open("ab") as output:
            begins = output.tell()
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        return cls(folder, log, process, begins)

    @property
    def state(self) -> State:
        """Addresses and secrets, read without opening the folder as a start does."""
        if self._state is None:
            known = json.loads((self.folder / "secrets.json").read_text())
            self._state = State(self.folder, Secrets(**known))
        return self._state

    @property
    def airflow(self) -> AirflowApi:
        return AirflowApi(self.state)

    def client(self, operations: str, service: str) -> Any:
        return boto3.session.Session().client(
            operations,
            endpoint_url=self.state.url(service),
            region_name=REGION,
            aws_access_key_id=self.state.secrets.access_key,
            aws_secret_access_key=self.state.secrets.secret_key,
        )

    def printed(self) -> str:
        with self.log.open("rb") as stream:
            stream.seek(self.begins)
            return stream.read().decode()

    def until(self, condition: Callable[[], Any], seconds: float = 400.0) -> Any:
        """The first true answer; while a service is away, asking may fail."""
        deadline = time.monotonic() + seconds
        problem: object = "not yet"
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if answer := condition():
                    return answer
            except (OSError, AirflowRefused, AssertionError) as error:
                problem = error
            time.sleep(0.1)
        raise AssertionError(f"waited in vain ({problem}); it printed:\n{self.printed()}")

    def until_printed(self, text: str, seconds: float = 400.0) -> None:
        self.until(lambda: text in self.printed(), seconds)

    def own_process(self, service: str) -> int:
        """The service's own process, which the guard started."""
        for pid in descendants(self.process.pid):
            with suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                if "guard.py" in command and MARKS[service] in command and descendants(pid):
                    return descendants(pid)[0]
        raise AssertionError(f"{service} does not run; it printed:\n{self.printed()}")

    def kill(self, service: str) -> float:
        """`kill -9`; returns when, once it was noticed."""
        pid = self.own_process(service)
        seen = self.printed().count(f"{service} was ended by SIGKILL")
        when = time.time()
        os.kill(pid, signal.SIGKILL)
        self.until(lambda: self.printed().count(f"{service} was ended by SIGKILL") > seen)
        return when

    def end(self) -> None:
        """Whatever happened, leave nothing running."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
