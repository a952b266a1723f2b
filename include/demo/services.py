"""The commands of the stand-ins: S3, SageMaker, the Review Desk and its simulated reviewers."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from include.demo.http_json import JsonClient
from include.demo.machine import clean_environment
from include.demo.processes import Program, ServiceFailed
from include.demo.state import ACCOUNT_ID, BUCKET, REGION, REVIEWERS, ROLE_ARN, ROOT, TEAM

if TYPE_CHECKING:
    from pathlib import Path

    from include.demo.state import State

START_SECONDS = 240.0
_DESK_DATABASE = "desk.db"


def s3_program(state: State) -> Program:
    """S3, with its objects as plain files below the state folder."""
    command = [
        *(sys.executable, "-m", "include.local_s3", "serve"),
        *("--port", str(state.secrets.ports["s3"])),
        *("--state-dir", str(state.folder / "s3")),
        *("--credentials", str(_credentials_file(state))),
        *("--bucket", BUCKET),
        *("--page-origin", state.url("desk")),
    ]
    return Program("s3", command, clean_environment(ROOT), ROOT, stops_last=True)


def sagemaker_program(state: State) -> Program:
    """SageMaker on this machine, with this project's detector as the Object Detection algorithm."""
    algorithms = state.folder / "algorithms.toml"
    python = ROOT / "build" / "venv-detector" / "bin" / "python"
    algorithms.write_text(
        "[[algorithm]]\n"
        'image = "*/object-detection:*"\n'
        f"command = {json.dumps([str(python), '-m', 'include.detector'])}\n"
        f"working_directory = {json.dumps(str(ROOT))}\n",
        encoding="utf-8",
    )
    return _service(
        state,
        "sagemaker",
        "include.local_sagemaker",
        *("--state-dir", str(state.folder / "sagemaker")),
        *("--algorithms", str(algorithms)),
        *("--role-arn", ROLE_ARN),
    )


def desk_program(state: State) -> Program:
    """The Review Desk."""
    return _service(
        state,
        "desk",
        "include.review_desk",
        *("--public-url", state.url("desk")),
        *("--bucket", BUCKET),
        # Long enough to take an answer back, short enough not to hold up the night.
        *("--correction-seconds", "10"),
        environment=_desk_environment(state),
    )


def reviewers_program(state: State, seed: int, *options: str) -> Program:
    """The simulated reviewers; `options` are further ones of their command line."""
    team = {name: state.secrets.reviewers[name] for name in REVIEWERS}
    command = [
        *(sys.executable, "-m", "include.demo.reviewers"),
        *("--desk", state.url("desk")),
        *("--team", str(state.write_private("team.json", team))),
        *("--truth", str(state.truth_file)),
        *("--tally", str(state.tally_file)),
        *("--sessions", str(state.sessions_file)),
        *("--seed", str(seed)),
        *options,
    ]
    return Program("reviewers", command, clean_environment(ROOT), ROOT)


def add_workers(state: State, names: tuple[str, ...]) -> None:
    """Give people a log-in at the Review Desk; raises `ServiceFailed` when it refuses."""
    for name in names:
        _desk_command(
            state,
            *("add-worker", "--team", TEAM, "--name", name, "--password-stdin"),
            password=state.secrets.reviewers[name],
        )


def give_airflow_access(state: State) -> None:
    """Make Airflow's access key for the Review Desk, unless an earlier start has; raises `ServiceFailed`.

    It may do what the DAGs do, for this team and this bucket only.
    """
    # The Desk lists no keys of a database that is not there: at the first start, and after its loss.
    has_database = state.deployment.desk_database is not None or (state.folder / _DESK_DATABASE).exists()
    if has_database and state.desk_access_file.exists():
        key_id, _ = desk_access(state)
        if f"{key_id}\t" in _desk_command(state, "list-keys"):
            return
    made = _desk_command(
        state,
        *("create-key", "--client", "airflow", "--operations", "admin"),
        *("--team", TEAM, "--bucket", BUCKET),
    )
    state.write_private("desk-access.json", [line.partition("=")[2] for line in made.splitlines()])


def desk_access(state: State) -> tuple[str, str]:
    """Airflow's access key id and secret for the Review Desk; empty before `give_airflow_access`."""
    if not state.desk_access_file.exists():
        return "", ""
    key_id, secret = json.loads(state.desk_access_file.read_text(encoding="utf-8"))
    return key_id, secret


def _desk_command(state: State, *arguments: str, password: str | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "include.review_desk", *arguments],
        input=password,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=_desk_environment(state),
        check=False,
    )
    if done.returncode:
        raise ServiceFailed(f"The Review Desk's {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


def is_ready(state: State, service: str, path: str) -> bool:
    """Whether a service answers 200; raises `OSError` while it is not listening."""
    status, _ = JsonClient(state.url(service), timeout_seconds=5).call("GET", path)
    return status == 200


def s3_client(state: State) -> Any:
    """A plain boto3 client for the local S3."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=state.url("s3"),
        region_name=REGION,
        aws_access_key_id=state.secrets.access_key,
        aws_secret_access_key=state.secrets.secret_key,
        config=Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=16),
    )


def s3_is_ready(state: State) -> bool:
    """Whether the local S3 answers and has the demo's bucket, which it creates at its start."""
    try:
        s3_client(state).head_bucket(Bucket=BUCKET)
    except (BotoCoreError, ClientError):
        return False
    return True


def _service(
    state: State, name: str, module: str, *options: str, environment: dict[str, str] | None = None
) -> Program:
    command = [
        *(sys.executable, "-m", module, "serve"),
        *("--port", str(state.secrets.ports[name])),
        *("--s3-endpoint", state.url("s3")),
        *("--credentials", str(_credentials_file(state))),
        *("--region", REGION),
        *("--account-id", ACCOUNT_ID),
        *options,
    ]
    return Program(name, command, environment or clean_environment(ROOT), ROOT)


def _credentials_file(state: State) -> Path:
    return state.write_private("credentials.json", {state.secrets.access_key: state.secrets.secret_key})


def _desk_environment(state: State) -> dict[str, str]:
    database = state.folder / _DESK_DATABASE
    return clean_environment(ROOT) | {
        # Not on the command line, which everybody on the machine can read: a URL may hold a password.
        "DESK_DATABASE": state.deployment.desk_database or f"sqlite:///{database}",
        "DESK_SECRET_KEY_FILE": f"{database}.key",
    }
