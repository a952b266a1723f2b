"""How a task keeps time: its clock and its waits, and a steady rate of calls to a service that throttles."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Timing:
    """Clock and waits of a task; a test puts its own in their place.

    Attributes
    ----------
    now
        Returns the time, in UTC.
    sleep
        Waits the given number of seconds.
    after_lost_swap
        See :class:`secondlook.records.document.Document`, ``wait``.
    """

    now: Callable[[], datetime] = utc_now
    sleep: Callable[[float], None] = time.sleep
    after_lost_swap: Callable[[int], None] | None = None


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
