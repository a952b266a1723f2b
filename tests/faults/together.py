"""Runs side by side, without a scheduler: whatever is ready starts, whoever speaks is heard."""

from __future__ import annotations

import time
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.faults.night import Night


class StuckError(Exception):
    """A night did not end within its time."""


def together(
    nights: Iterable[Night], *, until: Callable[[Night], bool] | None = None, seconds: float = 240.0
) -> None:
    """Run nights side by side to their ends, or until ``until`` holds for one of them.

    Raises
    ------
    StuckError
        They have not ended after ``seconds``; their processes are killed.
    """
    nights = list(nights)
    deadline = time.monotonic() + seconds
    while True:
        for night in nights:
            night.schedule()
        # A process that has reported its outcome still has to end.
        if all(night.done and not night.connections() for night in nights) or (
            until and any(until(night) for night in nights)
        ):
            return
        if time.monotonic() > deadline:
            for night in nights:
                night.stop()
            told = "; ".join(f"{night.run_id}: {night.states()}" for night in nights)
            raise StuckError(f"After {seconds:g} s the runs have not ended: {told}")
        pipes = {pipe: (night, it) for night in nights for pipe, it in night.connections().items()}
        for pipe in wait(list(pipes), timeout=0.05):
            night, instance = pipes[pipe]  # type: ignore[index]
            if instance.process is not None and instance.process.connection is pipe:
                night.handle(instance)
