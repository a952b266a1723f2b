"""What the demo asks of Airflow's REST API (v2)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from include.demo.airflow_programs import ADMIN, COMPONENTS
from include.demo.http_json import JsonClient

if TYPE_CHECKING:
    from pathlib import Path

    from include.demo.state import State

HEALTH_KEYS = ("metadatabase", *(name.replace("-", "_") for name in COMPONENTS if name != "api-server"))
IDLE_RETRIES = 3
PAGE = 100
ACTIVE = ("scheduled", "queued", "running", "deferred", "up_for_retry", "up_for_reschedule")


class AirflowRefused(Exception):
    """Airflow's API answered with an error; the message names the request and the answer."""


class AirflowApi:
    """One logged-in client."""

    def __init__(self, state: State) -> None:
        self._client = JsonClient(state.url("airflow"), timeout_seconds=60)
        self._password = state.secrets.admin_password

    def is_healthy(self) -> bool:
        """Whether every component is healthy; raises `OSError` while Airflow is not listening."""
        status, health = self._client.call("GET", "/api/v2/monitor/health")
        return status == 200 and all(health.get(key, {}).get("status") == "healthy" for key in HEALTH_KEYS)

    def import_errors(self) -> list[str]:
        """The reasons why DAG files could not be parsed."""
        found = self._must("GET", "/api/v2/importErrors")["import_errors"]
        return [f"{error['filename']}: {error['stack_trace']}" for error in found]

    def knows(self, dag_ids: tuple[str, ...]) -> bool:
        """Whether all these DAGs are parsed."""
        listed = {dag["dag_id"] for dag in self._must("GET", "/api/v2/dags?limit=100")["dags"]}
        return set(dag_ids) <= listed

    def create_pools(self, file: Path) -> None:
        """Create the pools of a file for `airflow pools import`; one that exists stays as it is."""
        for name, pool in json.loads(file.read_text(encoding="utf-8")).items():
            self._must("POST", "/api/v2/pools", {"name": name, **pool}, also=(409,))

    def unpause(self, dag_id: str) -> None:
        """Let a DAG's runs start."""
        self._must("PATCH", f"/api/v2/dags/{dag_id}?update_mask=is_paused", {"is_paused": False})

    def trigger(self, dag_id: str, logical_date: str | None, conf: dict[str, Any]) -> str:
        """Start a run and return its id."""
        body = {"logical_date": logical_date, "conf": conf}
        return str(self._must("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def latest_run(self, dag_id: str) -> tuple[str, str] | None:
        """Run id and state of the run that was made last, or None."""
        runs = self._must("GET", f"/api/v2/dags/{dag_id}/dagRuns?order_by=-id&limit=1")["dag_runs"]
        return (str(runs[0]["dag_run_id"]), str(runs[0]["state"])) if runs else None

    def run_state(self, dag_id: str, run_id: str) -> str:
        """`queued`, `running`, `success` or `failed`."""
        return str(self._must("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def task_states(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        """The task instances of a run by task id, in no particular order."""
        return {task["task_id"]: task for task in self.task_instances(dag_id, run_id)}

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run, those of mapped tasks one by one."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=100"
        return list(self._must("GET", path)["task_instances"])

    def backfill_runs(self, dag_id: str) -> dict[str, str]:
        """The state of each run that belongs to a backfill, by run id."""
        runs = self._all(f"/api/v2/dags/{dag_id}/dagRuns?run_type=backfill", "dag_runs")
        return {run["dag_run_id"]: str(run["state"]) for run in runs}

    def has_open_backfill(self, dag_id: str) -> bool:
        """Whether Airflow counts a backfill as running; it notices the end of one some time later."""
        found = self._all(f"/api/v2/backfills?dag_id={dag_id}", "backfills")
        return any(backfill["completed_at"] is None for backfill in found)

    def active_tasks(self, dag_id: str) -> list[tuple[str, str, str]]:
        """(run id, task id, state) of everything that is on its way, in a stable order."""
        query = "&".join(f"state={state}" for state in ACTIVE)
        tasks = self._all(f"/api/v2/dags/{dag_id}/dagRuns/~/taskInstances?{query}", "task_instances")
        return sorted((task["dag_run_id"], task["task_id"], str(task["state"])) for task in tasks)

    def _all(self, path: str, member: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            page = self._must("GET", f"{path}&order_by=id&limit={PAGE}&offset={len(found)}")
            found += page[member]
            if not page[member] or len(found) >= page["total_entries"]:
                return found

    def _log_in(self) -> None:
        credentials = {"username": ADMIN, "password": self._password}
        status, reply = self._client.call("POST", "/auth/token", credentials)
        if status not in (200, 201):
            raise AirflowRefused(f"Airflow did not let {ADMIN} in: {status} {reply}")
        self._client.headers["Authorization"] = f"Bearer {reply['access_token']}"

    def _must(self, method: str, path: str, body: object = None, also: tuple[int, ...] = ()) -> Any:
        for _ in range(IDLE_RETRIES):
            if "Authorization" not in self._client.headers:
                self._log_in()
            status, reply = self._client.call(method, path, body)
            if status == 401:
                del self._client.headers["Authorization"]
            # SQLite has one writer: a reader may be told to come again.
            elif status != 503 and not (status == 500 and method == "GET"):
                break
        if status >= 400 and status not in also:
            raise AirflowRefused(f"Airflow refused {method} {path}: {status} {reply}")
        return reply
