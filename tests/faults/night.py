"""A night without a scheduler: the real DAG, task by task, each try in a process of its own.

:class:`Night` does what Airflow's scheduler and API server do for one run, as far as operators can tell:
trigger rules, skips, mapped tasks, XComs (gone at a fresh try), task state (kept), retries by the task's
retry policy, deferral, clear and mark failed. There are no delays between tries.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from datetime import UTC, datetime
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from tests.faults.dags import load_dag
from tests.faults.instance import FINISHED, Instance, Process, upstream_state, worst
from tests.faults.process import USER_ENDED_IT, Line, Order, start
from tests.faults.supervisor import Supervisor
from tests.faults.together import together
from tests.faults.warm import import_early

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.deployment import Deployment

SECONDS_TO_DIE = 3.0
"""What a running task that is cleared gets after SIGTERM, before SIGKILL."""


class Night:
    """One run of a DAG over a deployment.

    :param deployment: its settings, connections and reviewer.
    :param run_id: identity of the run.
    :param conf: parameters of the run.
    :param run_type: ``manual``, ``scheduled`` or ``backfill``.
    :param overrides: task id -> attributes of the task to set.
    :param instrument: called in every new process, before the task or trigger runs.
    :param on_tell: called with (instance, step, kind, value) for whatever ``instrument`` tells.
    :param when_deferred: task id -> what to do when it has deferred; by default the reviewer answers
        when ``await_reviews`` waits.
    :param answers: task id -> what a person chooses when the task asks for it; None: nobody answers in time.
    """

    def __init__(
        self,
        deployment: Deployment,
        *,
        dag_id: str = "nightly_detection",
        run_id: str = "manual__1",
        conf: dict[str, Any] | None = None,
        run_type: str = "manual",
        night: str = "2026-11-20",
        overrides: dict[str, dict[str, Any]] | None = None,
        instrument: Callable[[Order, Line], None] | None = None,
        on_tell: Callable[[Instance, str, str, Any], None] | None = None,
        when_deferred: dict[str, Callable[[], Any]] | None = None,
        answers: dict[str, str | None] | None = None,
    ) -> None:
        self.deployment = deployment
        self.dag = load_dag(dag_id)
        self.run_id = run_id
        self.overrides = overrides or {}
        self.instrument = instrument
        self.on_tell = on_tell
        self.when_deferred = {"await_reviews": deployment.answer} if when_deferred is None else when_deferred
        self.answers = answers or {}
        self.log = deployment.folder / f"{dag_id}-{run_id}.log"
        self.supervisor = Supervisor()
        self.instances: dict[tuple[str, int], Instance] = {}
        self.history: list[str] = []
        """What happened, one line each, for messages."""
        moment = datetime.fromisoformat(night).replace(tzinfo=UTC)
        self._dag_run = {
            "dag_id": self.dag.dag_id,
            "run_id": run_id,
            "logical_date": moment,
            "data_interval_start": moment,
            "data_interval_end": moment,
            "run_after": moment,
            "start_date": moment,
            "end_date": None,
            "run_type": run_type,
            "state": "running",
            "conf": conf or {},
            "consumed_asset_events": [],
            "partition_key": None,
        }

    # The run as a whole.

    def run(self, until: Callable[[Night], bool] | None = None, seconds: float = 240.0) -> dict[str, str]:
        """Run to the end, or until ``until`` holds; returns the states by task. Raises StuckError."""
        together([self], until=until, seconds=seconds)
        return self.states()

    def states(self) -> dict[str, str]:
        """State of every task (of a mapped task, the worst of its instances)."""
        return {task.task_id: self._state_of(task.task_id) for task in self.dag.topological_sort()}

    @property
    def done(self) -> bool:
        """Whether nothing more will happen."""
        return all(self._state_of(task.task_id) in FINISHED for task in self.dag.tasks)

    @property
    def succeeded(self) -> bool:
        """Whether it is done and nothing failed."""
        return self.done and not {"failed", "upstream_failed"} & set(self.states().values())

    def instance(self, task_id: str, map_index: int = -1) -> Instance:
        """The task instance; KeyError before its turn."""
        return self.instances[task_id, map_index]

    # What a person may do.

    def clear(self, task_id: str) -> None:
        """Clear a task and all behind it: it runs again, with as many retries as at first."""
        behind = {task.task_id for task in self.dag.get_task(task_id).get_flat_relatives(upstream=False)}
        for key in [key for key in self.instances if key[0] in {task_id, *behind}]:
            instance = self.instances[key]
            self._end_by_user(instance)
            retries = int(self.dag.get_task(key[0]).retries or 0)
            instance.max_tries = instance.try_number + retries
            instance.state, instance.next_method, instance.next_kwargs = "none", None, None
            self.supervisor.forget_skips(key[0])
        self.history.append(f"{task_id} cleared")

    def mark_failed(self, task_id: str) -> None:
        """Mark a running or deferred task failed."""
        for instance in self.instances.values():
            if instance.task_id == task_id and instance.state not in FINISHED:
                self._end_by_user(instance)
                instance.state = "failed"
        self.history.append(f"{task_id} marked failed")

    def kill(self, task_id: str) -> None:
        """SIGKILL to whatever process works for a task."""
        for instance in self.instances.values():
            if instance.task_id == task_id and instance.process is not None:
                os.kill(instance.process.pid, signal.SIGKILL)

    def stop(self) -> None:
        """End all processes of this run."""
        for instance in self.instances.values():
            self._reap(instance, signal.SIGKILL)

    # The scheduler's part.

    def schedule(self) -> None:
        """Start whatever is ready."""
        for task in self.dag.topological_sort():
            for instance in self._instances_of(task):
                if instance.state in {"none", "up_for_retry"} and self._ready(task, instance):
                    instance.try_number += 1
                    self._start(instance, "execute")
                elif instance.state == "deferred" and instance.process is None:
                    self._start(instance, "trigger")
                elif instance.state == "scheduled":
                    self._start(instance, "resume")
                self._check_deadline(instance)

    def connections(self) -> dict[Connection, Instance]:
        """The pipes to all running processes."""
        return {
            instance.process.connection: instance
            for instance in self.instances.values()
            if instance.process is not None
        }

    def handle(self, instance: Instance) -> None:
        """Take one message of a process, or its death."""
        process = instance.process
        assert process is not None
        try:
            kind, value = process.connection.recv()
        except (EOFError, ConnectionResetError):
            self._ended(instance)
            return
        if kind == "ask":
            answer, outcome = self.supervisor.answer(instance, value)
            if outcome is not None:
                self._outcome(instance, outcome)
            with contextlib.suppress(BrokenPipeError):
                process.connection.send(answer)
        elif kind == "event":
            self._resume(instance, {"event": value})
        elif kind == "modules":
            import_early(value)
        elif kind == "trigger failed":
            self._fail_from_trigger(instance, {"error": "Trigger failure", "traceback": value})
        elif self.on_tell is not None:
            self.on_tell(instance, process.step, kind.removesuffix("?"), value)
            if kind.endswith("?"):
                process.connection.send(None)

    def _instances_of(self, task: Any) -> list[Instance]:
        known = [instance for key, instance in self.instances.items() if key[0] == task.task_id]
        retries = int(self.overrides.get(task.task_id, {}).get("retries", task.retries) or 0)
        if not known and not task.is_mapped:
            known = [Instance(task.task_id, -1, retries)]
        elif not known and self._upstream_state(task) == "go":
            count = self.supervisor.map_length(task)
            known = [Instance(task.task_id, index, retries) for index in range(count)]
            if not known:
                known = [Instance(task.task_id, -1, retries, state="skipped")]
        elif not known:
            state = self._upstream_state(task)
            known = [Instance(task.task_id, -1, retries, state=state)] if state in FINISHED else []
        self.instances |= {instance.key: instance for instance in known}
        return known

    def _ready(self, task: Any, instance: Instance) -> bool:
        state = self._upstream_state(task)
        if state in FINISHED:
            instance.state = state
        return state == "go"

    def _upstream_state(self, task: Any) -> str:
        """``go``, ``wait``, or the state that the upstream tasks force on the task."""
        if self.supervisor.skipped(task.task_id):
            return "skipped"
        states = [self._state_of(name) for name in task.upstream_task_ids]
        return upstream_state(str(getattr(task.trigger_rule, "value", task.trigger_rule)), states)

    def _state_of(self, task_id: str) -> str:
        return worst([instance.state for key, instance in self.instances.items() if key[0] == task_id])

    def _start(self, instance: Instance, step: str) -> None:
        mine, theirs = Pipe()
        fresh = step == "execute"
        order = Order(
            ti_id=instance.ti_id,
            dag=self.dag,
            dag_run=self._dag_run,
            task_id=instance.task_id,
            map_index=instance.map_index,
            try_number=instance.try_number,
            max_tries=instance.max_tries,
            should_retry=instance.try_number <= instance.max_tries,
            step=step,
            next_method=None if fresh else instance.next_method,
            next_kwargs=None if fresh else instance.next_kwargs,
            trigger=instance.trigger,
            xcoms_to_clear=self.supervisor.xcom_keys(instance.key) if fresh else (),
            environment=self.deployment.environment(),
            overrides=self.overrides.get(instance.task_id, {}),
            log=self.log,
            instrument=self.instrument,
            known_modules=frozenset(sys.modules),
        )
        if step != "trigger":
            instance.state, instance.reported = "running", False
        pid = start(order, theirs, mine.close)
        theirs.close()
        instance.process = Process(pid, mine, step)
        self.history.append(f"{instance.task_id} try {instance.try_number} {step}")

    def _outcome(self, instance: Instance, outcome: Any) -> None:
        """The task runner has reported how a try ended."""
        kind = type(outcome).__name__
        instance.reported = True
        if kind == "SucceedTask":
            instance.state = "success"
        elif kind == "RetryTask":
            instance.state = "up_for_retry"
        elif kind == "DeferTask":
            instance.state = "deferred"
            instance.trigger = (outcome.classpath, outcome.trigger_kwargs)
            instance.next_method, instance.next_kwargs = outcome.next_method, outcome.next_kwargs
            limit = outcome.trigger_timeout
            instance.trigger_deadline = time.monotonic() + limit.total_seconds() if limit else None
        elif kind == "AwaitInputTask":
            instance.state = "awaiting_input"
            instance.next_method, instance.next_kwargs = outcome.next_method, outcome.next_kwargs
        elif kind == "TaskState":
            instance.state = str(getattr(outcome.state, "value", outcome.state))
        else:
            raise NotImplementedError(f"{instance.task_id} ended with {kind}.")
        self.history.append(f"{instance.task_id} try {instance.try_number}: {instance.state}")

    def _ended(self, instance: Instance) -> None:
        """A process is gone."""
        step = instance.process.step if instance.process else ""
        self._reap(instance)
        if step == "trigger" and instance.state == "deferred":
            # Another triggerer takes it over, with the same arguments.
            instance.kills += 1
            self.history.append(f"{instance.task_id} lost its trigger")
        elif step != "trigger" and not instance.reported:
            instance.kills += 1
            instance.state = "up_for_retry" if instance.try_number <= instance.max_tries else "failed"
            self.history.append(f"{instance.task_id} try {instance.try_number} died: {instance.state}")
        elif step != "trigger" and instance.state == "deferred" and instance.task_id in self.when_deferred:
            self.when_deferred[instance.task_id]()
        elif instance.state == "awaiting_input" and instance.task_id in self.answers:
            self._resume(instance, {"event": _answer(self.answers[instance.task_id])})

    def _resume(self, instance: Instance, more: dict[str, Any]) -> None:
        """Put an event into the arguments of the method that the task goes on with."""
        from airflow.sdk.serde import deserialize, serialize

        kwargs: Any = deserialize(instance.next_kwargs) if instance.next_kwargs else {}
        instance.next_kwargs = serialize({**kwargs, **more})
        instance.state = "scheduled"
        self._reap(instance)

    def _fail_from_trigger(self, instance: Instance, why: dict[str, Any]) -> None:
        instance.next_method, instance.next_kwargs = "__fail__", None
        self._resume(instance, why)

    def _check_deadline(self, instance: Instance) -> None:
        deadline = instance.trigger_deadline
        if instance.state == "deferred" and deadline is not None and time.monotonic() > deadline:
            # As in Airflow, a trigger that timed out is cancelled without its on_kill.
            self._reap(instance, signal.SIGKILL)
            self._fail_from_trigger(instance, {"error": "Trigger timeout"})

    def _end_by_user(self, instance: Instance) -> None:
        """What a clear or a mark does to the process: on_kill of the trigger, or of the task."""
        if instance.process is None:
            return
        if instance.process.step == "trigger":
            self._await_start(instance)
            self._reap(instance, USER_ENDED_IT, seconds=30.0)
        else:
            self._reap(instance, signal.SIGTERM, seconds=SECONDS_TO_DIE)

    def _await_start(self, instance: Instance) -> None:
        """Wait until the trigger listens to signals."""
        while (process := instance.process) is not None:
            kind, value = process.connection.recv()
            if (kind, value) == ("trigger", "running"):
                return
            if self.on_tell is not None:
                self.on_tell(instance, process.step, kind, value)

    def _reap(self, instance: Instance, number: signal.Signals | None = None, seconds: float = 0.0) -> None:
        """Send a signal, take what the process still says, and collect it; SIGKILL after ``seconds``."""
        process, instance.process = instance.process, None
        if process is None:
            return
        if number is not None:
            os.kill(process.pid, number)
        deadline = time.monotonic() + seconds
        while number is not None and process.connection.poll(max(deadline - time.monotonic(), 0)):
            try:
                kind, value = process.connection.recv()
                if kind == "ask":
                    process.connection.send(self.supervisor.answer(instance, value)[0])
                elif self.on_tell is not None:
                    self.on_tell(instance, process.step, kind, value)
            except (EOFError, OSError):
                break
        with contextlib.suppress(ProcessLookupError):
            if number is not None:
                os.kill(process.pid, signal.SIGKILL)
        os.waitpid(process.pid, 0)
        process.connection.close()


def _answer(option: str | None) -> dict[str, Any]:
    """What Airflow hands to a task when a person has chosen, or with None when the time for that is over."""
    if option is None:
        return {"error": "The response timeout has passed.", "error_type": "timeout"}
    return {
        "chosen_options": [option],
        "params_input": {},
        "responded_at": datetime.now(UTC),
        "responded_by_user": {"id": "1", "name": "owner"},
    }
