"""Airflow as it is deployed: API server, scheduler, DAG processor and triggerer over PostgreSQL."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from include.demo.airflow_api import AirflowApi
from include.demo.airflow_programs import (
    READY_SECONDS,
    airflow_command,
    airflow_environment,
    airflow_programs,
    migrate_program,
)
from include.demo.dag_runs import task_log_tail
from include.demo.demo_settings import POOLS_FILE
from include.demo.deployment import Deployment
from include.demo.processes import Supervisor
from include.demo.state import State, open_state
from tests.support.postgres import PostgresServer, postgres_binaries
from tests.support.servers import ROOT, free_port

DAG_ID = "nightly_detection"
ENDED = {"success", "failed"}
DEADLINE_SECONDS = 240.0


class Api(AirflowApi):
    """The demo's client, and what only tests ask."""

    def trigger_with(self, **body: Any) -> tuple[int, Any]:
        """Ask for a run as any client may; returns status and answer."""
        self.import_errors()  # logs in
        return self._client.call("POST", f"/api/v2/dags/{DAG_ID}/dagRuns", body)

    def backfill(self, first: str, last: str, conf: dict[str, Any]) -> int:
        """Start a backfill of the nights from ``first`` to ``last``; returns its id."""
        body = {
            "dag_id": DAG_ID,
            "from_date": f"{first}T00:00:00Z",
            "to_date": f"{last}T23:59:00Z",
            "dag_run_conf": conf,
            "max_active_runs": 4,
        }
        return int(self._must("POST", "/api/v2/backfills", body)["id"])

    def close_backfill(self, number: int) -> None:
        """End a backfill whose runs have ended before Airflow looks at it, so that the next may begin."""
        self._must("PUT", f"/api/v2/backfills/{number}/cancel", also=(409,))


@dataclass
class RealAirflow:
    """A running Airflow."""

    state: State
    api: Api

    def start(self, **conf: Any) -> str:
        """Trigger a run without a date; returns its id."""
        return self.api.trigger(DAG_ID, None, conf)

    def until(self, run_id: str, *tasks: str, state: str = "") -> dict[str, dict[str, Any]]:
        """Wait until the run has ended, or these tasks are in a state; returns its tasks by id."""

        def reached() -> dict[str, dict[str, Any]] | None:
            found = self.api.task_states(DAG_ID, run_id)
            if tasks and all(found[task]["state"] == state for task in tasks):
                return found
            return found if self.api.run_state(DAG_ID, run_id) in ENDED else None

        return wait_for(reached)

    def night_of(self, run_id: str) -> str:
        """Return the night that a run was about which found no images."""
        tasks = self.until(run_id)
        night = str(tasks["plan"]["rendered_fields"]["night"])
        # In a backfill it is skipped, else it fails.
        assert tasks["plan"]["state"] == "skipped" or f"/images/{night}/" in self.log(run_id)
        return night

    def log(self, run_id: str, task_id: str = "plan") -> str:
        """Return the last lines of a task's log, on one line."""
        return " ".join(task_log_tail(self.state.logs, DAG_ID, run_id, task_id).split())

    def refusal(self, run_id: str) -> str:
        """Return why a run's plan failed; nothing else of the run may have begun."""
        tasks = self.until(run_id)
        others = {task["state"] for name, task in tasks.items() if name != "plan"}
        assert (tasks["plan"]["state"], others) == ("failed", {"upstream_failed"}), self.log(run_id)
        assert tasks["plan"]["try_number"] == 1
        return self.log(run_id)

    def command(self, *arguments: str) -> None:
        """Run an `airflow` command as somebody at the terminal would."""
        done = subprocess.run(
            [airflow_command(), *arguments],
            env=airflow_environment(self.state),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def wait_for(look: Callable[[], Any]) -> Any:
    """Return the first true value of ``look``; fail at the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (value := look()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.3)
    return value


@contextmanager
def real_airflow(folder: Path, environment: Mapping[str, str]) -> Iterator[RealAirflow]:
    """Start all four processes; ``environment`` has settings and connections of the deployment."""
    postgres = PostgresServer(postgres_binaries(), free_port())
    try:
        postgres.start()
        deployment = Deployment(
            airflow_options={
                "database": {"sql_alchemy_conn": postgres.create_database()},
                # The night may begin as soon as it is asked for.
                "scheduler": {"use_job_schedule": "False", "scheduler_heartbeat_sec": "1"},
            },
            airflow_environment=environment,
        )
        state = replace(open_state(folder), deployment=deployment)
        with Supervisor(state.logs) as supervisor:
            supervisor.run(migrate_program(state), READY_SECONDS)
            for program in airflow_programs(state):
                supervisor.start(program)
            api = Api(state)
            supervisor.wait_until("airflow-api-server", api.is_healthy, READY_SECONDS)
            api.create_pools(POOLS_FILE)
            supervisor.wait_until("airflow-dag-processor", lambda: api.knows((DAG_ID,)), READY_SECONDS)
            api.unpause(DAG_ID)
            yield RealAirflow(state, api)
    finally:
        postgres.remove()
