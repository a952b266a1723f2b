"""The demo's processes: start them, notice when one dies, end them all.

Each runs under `include.demo.guard`, so that nothing it starts outlives this process, however this process
ends. Start them from the main thread: Linux ties a child's death signal to the thread that started it.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from include.demo import guard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

LOOPBACK = "127.0.0.1"
TAIL_LINES = 25
POLL_SECONDS = 0.2
PORT_RANGE = range(10_240, 32_000)
# Let a stop go on to its end, whoever is impatient.
DEAF_TO = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ServiceFailed(Exception):
    """A process died or did not become ready; the message names it and ends with the tail of its log."""


@dataclass(frozen=True)
class Program:
    """A command to keep running, or to run to its end when it is a `task`.

    `grace_seconds` is what it gets between SIGTERM and SIGKILL.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    working_directory: Path
    grace_seconds: float = 4.0
    task: bool = False


@dataclass
class _Running:
    program: Program
    process: subprocess.Popen[bytes]
    log: Path


@dataclass
class Supervisor:
    """Starts programs with their output in `<logs>/<name>.log`; leaving the context ends them all."""

    logs: Path
    _running: dict[str, _Running] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, program: Program) -> None:
        """Start a program; its output is appended to its log."""
        log = self.logs / f"{program.name}.log"
        command = [sys.executable, "-E", "-S", guard.__file__, str(program.grace_seconds), *program.command]
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(program.environment),
                cwd=program.working_directory,
                # A session of its own: Ctrl-C reaches this process alone, which then ends the others in
                # order.
                start_new_session=True,
            )
        self._running[program.name] = _Running(program, process, log)

    def check(self) -> None:
        """Raise `ServiceFailed` when a program that should be running has ended, or a task has failed."""
        for running in self._running.values():
            code = running.process.poll()
            if code is not None and not (running.program.task and code == 0):
                raise ServiceFailed(
                    f"{running.program.name} ended with exit code {code}.\n{tail(running.log)}"
                )

    def run(self, program: Program, timeout_seconds: float) -> None:
        """Start a task and wait for its end."""
        self.start(program)
        self.wait_until(program.name, lambda: self.has_ended(program.name), timeout_seconds)

    def has_ended(self, name: str) -> bool:
        """Whether a started program has ended, well or not."""
        return self._running[name].process.poll() is not None

    def wait_until(
        self,
        name: str,
        ready: Callable[[], bool],
        timeout_seconds: float,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """Wait until `ready()` is true, which may raise `OSError` as long as nobody answers.

        `meanwhile` is called between two looks, to show that something is going on.
        Raises `ServiceFailed` when a program dies meanwhile or the time is over.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            self.check()
            with suppress(OSError):
                if ready():
                    return
            if time.monotonic() > deadline:
                raise ServiceFailed(
                    f"{name} was not ready after {timeout_seconds:.0f} s.\n{tail(self.logs / f'{name}.log')}"
                )
            meanwhile()
            time.sleep(POLL_SECONDS)

    def kill(self, name: str) -> None:
        """End a program and all that it has started by SIGKILL, as a machine without power would.

        It may be started again.
        """
        running = self._running.pop(name)
        for pid in guard.descendants(running.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # The guard ends by itself, after whatever was born while the others died.
        running.process.wait()

    def stop(self) -> None:
        """End every program at once; takes no longer than the longest grace."""
        with _uninterrupted():
            for running in reversed(self._running.values()):
                with suppress(ProcessLookupError):
                    running.process.send_signal(signal.SIGTERM)
            for running in self._running.values():
                try:
                    running.process.wait(running.program.grace_seconds + 10)
                except subprocess.TimeoutExpired:
                    running.process.kill()
                    running.process.wait()
            self._running.clear()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """A second Ctrl-C while processes are being ended must not leave half of them running."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in DEAF_TO}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, indented, with its path; a sentence when there are none."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return f"  (no log at {log})"
    last = text.splitlines()[-lines:]
    return (
        "\n".join([f"  last lines of {log}:", *(f"  | {line}" for line in last)])
        if last
        else f"  ({log} is empty)"
    )


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on.

    They lie below the range from which Linux takes ports for outgoing connections: one of those could take
    the port before the service does, or while `make up` is down.
    """
    ports: set[int] = set()
    while len(ports) < count:
        port = secrets.choice(PORT_RANGE)
        if is_free(port):
            ports.add(port)
    return list(ports)


def is_free(port: int) -> bool:
    """Whether nobody listens on the loopback port."""
    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def clean_environment(root: Path) -> dict[str, str]:
    """An environment with nothing of a user's own Airflow or AWS account, and no proxy in between."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "AWS_", "BOTO", "SECONDLOOK", "S3_"))
        and name.lower() not in PROXIES
    }
    # Without bytecode each of a hundred task processes would compile Airflow anew.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    kept["PYTHONPATH"] = os.pathsep.join([str(root / "plugins"), str(root)])
    kept["PYTHONUNBUFFERED"] = "1"
    # No instance to ask for credentials, and no file of the user's: only what the connections say.
    kept.update(
        AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull
    )
    return kept


PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})
