"""The processes of a night: one for each try of a task, and one for each trigger.

A task's process runs Airflow's own task runner; where that asks its supervisor (XComs, task state, the
outcome), it asks the night through a pipe. What was told before a SIGKILL is told for good.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from asgiref.sync import SyncToAsync

from tests.faults.warm import use_shared_loader

if TYPE_CHECKING:
    from collections.abc import Callable

USER_ENDED_IT = signal.SIGUSR1
"""Tells a trigger's process that a person cleared the task or marked it."""


@dataclass(frozen=True)
class Order:
    """What a process is to do for which task instance."""

    ti_id: UUID
    dag: Any
    dag_run: dict[str, Any]
    task_id: str
    map_index: int
    try_number: int
    max_tries: int
    should_retry: bool
    step: str
    """``execute``, ``resume`` or ``trigger``."""
    next_method: str | None = None
    next_kwargs: Any = None
    trigger: tuple[str, dict[str, Any]] | None = None
    xcoms_to_clear: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    """Attributes of the task to set, for example ``execution_timeout``."""
    log: Path = Path(os.devnull)
    instrument: Callable[[Order, Line], None] | None = None
    """Called in the new process before anything else."""
    known_modules: frozenset[str] = frozenset()


class Line:
    """The child's end of the pipe; used by all of its threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def tell(self, kind: str, value: Any) -> None:
        """Say something that needs no answer."""
        with self._lock:
            self._connection.send((kind, value))

    def tell_and_wait(self, kind: str, value: Any) -> None:
        """Say something and go on only when the night has dealt with it."""
        with self._lock:
            self._connection.send((f"{kind}?", value))
            self._connection.recv()

    def ask(self, message: Any) -> Any:
        """Ask the night, as the task runner asks its supervisor."""
        with self._lock:
            self._connection.send(("ask", message))
            return self._connection.recv()


class _Comms:
    """In place of Airflow's connection to the supervisor."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def send(self, msg: Any) -> Any:
        return self._line.ask(msg)

    async def asend(self, msg: Any) -> Any:
        return await asyncio.to_thread(self._line.ask, msg)


def start(order: Order, connection: Connection, close: Callable[[], None]) -> int:
    """Fork a process for the order; returns its id. ``close`` closes the parent's end in the child."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        close()
        _become(order, Line(connection))
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(0)


def _become(order: Order, line: Line) -> None:
    gc.disable()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    log = os.open(order.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    print(f"\n=== {order.task_id} [{order.map_index}] try {order.try_number}: {order.step}", flush=True)
    os.environ.update(order.environment)
    use_shared_loader()
    from airflow.sdk.execution_time import task_runner

    task_runner.SUPERVISOR_COMMS = _Comms(line)  # type: ignore[attr-defined]
    if order.instrument is not None:
        order.instrument(order, line)
    if order.step == "trigger":
        # The thread that asgiref keeps for synchronous code did not come along through the fork.
        SyncToAsync.single_thread_executor = ThreadPoolExecutor(max_workers=1)
        asyncio.run(_run_trigger(order, line))
    else:
        _run_task(order)
    line.tell("modules", [name for name in sys.modules if name not in order.known_modules])


def _run_task(order: Order) -> None:
    """Run Airflow's task runner; it reports the outcome itself."""
    import structlog
    from airflow.sdk.api.datamodels._generated import DagRun, TIRunContext
    from airflow.sdk.execution_time import task_runner

    task = order.dag.get_task(order.task_id)
    for name, value in order.overrides.items():
        setattr(task, name, value)
    server = TIRunContext(
        dag_run=DagRun(**order.dag_run),
        max_tries=order.max_tries,
        next_method=order.next_method,
        next_kwargs=order.next_kwargs,
        xcom_keys_to_clear=list(order.xcoms_to_clear),
        should_retry=order.should_retry,
    )
    ti = task_runner.RuntimeTaskInstance.model_construct(
        id=order.ti_id,
        task_id=order.task_id,
        dag_id=order.dag.dag_id,
        run_id=order.dag_run["run_id"],
        try_number=order.try_number,
        map_index=order.map_index,
        dag_version_id=order.ti_id,
        task=task,
        bundle_instance=SimpleNamespace(),
        max_tries=order.max_tries,
        start_date=datetime.now(UTC),
        _ti_context_from_server=server,
    )
    ti._ti_context_from_server = server
    task_runner.run(ti, ti.get_template_context(), structlog.get_logger("task"))


async def _run_trigger(order: Order, line: Line) -> None:
    """Run a trigger as a triggerer does: rebuilt from its class path and arguments, to its first event."""
    from airflow.sdk.module_loading import import_string
    from airflow.sdk.serde import deserialize

    assert order.trigger is not None
    classpath, arguments = order.trigger
    trigger = import_string(classpath)(**deserialize(arguments))
    trigger.task_instance = SimpleNamespace(
        id=order.ti_id,
        dag_id=order.dag.dag_id,
        run_id=order.dag_run["run_id"],
        task_id=order.task_id,
        map_index=order.map_index,
        try_number=order.try_number,
    )
    running = asyncio.create_task(_first_event(trigger))
    ended_by_user = False

    def user_ended_it() -> None:
        nonlocal ended_by_user
        ended_by_user = True
        running.cancel()

    asyncio.get_running_loop().add_signal_handler(USER_ENDED_IT, user_ended_it)
    line.tell("trigger", "running")
    try:
        line.tell("event", await running)
    except asyncio.CancelledError:
        if ended_by_user:
            await trigger.on_kill()
    except Exception:
        traceback.print_exc()
        line.tell("trigger failed", traceback.format_exc().splitlines())


async def _first_event(trigger: Any) -> Any:
    async for event in trigger.run():
        return event.payload
    raise RuntimeError("The trigger ended without an event.")
