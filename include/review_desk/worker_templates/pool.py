"""Rendering in processes of its own: what a template costs is not the desk's, and any of it can be ended.

Three crews, none of which waits for the templates of another: those that programs try out, the pages that
people look at, and the pages that answers are checked against. A crew's processes start when they are needed
first, are used again, and are replaced when one ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.review_desk.errors import RenderFailure
from include.review_desk.worker_templates.channel import receive, send
from include.review_desk.worker_templates.engine import Crew
from include.review_desk.worker_templates.limits import MAX_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.review_desk.worker_templates.engine import Link

PROCESSES = 2
"""Of each crew."""
# Past the limit that a template is told of, which it passes only where nothing checks it.
_KILLED_AFTER_SECONDS = MAX_SECONDS + 1
# Without an answer for so long a process is ended whatever time it used: it, or the machine, hangs.
_SILENT_SECONDS = 60.0
_ROOT = Path(__file__).parents[3]
_MODULE = "include.review_desk.worker_templates.process"


class RenderingPool:
    """An :class:`~include.review_desk.worker_templates.engine.Engine` of processes. Thread-safe.

    Parameters
    ----------
    processes
        The most of each crew. A rendering waits while all of its crew are busy.
    killed_after_seconds
        Processor time after which the kernel ends a rendering.
    """

    def __init__(
        self, *, processes: int = PROCESSES, killed_after_seconds: float = _KILLED_AFTER_SECONDS
    ) -> None:
        self._crews = {crew: _Processes(processes, killed_after_seconds) for crew in Crew}

    def run(self, crew: Crew, content: str, task_input: Any, link: Link) -> str:
        """As Engine says; a template whose process was ended is too large to render."""
        with self._crews[crew].one() as process:
            return process.render(content, task_input, link)

    def close(self) -> None:
        """End all processes."""
        for processes in self._crews.values():
            processes.close()


class _Processes:
    """One crew."""

    def __init__(self, most: int, killed_after_seconds: float) -> None:
        self._free = threading.BoundedSemaphore(most)
        self._killed_after_seconds = killed_after_seconds
        # The one that was used last is used next, so that a quiet desk keeps one.
        self._idle: list[_Process] = []

    @contextlib.contextmanager
    def one(self) -> Iterator[_Process]:
        with self._free:
            process = self._last_used() or _Process(self._killed_after_seconds)
            try:
                yield process
            finally:
                if process.ready:
                    self._idle.append(process)
                else:
                    process.end()

    def _last_used(self) -> _Process | None:
        while self._idle:
            with contextlib.suppress(IndexError):
                process = self._idle.pop()
                if process.alive:
                    return process
                process.end()
        return None

    def close(self) -> None:
        while self._idle:
            self._idle.pop().end()


class _Process:
    """One process; ``ready`` when it waits for a template."""

    def __init__(self, killed_after_seconds: float) -> None:
        self._channel, theirs = socket.socketpair()
        self._channel.settimeout(_SILENT_SECONDS)
        self._killed_after_seconds = killed_after_seconds
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _MODULE, str(theirs.fileno()), str(killed_after_seconds)],
                # Nothing of the desk's environment, which holds its secrets.
                env={"PYTHONPATH": str(_ROOT), "PATH": os.defpath, "LANG": "C.UTF-8"},
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # A traceback may quote the input, which has no place in logs.
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # Ctrl-C is for the desk.
                start_new_session=True,
            )
        self.ready = True

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def render(self, content: str, task_input: Any, link: Link) -> str:
        try:
            text = json.dumps(task_input)
        except RecursionError:
            raise _too_large("its input is nested too deeply") from None
        self.ready = False
        try:
            send(self._channel, {"content": content, "input": text})
            answer = self._answer(link)
        except TimeoutError:
            raise _too_large(f"it gives no answer for {_SILENT_SECONDS:.0f} seconds") from None
        except (EOFError, ConnectionError):
            raise self._ended() from None
        self.ready = True
        if "failure" in answer:
            raise RenderFailure(*answer["failure"])
        if "fault" in answer:
            raise RuntimeError(f"A template could not be rendered: {answer['fault']}.")
        return str(answer["html"])

    def _answer(self, link: Link) -> dict[str, Any]:
        """What the process makes of the template; in between it asks for links."""
        while "link" in (answer := receive(self._channel)):
            try:
                url = link(*answer["link"])
            except RenderFailure:
                send(self._channel, {"refused": True})
                receive(self._channel)
                self.ready = True
                raise
            send(self._channel, {"url": url})
        return answer

    def _ended(self) -> Exception:
        """Why the process is gone."""
        code = self._process.wait()
        if code == -signal.SIGPROF:
            return _too_large(f"it takes more than {self._killed_after_seconds:.0f} seconds")
        if code < 0:
            return _too_large(f"its process was ended by {signal.Signals(-code).name}")
        return RuntimeError(f"The process that renders templates ended with the exit code {code}.")

    def end(self) -> None:
        self._channel.close()
        self._process.kill()
        self._process.wait()


def _too_large(why: str) -> RenderFailure:
    return RenderFailure("TemplateLimitExceeded", f"The template is too large to render: {why}")
