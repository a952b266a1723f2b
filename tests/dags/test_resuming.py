"""A task that resumes before the scheduler has heard that its first process has ended."""

from __future__ import annotations

import asyncio
import inspect
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from multiprocessing import SimpleQueue
from typing import Any

import pytest
from airflow.executors.local_executor import LocalExecutor
from airflow.utils.state import TaskInstanceState as State

from secondlook.runtime.executor import ResumeSafeLocalExecutor

SCHEDULER = 1
TASK = "train"


def ready_to_send(kind: type[LocalExecutor]) -> Any:
    """An executor whose worker processes are played by the test, through the real queues."""
    executor = kind(parallelism=4)
    executor.activity_queue, executor.result_queue, executor.workers = SimpleQueue(), SimpleQueue(), {}
    executor._check_workers = lambda: None
    executor._unread_messages = _Counter()
    return executor


class _Counter:
    """The part of multiprocessing's shared counter that the executor uses."""

    value = 0

    def __enter__(self) -> _Counter:
        return self

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def session(runnable_dags: dict[str, Any]) -> Iterator[Any]:
    from airflow.utils.session import create_session

    with create_session() as session:
        yield session
        session.rollback()


@pytest.fixture
def resumed(runnable_dags: dict[str, Any], session: Any) -> Any:
    """The train task of a night whose trigger has fired: queued again, with a method to go on with."""
    from airflow.models.dagbag import DBDagBag
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    dag = DBDagBag().get_latest_version_of_dag("nightly_detection", session=session)
    run = dag.create_dagrun(
        run_id=f"manual__{uuid.uuid4().hex}",
        run_type=DagRunType.MANUAL,
        triggered_by=DagRunTriggeredByType.TEST,
        state="running",
        session=session,
        run_after=datetime.now(UTC),
        logical_date=None,
        data_interval=None,
    )
    ti = run.get_task_instance(TASK, session=session)
    # The last try: what is taken for killed fails.
    ti.try_number, ti.max_tries = 1, 0
    ti.next_method, ti.queued_by_job_id = "execute_complete", SCHEDULER
    ti.state = State.QUEUED
    session.flush()
    return ti


def send(executor: Any, ti: Any) -> None:
    """What the scheduler does with a task: queue it, then the executor's heartbeat sends it."""
    from airflow.executors import workloads

    executor.queue_workload(workloads.ExecuteTask.make(ti, generator=executor.jwt_generator), session=None)
    executor.heartbeat()
    assert executor.activity_queue.get() is not None


def end_of_process(executor: Any, ti: Any) -> None:
    executor.result_queue.put((ti.key, State.SUCCESS, None))


def heard_by_the_scheduler(executor: Any, session: Any) -> None:
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
    from airflow.models.dagbag import DBDagBag

    executor.sync()
    SchedulerJobRunner.process_executor_events(executor, SCHEDULER, DBDagBag(), session)


@pytest.mark.parametrize(
    ("kind", "state", "after"),
    [
        (LocalExecutor, State.QUEUED, State.FAILED),
        (LocalExecutor, State.RUNNING, State.FAILED),
        (ResumeSafeLocalExecutor, State.QUEUED, State.QUEUED),
        (ResumeSafeLocalExecutor, State.RUNNING, State.RUNNING),
    ],
)
def test_a_late_report_of_the_deferring_process(
    resumed: Any, session: Any, kind: type[LocalExecutor], state: State, after: State
) -> None:
    executor = ready_to_send(kind)
    send(executor, resumed)
    send(executor, resumed)
    end_of_process(executor, resumed)
    resumed.state = state
    session.flush()
    heard_by_the_scheduler(executor, session)
    # If the plain executor passes here one day, Airflow has mended the fault and ours can go.
    assert resumed.state == after


def test_a_process_that_ends_without_a_word_is_still_noticed(resumed: Any, session: Any) -> None:
    executor = ready_to_send(ResumeSafeLocalExecutor)
    for _ in range(2):
        send(executor, resumed)
        end_of_process(executor, resumed)
    resumed.state = State.RUNNING
    session.flush()
    heard_by_the_scheduler(executor, session)
    assert resumed.state == State.FAILED
    assert not executor._under_way


def test_a_failure_is_always_handed_on(resumed: Any) -> None:
    executor = ready_to_send(ResumeSafeLocalExecutor)
    send(executor, resumed)
    send(executor, resumed)
    executor.fail(resumed.key)
    assert executor.event_buffer[resumed.key][0] == State.FAILED


def test_every_trigger_gives_the_scheduler_time() -> None:
    from airflow.triggers.base import BaseTrigger

    from secondlook.triggers import human_loops, polling

    found = {
        value
        for module in (human_loops, polling)
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, BaseTrigger) and value is not BaseTrigger
    }
    assert len(found) == 2
    for trigger in found:
        assert "await delay_resuming()\n" in inspect.getsource(trigger.run), trigger


@pytest.mark.parametrize(
    ("executors", "slow"),
    [
        ("LocalExecutor", True),
        ("CeleryExecutor, LocalExecutor", True),
        ("CeleryExecutor,local:airflow.executors.local_executor.LocalExecutor", True),
        ("CeleryExecutor;one_team=LocalExecutor", True),
        ("CeleryExecutor", False),
        ("KubernetesExecutor,EdgeExecutor", False),
        ("secondlook.runtime.executor.ResumeSafeLocalExecutor", False),
        ("safe:secondlook.runtime.executor.ResumeSafeLocalExecutor", False),
    ],
)
async def test_only_airflows_own_local_executor_delays_triggers(
    monkeypatch: pytest.MonkeyPatch, executors: str, slow: bool
) -> None:
    from secondlook.triggers.resume_delay import delay_resuming

    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executors)
    monkeypatch.setenv("AIRFLOW__SECONDLOOK__RESUME_DELAY_SECONDS", "3600")
    waiting = asyncio.create_task(delay_resuming())
    done, _ = await asyncio.wait([waiting], timeout=0.2)
    assert bool(done) is not slow
    waiting.cancel()
