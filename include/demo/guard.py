"""Run one command and let nothing of it outlive its parent: `python guard.py GRACE_SECONDS command...`.

Purpose: a service starts children of its own (task runners, training jobs), and a parent that is killed hard
can clean up nothing. This small process stands between the two.

How it works: the kernel tells it when its parent dies (PR_SET_PDEATHSIG), orphans of the command become its
children (PR_SET_CHILD_SUBREAPER), and before it exits it ends every process below it: SIGTERM first, SIGKILL
after the grace.

What it does not do: survive its own SIGKILL. Then the command dies with it, but the command's own children
may stay.

It imports the standard library only and is run by path, so that it starts in milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
# What a shell reports for a command that SIGTERM ended.
ENDED_EARLY = 143


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def descendants(root: int) -> list[int]:
    """Every process below `root`, read from /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                # The command's name is in parentheses and may hold anything: the parent's id is the second
                # field after it.
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


class _Stopped(BaseException):
    """Raised in the main flow by SIGTERM."""


def _raise_stopped(*_: object) -> NoReturn:
    raise _Stopped


def _reap_until(main: int | None, deadline: float | None) -> int | None:
    """Collect ended children; return the exit code of `main`, or None at the deadline or without children."""
    while True:
        try:
            pid, status = os.waitpid(-1, 0 if deadline is None else os.WNOHANG)
        except ChildProcessError:
            return None
        if pid == main:
            return os.waitstatus_to_exitcode(status)
        if pid == 0:
            if deadline is not None and time.monotonic() >= deadline:
                return None
            time.sleep(0.02)


def _signal_all(signal_number: int) -> bool:
    below = descendants(os.getpid())
    for pid in below:
        with suppress(ProcessLookupError):
            os.kill(pid, signal_number)
    return bool(below)


def _end_all(running: int | None, grace_seconds: float) -> None:
    """End the command (its process id, or None when it is gone), then everything that it left below."""
    if running is not None:
        os.kill(running, signal.SIGTERM)
        _reap_until(running, time.monotonic() + grace_seconds)
    while _signal_all(signal.SIGKILL):
        _reap_until(None, time.monotonic() + 0.2)


def run(grace_seconds: float, command: list[str]) -> int:
    """Run the command to its end, or to the parent's, and return its exit code."""
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _raise_stopped)
    # Held back until the command runs: a stop in between would leave it without anyone who knows of it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    if os.getppid() != parent:
        return ENDED_EARLY
    main = subprocess.Popen(command, preexec_fn=_prepare_child)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        code = _reap_until(main.pid, None)
    except _Stopped:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end_all(main.pid, grace_seconds)
        return ENDED_EARLY
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_all(None, grace_seconds)
    if code is None:
        return ENDED_EARLY
    return code if code >= 0 else 128 - code


def _prepare_child() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(run(float(sys.argv[1]), sys.argv[2:]))
