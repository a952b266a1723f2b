"""Child processes that never outlive the server, and are gone for certain once stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from include.local_sagemaker.errors import JobError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.local_sagemaker.logs import LogStream
    from include.local_sagemaker.state import Store

_LAUNCHER = Path(__file__).with_name("launch.py")
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "LD_LIBRARY_PATH")
"""All that a job sees of the server's environment: no credentials, connections or Python settings."""


class Child:
    """A running program in a process group of its own, whose output goes line by line into a log stream."""

    def __init__(self, process: asyncio.subprocess.Process, log: LogStream, store: Store) -> None:
        self._process = process
        self._store = store
        self.pid = process.pid
        self._finished = asyncio.create_task(self._follow(log))

    @property
    def running(self) -> bool:
        """Whether the program has not ended yet."""
        return not self._finished.done()

    async def wait(self) -> int:
        """Wait until the program has ended and all its output is in the log; return its exit code."""
        return await asyncio.shield(self._finished)

    async def stop(self, grace_seconds: float) -> int:
        """Send SIGTERM, then SIGKILL when the grace period is over; return the exit code."""
        self._signal(signal.SIGTERM)
        try:
            return await asyncio.wait_for(self.wait(), grace_seconds)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            return await self.wait()

    def kill(self) -> None:
        """Kill the program and everything it started, right away."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    async def _follow(self, log: LogStream) -> int:
        copying = asyncio.create_task(self._copy_output(log))
        code = await self._process.wait()
        # Processes that the program left behind in its group would keep pipes and ports open.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        await copying
        self._store.forget_process(self.pid)
        return code

    async def _copy_output(self, log: LogStream) -> None:
        output = self._process.stdout
        while output is not None and (chunk := await output.read(65536)):
            log.write(chunk)


class ProcessTable:
    """Starts children and knows all that run."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._children: set[Child] = set()
        self._closed = False

    async def start(
        self, command: list[str], *, working_directory: str, environment: Mapping[str, str], log: LogStream
    ) -> Child:
        """Start a program.

        Raises
        ------
        JobError
            When the working directory or the interpreter is missing, or the server is shutting down.
        """
        if self._closed:
            raise JobError("The server is about to end and starts nothing any more.")
        inherited = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", str(_LAUNCHER), str(os.getpid()), *command),
                cwd=working_directory,
                env={**inherited, "PYTHONUNBUFFERED": "1", **environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise JobError(
                f"The command {command[0]} cannot be started in {working_directory}: {error}."
            ) from error
        self._store.remember_process(process.pid, _started_ticks(process.pid) or 0, " ".join(command))
        child = Child(process, log, self._store)
        self._children = {other for other in self._children if other.running} | {child}
        return child

    async def stop_all(self, grace_seconds: float) -> None:
        """Stop every child that still runs, and start no other."""
        self._closed = True
        await asyncio.gather(*(child.stop(grace_seconds) for child in self._children if child.running))


def reap_survivors(store: Store) -> None:
    """Kill the processes that an earlier server recorded as running."""
    for pid, started_ticks in store.processes():
        if _started_ticks(pid) == started_ticks:  # The same process, not a newer one with the same id.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        store.forget_process(pid)


def _started_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot (field 22 of proc_pid_stat(5))."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])
