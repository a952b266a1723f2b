"""When a service that died is started again, and when that is given up.

The rule is that of Compose's `restart: unless-stopped`, with an end: the wait doubles with every death in a
row, and a service that keeps dying is left alone.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TAIL_LINES = 25
# Airflow writes lines of several screens.
LINE_CHARACTERS = 300


@dataclass(frozen=True)
class RestartPolicy:
    """The n-th death in a row is followed by a wait of `first_seconds` doubled n - 1 times.

    A service that lived for `settled_seconds` starts counting from one. After more than `quick_deaths` in a
    row it is given up. Airflow's programs need up to a minute on a busy machine before they can say what is
    wrong.
    """

    first_seconds: float = 0.5
    longest_seconds: float = 30.0
    settled_seconds: float = 60.0
    quick_deaths: int = 5


@dataclass
class Deaths:
    """How often one program has died in a row."""

    policy: RestartPolicy
    in_a_row: int = 0

    def count(self, lived_seconds: float) -> float | None:
        """Count a death; the seconds to wait before the next start, or None when it is given up."""
        self.in_a_row = 1 if lived_seconds >= self.policy.settled_seconds else self.in_a_row + 1
        if self.in_a_row > self.policy.quick_deaths:
            return None
        doubled: float = self.policy.first_seconds * 2 ** (self.in_a_row - 1)
        return min(doubled, self.policy.longest_seconds)


def how_it_ended(code: int) -> str:
    """An exit code as a shell reports it, or a signal's number negated, in words."""
    number = -code if code < 0 else code - 128
    try:
        return f"was ended by {signal.Signals(number).name}"
    except ValueError:
        return f"ended with exit code {code}"


def tail(log: Path, lines: int = TAIL_LINES, begins: int = 0) -> str:
    """The last lines of a log from byte `begins` on, indented, with its path; a sentence when there are none.

    `begins` is where the present start's output begins: what an earlier start wrote explains nothing.
    """
    try:
        with log.open("rb") as stream:
            stream.seek(begins)
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return f"  (no log at {log})"
    last = text.splitlines()[-lines:]
    if not last:
        return f"  (it wrote nothing to {log})"
    return "\n".join([f"  last lines of {log}:", *(f"  | {_clipped(line)}" for line in last)])


def _clipped(line: str) -> str:
    return line if len(line) <= LINE_CHARACTERS else f"{line[:LINE_CHARACTERS]} ..."
