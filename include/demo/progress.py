"""Progress for a terminal or a log: one plain line per event, with the time since the start."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TextIO


@dataclass
class Progress:
    """Prints `mm:ss  text` lines; `started` is a `time.time()`. Counters are not printed each time."""

    started: float
    stream: TextIO = field(default_factory=lambda: sys.stdout)
    counter_seconds: float = 5.0
    _counter_printed: float = 0.0
    _counter_open: bool = False

    def say(self, text: str) -> None:
        """Print one event."""
        self._close_counter()
        self._write(f"{self.clock()}  {text}\n")

    def plain(self, text: str = "") -> None:
        """Print text without the time, for a table or an address."""
        self._close_counter()
        self._write(f"{text}\n")

    def count(self, text: str) -> None:
        """Show a counter: rewritten in place on a terminal, otherwise printed every few seconds."""
        if self.stream.isatty():
            self._write(f"\r\033[K{self.clock()}  {text}")
            self._counter_open = True
        elif time.monotonic() - self._counter_printed >= self.counter_seconds:
            self._counter_printed = time.monotonic()
            self._write(f"{self.clock()}  {text}\n")

    def clock(self) -> str:
        """Minutes and seconds since the start."""
        seconds = int(time.time() - self.started)
        return f"{seconds // 60:02d}:{seconds % 60:02d}"

    def _close_counter(self) -> None:
        if self._counter_open:
            self._counter_open = False
            self._write("\n")

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()
