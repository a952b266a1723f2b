"""Start a DAG run and follow it to its end, telling each change of a task's state."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from include.demo.airflow_api import AirflowApi
    from include.demo.processes import Supervisor
    from include.demo.progress import Progress

POLL_SECONDS = 1.0
LOG_LINES = 30
# States worth a line. What a task passes through on its way (scheduled, queued) is not.
TOLD = {
    "running": "…",
    "deferred": "waits without a worker",
    "success": "done",
    "skipped": "skipped",
    "failed": "FAILED",
    "up_for_retry": "failed, will be tried again",
    "upstream_failed": "not run, because an earlier task failed",
}


class RunFailed(Exception):
    """A DAG run failed or took too long; the message names the task and ends with the tail of its log."""


@dataclass
class DagRun:
    """A run that is being followed; `name` is for progress lines, `counter` tells of a waiting task."""

    airflow: AirflowApi
    dag_id: str
    name: str
    logs: Path
    counter: Callable[[str], str | None] = field(default=lambda task_id: None)
    run_id: str = ""
    _seen: dict[str, str] = field(default_factory=dict)
    _since: dict[str, float] = field(default_factory=dict)

    def start(self, logical_date: str | None, conf: dict[str, Any]) -> None:
        """Trigger it."""
        self.run_id = self.airflow.trigger(self.dag_id, logical_date, conf)

    def poll(self, progress: Progress) -> bool:
        """Tell what changed; True when the run has succeeded. Raises `RunFailed` when it has failed."""
        tasks = self.airflow.task_states(self.dag_id, self.run_id)
        for task_id, task in sorted(tasks.items(), key=lambda item: str(item[1].get("start_date") or "~")):
            self._tell(progress, task_id, str(task["state"] or ""), task)
        state = self.airflow.run_state(self.dag_id, self.run_id)
        if state == "failed":
            raise RunFailed(self._failure(tasks))
        return state == "success"

    def _tell(self, progress: Progress, task_id: str, state: str, task: dict[str, Any]) -> None:
        waiting = self.counter(task_id) if state in ("running", "deferred") else None
        if self._seen.get(task_id) != state:
            self._seen[task_id] = state
            self._since[task_id] = time.monotonic()
            if state in TOLD:
                seconds = (
                    f" in {task['duration']:.0f} s" if state == "success" and task.get("duration") else ""
                )
                progress.say(f"{self.name} · {task_id} {TOLD[state]}{seconds}")
        elif waiting is not None:
            progress.count(f"{self.name} · {task_id}: {waiting}")
        elif state in ("running", "deferred") and (lasts := time.monotonic() - self._since[task_id]) >= 5:
            progress.count(f"{self.name} · {task_id}: {lasts:.0f} s so far")

    def _failure(self, tasks: dict[str, dict[str, Any]]) -> str:
        failed = [task_id for task_id, task in tasks.items() if task["state"] == "failed"]
        lines = [
            f"{self.name}: the run {self.run_id} of {self.dag_id} failed in {', '.join(failed) or 'no task'}."
        ]
        for task_id in failed:
            lines.append(task_log_tail(self.logs, self.dag_id, self.run_id, task_id))
        return "\n".join(lines)


def follow(runs: list[DagRun], progress: Progress, supervisor: Supervisor, timeout_seconds: float) -> None:
    """Poll all runs until each has succeeded.

    Raises `RunFailed` for the first that failed or when the time is over, and `ServiceFailed` when a process
    died.
    """
    deadline = time.monotonic() + timeout_seconds
    running = list(runs)
    while running:
        supervisor.check()
        # On a busy machine an answer may take too long: the next one tells as much.
        with suppress(OSError):
            running = [run for run in running if not run.poll(progress)]
        if running and time.monotonic() > deadline:
            raise RunFailed(
                f"{running[0].name}: the run {running[0].run_id} is not over after {timeout_seconds:.0f} s."
            )
        time.sleep(POLL_SECONDS)


def task_log_tail(logs: Path, dag_id: str, run_id: str, task_id: str) -> str:
    """The last lines of a task's newest log, each as the text of its event."""
    folder = logs / "tasks" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
    attempts = sorted(folder.rglob("attempt=*.log"), key=lambda path: path.stat().st_mtime)
    if not attempts:
        return f"  (no log of {task_id} in {folder})"
    lines: list[str] = []
    for line in attempts[-1].read_text(encoding="utf-8", errors="replace").splitlines():
        lines += _event_lines(line)
    return "\n".join([f"  last lines of {attempts[-1]}:", *(f"  | {line}" for line in lines[-LOG_LINES:])])


def _event_lines(line: str) -> list[str]:
    """The text of one structured log line: its event, and the error it carries."""
    try:
        record = json.loads(line)
    except ValueError:
        return [line]
    if not isinstance(record, dict):
        return [line]
    found = str(record.get("event", "")).splitlines()
    for error in record.get("error_detail") or ():
        found.append(f"{error.get('exc_type')}: {error.get('exc_value')}")
    return found
