"""A steady rate for calls to a service that throttles."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Pace:
    """Lets at most ``per_second`` calls start per second, evenly spaced.

    A slower caller never waits, and earns no burst either: after a slow call, the next ones are spaced as
    usual.

    :param per_second: rate, calls per second; above 0.
    :param clock: monotonic seconds from any origin.
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
        """Block until the next call may start."""
        now = self._clock()
        if now < self._next:
            self._sleep(self._next - now)
            now = self._next
        self._next = now + self._interval
