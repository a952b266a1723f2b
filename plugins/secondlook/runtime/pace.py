"""A steady rate for calls that a service meters."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Pace:
    """Lets at most ``per_second`` calls begin in a second, evenly spaced.

    A caller slower than that is never held up, and saves nothing up either: after a slow call the next ones
    keep their distance all the same.

    :param per_second: rate, calls per second; above 0.
    :param clock: seconds from any origin, never going back.
    :param sleep: waits the given number of seconds.
    """

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1 / per_second
        self._clock = clock
        self._sleep = sleep
        self._next = clock()

    def wait(self) -> None:
        """Return when the next call may begin."""
        now = self._clock()
        if now < self._next:
            self._sleep(self._next - now)
            now = self._next
        self._next = now + self._interval
