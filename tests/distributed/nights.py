"""Nights in which machines die: each kill is timed by what the services show, never by a clock."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from cluster import SERVING, WORKERS
from outside import Outside

from include.demo.dag_runs import DagRun, RunFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster import Cluster

NIGHT_SECONDS = 420.0
# Scoring takes seconds: looks have to be close.
LOOK_SECONDS = 0.03
SLOW_LOOK_SECONDS = 0.3
DAG_ID = "nightly_detection"
TRIGGERER = "airflow-triggerer"
STARTED = ("running", "deferred")


class MissedError(Exception):
    """A kill came too late or too early: the run says nothing about this case."""


@dataclass
class Kill:
    """One process killed: where it was, and how the task went on.

    `seconds_to_go_on` is None when the task did not need what was killed.
    """

    night: str
    moment: str
    killed: str
    saw: str
    tries: int = 0
    went_on_at: str = ""
    seconds_to_go_on: float | None = None
    # By map index, of the tasks that died with it.
    tries_before: dict[int, int] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """For the report."""
        return {name: value for name, value in asdict(self).items() if name != "tries_before"}


@dataclass
class Night:
    """One night's run, followed while something else is waited for."""

    cluster: Cluster
    outside: Outside
    night: str
    kills: list[Kill] = field(default_factory=list)

    def __post_init__(self) -> None:
        stack = self.cluster.stack
        self.run = DagRun(stack.airflow, DAG_ID, f"night {self.night}", stack.state.logs)
        self._told = 0.0
        self._deadline = time.monotonic() + NIGHT_SECONDS

    def start(self) -> None:
        """Trigger the run through the REST API."""
        self.run.start(f"{self.night}T02:00:00Z", {"night": self.night})

    def until_running(self, task_id: str) -> None:
        """Wait until a task runs: from then on looks have to be close."""
        self.until(f"{task_id} ran", lambda: self._runs(task_id), SLOW_LOOK_SECONDS)

    def until(self, what: str, reached: Callable[[], bool], look_seconds: float = LOOK_SECONDS) -> None:
        """Look until `reached()`; raises when the run fails, is over before, or takes too long."""
        while not reached():
            if self._poll():
                raise MissedError(f"{self.run.name} was over before {what}.")
            if time.monotonic() > self._deadline:
                raise RunFailed(f"{self.run.name}: no {what} within {NIGHT_SECONDS:.0f} s.")
            time.sleep(look_seconds)

    def finish(self) -> None:
        """Follow the run to its success."""
        while not self._poll():
            if time.monotonic() > self._deadline:
                raise RunFailed(f"{self.run.name} is not over after {NIGHT_SECONDS:.0f} s.")
            time.sleep(1)

    def tasks(self, task_id: str) -> dict[int, dict[str, Any]]:
        """The instances of a task by map index (-1: not mapped)."""
        found = self.cluster.stack.airflow.task_instances(DAG_ID, self.run.run_id)
        return {int(task["map_index"]): task for task in found if task["task_id"] == task_id}

    def state(self, task_id: str) -> str:
        """The state of a task that is not mapped, empty before it has one."""
        return str(self.tasks(task_id).get(-1, {}).get("state") or "")

    def _runs(self, task_id: str) -> bool:
        return any(task["state"] in STARTED for task in self.tasks(task_id).values())

    def kill_worker_of(self, task_id: str, moment: str, saw: Callable[[], str]) -> Kill:
        """Kill a worker that runs a task, with all its processes; the task must have been running."""
        before = self.tasks(task_id)
        worker = next((task["hostname"] for task in before.values() if task["state"] == "running"), "")
        if worker not in WORKERS:
            raise MissedError(f"{task_id} runs nowhere ({worker!r}): there is no worker to kill.")
        self.cluster.supervisor.kill(worker)
        after = self.tasks(task_id)
        tries = {
            index: int(task["try_number"])
            for index, task in after.items()
            if task["state"] == "running" and task["hostname"] == worker
        }
        if not tries:
            raise MissedError(f"{task_id} no longer ran at {worker} when it died.")
        kill = Kill(self.night, moment, worker, saw(), tries_before=tries)
        self._note(kill)
        return kill

    def goes_on(self, kill: Kill, task_id: str) -> None:
        """Wait until Airflow has given the task to the other worker, then bring the dead one back."""
        since = time.monotonic()

        def taken_over() -> bool:
            tasks = self.tasks(task_id)
            return all(
                tasks[index]["try_number"] > tries
                and tasks[index]["state"] in ("running", "deferred", "success")
                and tasks[index]["hostname"] != kill.killed
                for index, tries in kill.tries_before.items()
            )

        self.until(f"another try of {task_id}", taken_over, SLOW_LOOK_SECONDS)
        kill.seconds_to_go_on = round(time.monotonic() - since, 1)
        task = self.tasks(task_id)[min(kill.tries_before)]
        kill.tries, kill.went_on_at = int(task["try_number"]), str(task["hostname"])
        self._say(f"{task_id} went on at {kill.went_on_at} after {kill.seconds_to_go_on:.0f} s")
        self.cluster.start_worker(kill.killed)

    def kill_waiting(self, task_id: str, killed: str, moment: str, saw: str) -> Kill:
        """Kill a process while a task is deferred."""
        if self.state(task_id) != "deferred":
            raise MissedError(f"{task_id} is {self.state(task_id)}, not deferred.")
        self.cluster.supervisor.kill(killed)
        kill = Kill(self.night, moment, killed, saw)
        self._note(kill)
        return kill

    def _poll(self) -> bool:
        """Tell what changed, once a second; whether the run has succeeded."""
        self.cluster.supervisor.check()
        if time.monotonic() - self._told < 1:
            return False
        self._told = time.monotonic()
        return self.run.poll(self.cluster.stack.progress)

    def _note(self, kill: Kill) -> None:
        self.kills.append(kill)
        self._say(f"killed {kill.killed} {kill.moment}: {kill.saw}")

    def _say(self, text: str) -> None:
        self.cluster.stack.progress.say(f"{self.run.name} · {text}")


def scoring_night(cluster: Cluster, outside: Outside, night: str) -> Night:
    """The scoring worker dies between two parts; finished parts must stay as they are."""
    played = Night(cluster, outside, night)
    images = len(outside.images(night))
    played.start()
    played.until_running("score")
    played.until("the third part", lambda: len(outside.parts(night)) >= 3)
    before: dict[str, str] = {}

    def saw() -> str:
        before.update(outside.parts(night))
        return f"{outside.scored_count(night)} of {images} images, {len(before)} parts"

    kill = played.kill_worker_of("score", "in the middle of scoring", saw)
    if len(before) >= images // SERVING["part_size"]:
        raise MissedError("Everything was scored when the worker died.")
    played.goes_on(kill, "score")
    played.finish()
    after = outside.parts(night)
    changed = [key for key, version in before.items() if after.get(key) != version]
    if changed:
        raise RunFailed(f"Parts were scored again that had been finished: {', '.join(changed)}")
    return played


def launching_night(cluster: Cluster, outside: Outside, night: str) -> Night:
    """The launching worker dies between two loops; triggerer and a worker die while training is awaited."""
    played = Night(cluster, outside, night)
    known = outside.loop_names()
    played.start()
    played.until_running("launch")
    played.until("the third human loop", lambda: len(outside.loop_names() - known) >= 3)
    kill = played.kill_worker_of(
        "launch",
        "in the middle of launching",
        lambda: f"{len(outside.loop_names() - known)} of {outside.selected(night)} human loops started",
    )
    if len(outside.loop_names() - known) >= outside.selected(night):
        raise MissedError("Every human loop was started when the worker died.")
    played.goes_on(kill, "launch")
    jobs = outside.training_jobs()
    played.until(
        "the deferred training",
        lambda: played.state("train") == "deferred" and _trains(outside, jobs),
        SLOW_LOOK_SECONDS,
    )
    for killed in (TRIGGERER, WORKERS[0]):
        played.kill_waiting("train", killed, "while training is awaited, deferred", "1 training job runs")
    if not _trains(outside, jobs):
        raise MissedError("The training was over when the triggerer died.")
    cluster.start_triggerer()
    since = time.monotonic()
    played.until(
        "the end of the training wait",
        lambda: played.state("train") in ("success", "failed"),
        SLOW_LOOK_SECONDS,
    )
    triggerer, idle = played.kills[-2:]
    task = played.tasks("train")[-1]
    triggerer.seconds_to_go_on = round(time.monotonic() - since, 1)
    for kill in (triggerer, idle):
        kill.tries, kill.went_on_at = int(task["try_number"]), str(task["hostname"])
    cluster.start_worker(WORKERS[0])
    played.finish()
    return played


def holding_night(cluster: Cluster, outside: Outside, night: str) -> Night:
    """The worker dies that itself waits for the training (`deferrable=False`)."""
    played = Night(cluster, outside, night)
    jobs = outside.training_jobs()
    cluster.hold_worker.touch()
    played.start()
    played.until_running("train")
    played.until("the training", lambda: _trains(outside, jobs) and played.state("train") == "running")
    kill = played.kill_worker_of("train", "while it waits for training", lambda: "1 training job runs")
    if not _trains(outside, jobs):
        raise MissedError("The training was over when the worker died.")
    played.goes_on(kill, "train")
    played.finish()
    cluster.hold_worker.unlink()
    return played


def _trains(outside: Outside, known: dict[str, str]) -> bool:
    """Whether a job that was not known runs."""
    return any(
        status == "InProgress" for name, status in outside.training_jobs().items() if name not in known
    )
