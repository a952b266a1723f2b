"""Become another program that does not outlive the process which started it.

Run as ``python -I launch.py <parent pid> <program> [arguments]``. The kernel kills the program when the
thread that started it ends (``PR_SET_PDEATHSIG``, Linux), so that not even SIGKILL of the parent leaves an
orphan. A module of its own rather than ``preexec_fn``, which is unsafe in a process with threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Arrange to be killed with the parent, then run the program in place of this one."""
    parent, *command = arguments
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "The kernel refused PR_SET_PDEATHSIG")
    if os.getppid() != int(parent):  # The parent ended before prctl took effect.
        raise SystemExit(f"The process {parent} that asked for {command[0]} is gone.")
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise SystemExit(f"{command[0]} cannot be run: {error.strerror}.") from None


if __name__ == "__main__":
    main(sys.argv[1:])
