"""Run one command and let nothing of it outlive its parent: `python guard.py GRACE SIGNAL OWNER command...`.

Purpose: a service starts children of its own (task runners, training jobs), and a parent that is killed hard
cannot clean up. This small process runs between the two.

How it works: the kernel tells it when its parent dies (PR_SET_PDEATHSIG), orphans of the command become its
children (PR_SET_CHILD_SUBREAPER), and before it exits it ends every process below it: the command by SIGNAL
(a number), everything that is left after GRACE seconds by SIGKILL. OWNER is `uid:gid` for a command that must
not run as root, otherwise `-`.

What it does not do: survive its own SIGKILL. Then the command dies with it, and the command's own children
go to the nearest process above that called `adopt_orphans`, if there is one, for `end_orphans`.

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
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Collection

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
# What a shell reports for a command that SIGTERM ended.
ENDED_EARLY = 143


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _children() -> dict[int, list[int]]:
    """The children of every process on this machine, read from /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                # The command's name is in parentheses and may hold anything: the parent's id is the second
                # field after it.
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    return children


def descendants(root: int) -> list[int]:
    """Every process below `root`."""
    children = _children()
    found, queue = [], [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def arguments(grace_seconds: float, stop_signal: int, owner: tuple[int, int] | None) -> list[str]:
    """The arguments between this file's name and the command."""
    return [str(grace_seconds), str(int(stop_signal)), "-" if owner is None else "{}:{}".format(*owner)]


def adopt_orphans() -> None:
    """Let processes whose parents died become children of this one."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def end_orphans(known: Collection[int]) -> None:
    """End by SIGKILL the children that this process adopted, with all below them; `known` ones stay.

    What this process started itself is in its own session, or `known`.
    """
    while orphans := [
        pid for pid in _children().get(os.getpid(), ()) if pid not in known and not _is_own(pid)
    ]:
        for orphan in orphans:
            for pid in (*descendants(orphan), orphan):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(orphan, 0)


def _is_own(pid: int) -> bool:
    try:
        return os.getsid(pid) == os.getsid(0)
    except ProcessLookupError:
        return True


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


def _end_all(running: int | None, grace_seconds: float, stop_signal: int = signal.SIGTERM) -> None:
    """End the command (its process id, or None when it is gone), then everything that it left below."""
    if running is not None:
        os.kill(running, stop_signal)
        _reap_until(running, time.monotonic() + grace_seconds)
    while _signal_all(signal.SIGKILL):
        _reap_until(None, time.monotonic() + 0.2)


def run(grace_seconds: float, stop_signal: int, owner: tuple[int, int] | None, command: list[str]) -> int:
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
    identity = {} if owner is None else {"user": owner[0], "group": owner[1], "extra_groups": []}
    main = subprocess.Popen(command, preexec_fn=_prepare_child, **identity)  # type: ignore[call-overload]
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        code = _reap_until(main.pid, None)
    except _Stopped:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end_all(main.pid, grace_seconds, stop_signal)
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
    _grace, _signal, _owner, *_command = sys.argv[1:]
    _ids = None if _owner == "-" else tuple(map(int, _owner.split(":")))
    sys.exit(run(float(_grace), int(_signal), _ids, _command))  # type: ignore[arg-type]
