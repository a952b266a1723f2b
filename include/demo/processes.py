"""The demo's processes: start them, notice when one dies, start it again where that is wanted, end them all.

Each runs under `include.demo.guard`, so that nothing it starts outlives this process, however this process
ends. Start them from the main thread: Linux ties a child's death signal to the thread that started it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from include.demo import guard
from include.demo.restarts import Deaths, RestartPolicy, how_it_ended, tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

POLL_SECONDS = 0.2
STOP_POLL_SECONDS = 0.02
# After the grace: what the guard itself needs to end what is left.
GUARD_SECONDS = 10.0
DEATH_LINES = 6
HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ServiceFailed(Exception):
    """A process died or did not become ready; the message names it and ends with the tail of its log."""


@dataclass(frozen=True)
class Program:
    """A command to keep running, or to run to its end when it is a `task`.

    `grace_seconds` is what it gets between `stop_signal` and SIGKILL. One that `stops_last` is told to end
    only when all others have: they write to it until then. `owner` is the (user id, group id) to run as.
    A dead one is started again no sooner than `may_start()` is true: what it needs may be dead as well.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    working_directory: Path
    grace_seconds: float = 4.0
    task: bool = False
    stop_signal: signal.Signals = signal.SIGTERM
    stops_last: bool = False
    owner: tuple[int, int] | None = None
    may_start: Callable[[], bool] = field(default=lambda: True)


@dataclass
class _Running:
    """`log_begins`: where this start's output begins. `again_at`: when a dead one is to be started."""

    program: Program
    process: subprocess.Popen[bytes]
    log: Path
    log_begins: int
    started: float
    deaths: Deaths
    again_at: float | None = None
    given_up: bool = False

    def last_words(self, lines: int) -> str:
        return tail(self.log, lines, self.log_begins)


@dataclass
class Supervisor:
    """Starts programs with their output in `<logs>/<name>.log`; leaving the context ends them all.

    Without `restarts` the first death is an error. With them the program is started again, and `tell` hears
    of it. `lock` is an open file that the guards keep open, too: a lock on it lasts until all has ended, even
    if this process is killed.
    """

    logs: Path
    restarts: RestartPolicy | None = None
    tell: Callable[[str], None] = lambda text: None
    lock: int | None = None
    _running: dict[str, _Running] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        if self.restarts is not None:
            guard.adopt_orphans()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, program: Program) -> None:
        """Start a program; its output is appended to its log."""
        self._start(program, Deaths(self.restarts or RestartPolicy()))

    def _start(self, program: Program, deaths: Deaths) -> None:
        log = self.logs / f"{program.name}.log"
        guarded = guard.arguments(program.grace_seconds, program.stop_signal, program.owner)
        command = [sys.executable, "-E", "-S", guard.__file__, *guarded, *program.command]
        with log.open("ab") as output:
            begins = output.tell()
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(program.environment),
                cwd=program.working_directory,
                pass_fds=() if self.lock is None else (self.lock,),
                # A session of its own: Ctrl-C reaches this process alone, which then ends the others in
                # order.
                start_new_session=True,
            )
        self._running[program.name] = _Running(program, process, log, begins, time.monotonic(), deaths)

    def check(self) -> None:
        """Look after every program that has ended, a task that ended well excepted.

        Raises `ServiceFailed` for a task that failed, and for every other where nothing is restarted.
        """
        for running in list(self._running.values()):
            code = running.process.poll()
            if code is None or (running.program.task and code == 0):
                continue
            if self.restarts is None or running.program.task:
                raise ServiceFailed(
                    f"{running.program.name} {how_it_ended(code)}.\n{running.last_words(lines=25)}"
                )
            self._look_after(running, code)

    def _look_after(self, running: _Running, code: int) -> None:
        """Decide about a program that died, or start it again when it is time."""
        if running.given_up:
            return
        if running.again_at is None:
            self._bury(running, code)
        elif time.monotonic() >= running.again_at and running.program.may_start():
            self._start(running.program, running.deaths)

    def _bury(self, running: _Running, code: int) -> None:
        if code < 0:
            # Its guard was killed: what that would have ended is ours now.
            guard.end_orphans({other.process.pid for other in self._running.values()})
        name, ended = running.program.name, how_it_ended(code)
        wait = running.deaths.count(time.monotonic() - running.started)
        if wait is None:
            running.given_up = True
            self.tell(f"{self._given_up(running)}\n{running.last_words(DEATH_LINES)}")
            return
        running.again_at = time.monotonic() + wait
        self.tell(f"{name} {ended}; it starts again in {wait:g} s.\n{running.last_words(DEATH_LINES)}")

    def _given_up(self, running: _Running) -> str:
        code = running.process.returncode
        return (
            f"{running.program.name} {how_it_ended(code)}, {running.deaths.in_a_row} times in a row: it is "
            "not started again. The other services go on. Fix what its log says, then press Ctrl-C and run "
            "the same command again: the state is kept."
        )

    def run(
        self, program: Program, timeout_seconds: float, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        """Start a task and wait for its end; `meanwhile` as in `wait_until`."""
        self.start(program)
        self.wait_until(program.name, lambda: self.has_ended(program.name), timeout_seconds, meanwhile)

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
        """Wait until `ready()` is true, which may raise `OSError` until the service answers.

        `meanwhile` is called between two checks, to show progress.
        Raises `ServiceFailed` when a program dies for good meanwhile or the time is over.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            self.check()
            self._must_not_be_given_up()
            with suppress(OSError):
                if ready():
                    return
            if time.monotonic() > deadline:
                raise ServiceFailed(
                    f"{name} was not ready after {timeout_seconds:.0f} s.\n{self._last_words(name)}"
                )
            meanwhile()
            time.sleep(POLL_SECONDS)

    def _must_not_be_given_up(self) -> None:
        for running in self._running.values():
            if running.given_up:
                raise ServiceFailed(f"{running.program.name} does not start.\n{running.last_words(lines=25)}")

    def _last_words(self, name: str) -> str:
        running = self._running.get(name)
        return running.last_words(lines=25) if running else tail(self.logs / f"{name}.log")

    def kill(self, name: str) -> None:
        """End a program and all that it has started by SIGKILL, as a machine without power would.

        It may be started again.
        """
        running = self._running.pop(name)
        _kill_below(running)
        # The guard ends by itself, after whatever was born while the others died.
        running.process.wait()

    def stop(self) -> None:
        """End every program, those that stop last after the others.

        It takes no longer than the longest grace of either. SIGINT, SIGTERM or SIGHUP meanwhile ends what is
        left by SIGKILL: a stop goes on to its end, only faster.
        """
        with _impatience() as impatient:
            for last in (False, True):
                wave = [running for running in self._running.values() if running.program.stops_last == last]
                for running in reversed(wave):
                    with suppress(ProcessLookupError):
                        running.process.send_signal(signal.SIGTERM)
                _wait_for(wave, impatient)
            self._running.clear()


def _wait_for(wave: list[_Running], impatient: list[int]) -> None:
    """Wait for the end of programs that have been told to end."""
    began = time.monotonic()
    while wave := [running for running in wave if running.process.poll() is None]:
        for running in wave:
            if impatient:
                _kill_below(running)
            elif time.monotonic() - began > running.program.grace_seconds + GUARD_SECONDS:
                running.process.kill()
        time.sleep(STOP_POLL_SECONDS)


def _kill_below(running: _Running) -> None:
    for pid in guard.descendants(running.process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def _impatience() -> Iterator[list[int]]:
    """The signals to stop that came meanwhile; none of them breaks off what is done here."""
    heard: list[int] = []
    before = {number: signal.signal(number, lambda given, _: heard.append(given)) for number in HEARD}
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
