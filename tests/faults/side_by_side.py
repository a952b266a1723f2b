"""Two runs of one night side by side, their remote calls interleaved at random."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from multiprocessing import Array
from typing import TYPE_CHECKING, Any

from tests.faults.night import Night
from tests.faults.together import together

if TYPE_CHECKING:
    from tests.faults.deployment import Deployment
    from tests.faults.process import Line, Order

RUNS = ("first", "second")
OFFSETS = (None, None, "deploy", "score", "launch")
"""How far the first run is when the second starts; None: both start at once. One that starts after the first
has promoted its challenger would rightly score the night with the new champion."""
HOLD_SHARE = 0.25
MOST_CALLS_LET_BY = 5
QUIET_SECONDS = 0.05
"""Who makes no call for so long is not waited for: it may itself be waiting."""


class Gate:
    """Lets one run make some calls between two calls of the other.

    Before a remote call, with a quarter's chance, a process holds until the other run has made one to five
    calls, or has made none for a moment. The draws depend on the seed, the run, the task and the step.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._calls = Array("l", len(RUNS), lock=False)

    def instrument(self, order: Order, line: Line) -> None:
        """Put the gate before every request of a task's process."""
        from botocore.httpsession import URLLib3Session

        mine = RUNS.index(order.dag_run["run_id"])
        step = (self._seed, mine, order.task_id, order.map_index, order.try_number, order.step)
        draw = random.Random(repr(step))
        send = URLLib3Session.send

        def gated(session: Any, request: Any) -> Any:
            if draw.random() < HOLD_SHARE:
                self._let_by(1 - mine, draw.randint(1, MOST_CALLS_LET_BY))
            self._calls[mine] += 1
            return send(session, request)

        URLLib3Session.send = gated  # type: ignore[method-assign]

    def _let_by(self, other: int, calls: int) -> None:
        seen, until = self._calls[other], time.monotonic() + QUIET_SECONDS
        wanted = seen + calls
        while seen < wanted and time.monotonic() < until:
            time.sleep(0.001)
            if self._calls[other] != seen:
                seen, until = self._calls[other], time.monotonic() + QUIET_SECONDS


def run_pair(deployment: Deployment, seed: int) -> list[Night]:
    """Run one night twice at the same time, to the end."""
    gate = Gate(seed)
    nights = [Night(deployment, run_id=run, instrument=gate.instrument) for run in RUNS]
    offset = random.Random(seed).choice(OFFSETS)
    if offset:
        together(nights[:1], until=_reached(offset))
    together(nights)
    return nights


def _reached(task_id: str) -> Callable[[Night], bool]:
    return lambda night: night.states()[task_id] != "none"
