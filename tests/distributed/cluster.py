"""Airflow on CeleryExecutor with PostgreSQL and Redis, two workers to be killed, and the demo's stand-ins."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from servers import Servers, servers

from include.demo.airflow_programs import ADMIN, celery_worker_program, component_program
from include.demo.demo_settings import Schedule, demo_settings, write_settings
from include.demo.deployment import Deployment
from include.demo.drawn import DrawnSizes
from include.demo.machine import clean_environment
from include.demo.processes import Supervisor
from include.demo.services import START_SECONDS, s3_client
from include.demo.stack import Stack
from include.demo.state import REGION, ROOT, open_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from include.demo.progress import Progress

HERE = Path(__file__).resolve().parent
SIZES = DrawnSizes(bootstrap=48, night=60, holdout=25)
SCHEDULE = Schedule(
    image_shape=128,
    bootstrap_epochs=6,
    incremental_epochs=20,
    review_limit=24,
    replay_ratio=1.0,
    min_new_answers=10,
)
# Two shards, so slow and in so small parts that there is a middle to be killed in; long enough trainings.
SERVING = {"part_size": 5, "shard_size": 30, "concurrency": 1}
LOOPS_PER_SECOND = 6
AUTH_MANAGER = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
HOLD_WORKER = "hold-worker"
WORKERS = ("worker-1", "worker-2")
SLOTS = 4
# Dead workers and triggerers are noticed in seconds, not minutes; the rest is as in include/deploy.
OPTIONS: dict[str, dict[str, str]] = {
    "core": {"executor": "CeleryExecutor", "parallelism": "8", "auth_manager": AUTH_MANAGER},
    "celery": {"worker_concurrency": str(SLOTS), "sync_parallelism": "1"},
    "scheduler": {
        "task_instance_heartbeat_timeout": "15",
        "task_instance_heartbeat_timeout_detection_interval": "2",
        "task_queued_timeout": "60",
        "task_queued_timeout_check_interval": "5",
    },
    # So short that Redis hands a dead worker's messages out again while the nights still run.
    "celery_broker_transport_options": {"visibility_timeout": "30"},
    "workers": {"min_heartbeat_interval": "2"},
    "triggerer": {"job_heartbeat_sec": "2", "triggerer_health_check_threshold": "10"},
}


@dataclass(frozen=True)
class Cluster:
    """Running services. `hold_worker`: while this file exists, `train` waits in its worker."""

    stack: Stack
    nights: tuple[str, ...]
    hold_worker: Path

    @property
    def supervisor(self) -> Supervisor:
        """Of all processes but PostgreSQL."""
        return self.stack.supervisor

    def start_worker(self, name: str) -> None:
        """Start a Celery worker; a killed one comes back."""
        self.supervisor.start(celery_worker_program(self.stack.state, name, SLOTS))

    def start_triggerer(self) -> None:
        """Start the triggerer after it was killed."""
        self.supervisor.start(component_program(self.stack.state, "triggerer"))

    def messages_twice(self) -> int:
        """How many of Celery's messages have reached a worker more than once."""
        received: Counter[str] = Counter()
        for worker in WORKERS:
            log = (self.stack.state.logs / f"{worker}.log").read_text("utf-8", "replace")
            received.update(re.findall(r"Task execute_workload\[([0-9a-f-]+)\] received", log))
        return sum(count > 1 for count in received.values())

    def s3(self) -> Any:
        """A boto3 client of the local S3."""
        return s3_client(self.stack.state)

    def client(self, operations: str, service: str) -> Any:
        """A boto3 client of the stand-in (`service`) for some of AWS's operations."""
        secrets = self.stack.state.secrets
        return boto3.session.Session().client(
            operations,
            endpoint_url=self.stack.state.url(service),
            region_name=REGION,
            aws_access_key_id=secrets.access_key,
            aws_secret_access_key=secrets.secret_key,
        )


@contextmanager
def cluster(folder: Path, progress: Progress, seed: int) -> Iterator[Cluster]:
    """Everything started; all of it ends with the context."""
    progress.say("starting PostgreSQL and Redis")
    with servers(folder / "servers") as backing:
        state = open_state(folder)
        state = replace(state, deployment=_deployment(backing, folder, state.secrets.admin_password))
        with Supervisor(state.logs) as supervisor:
            supervisor.start(backing.redis_program)
            supervisor.wait_until("redis", backing.broker_answers, START_SECONDS)
            stack = Stack(state, supervisor, progress, sizes=SIZES)
            archive = stack.start(seed, None)
            settings = demo_settings(archive.labels, SCHEDULE)
            settings["serving"] |= SERVING
            settings["review"]["loops_per_second"] = LOOPS_PER_SECOND
            settings["training"]["control_arm"] = False
            write_settings(state.settings_file, settings)
            running = Cluster(stack, archive.nights, folder / HOLD_WORKER)
            for name in WORKERS:
                running.start_worker(name)
            stack.start_reviewers(seed)
            yield running


def _deployment(backing: Servers, folder: Path, password: str) -> Deployment:
    options: dict[str, Mapping[str, str]] = {
        **OPTIONS,
        "database": {"sql_alchemy_conn": backing.airflow_database},
        "celery": {**OPTIONS["celery"], "broker_url": backing.broker},
    }
    path = clean_environment(ROOT)["PYTHONPATH"]
    return Deployment(
        airflow_options=options,
        airflow_environment={
            "PYTHONPATH": f"{path}:{HERE / 'airflow_config'}",
            "SECONDLOOK_TEST_HOLD_WORKER": str(folder / HOLD_WORKER),
            "AIRFLOW_ADMIN_NAME": ADMIN,
            "AIRFLOW_ADMIN_EMAIL": "admin@example.org",
            "AIRFLOW_ADMIN_PASSWORD": password,
        },
        initialise=("bash", str(ROOT / "include" / "deploy" / "initialise.sh")),
        desk_database=backing.desk_database,
    )
