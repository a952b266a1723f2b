"""Run a program that may say nothing for minutes, and show that it still runs."""

from __future__ import annotations

import queue
import re
import subprocess
import sys
import threading
import time
from collections import deque
from typing import IO

SILENT_SECONDS = 5.0
# uv names every package that it has downloaded and installed: hundreds of lines that help no one.
_DULL = re.compile(r"^ [+~-] \S|^ *Downloaded |^Using Python \S+ environment at|^\s*$")
_KEPT_LINES = 40


class Watched:
    """The exit code of a program that has ended, and the last lines that it printed."""

    def __init__(self, code: int, lines: list[str]) -> None:
        self.code = code
        self.lines = lines


def run(
    command: list[str],
    what: str,
    environment: dict[str, str] | None = None,
    silent_seconds: float = SILENT_SECONDS,
    stream: IO[str] | None = None,
) -> Watched:
    """Run a command, pass on what it prints, and say every few silent seconds how long it has run.

    Parameters
    ----------
    what
        The step, as the line of a silent program names it.
    environment
        The program's environment; this process's own by default.
    silent_seconds
        The longest silence.
    stream
        Where lines go; standard output by default.
    """
    out = stream or sys.stdout
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    printed: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(process.stdout, printed), daemon=True).start()
    kept: deque[str] = deque(maxlen=_KEPT_LINES)
    try:
        _pass_on(printed, kept, out, what, began, silent_seconds)
    except BaseException:
        process.terminate()
        raise
    return Watched(process.wait(), list(kept))


def _read(pipe: IO[str] | None, printed: queue.Queue[str | None]) -> None:
    for line in pipe or ():
        printed.put(line.rstrip())
    printed.put(None)


def _pass_on(
    printed: queue.Queue[str | None],
    kept: deque[str],
    out: IO[str],
    what: str,
    began: float,
    silent_seconds: float,
) -> None:
    last = began
    while True:
        try:
            line = printed.get(timeout=max(0.0, last + silent_seconds - time.monotonic()))
        except queue.Empty:
            line = f"{what}: {time.monotonic() - began:.0f} s so far"
        else:
            if line is None:
                return
            if _DULL.match(line):
                continue
            kept.append(line)
        out.write(f"      {line}\n")
        out.flush()
        last = time.monotonic()


def main(arguments: list[str]) -> int:
    """``python -m include.setup.watch WHAT COMMAND...``: run the command under the name WHAT."""
    what, *command = arguments
    return run(command, what).code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
