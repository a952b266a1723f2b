"""The rate at which human loops start: never above the limit, never slower than the service."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from secondlook.runtime.pace import Pace


@dataclass
class Clock:
    """Time that passes only when somebody sleeps or works."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def starts(clock: Clock, pace: Pace, works: list[float]) -> list[float]:
    """When calls begin that take so many seconds each."""
    began = []
    for seconds in works:
        pace.wait()
        began.append(clock.now)
        clock.now += seconds
    return began


def test_quick_calls_are_spread_over_the_second():
    clock = Clock()
    assert starts(clock, Pace(4, clock.read, clock.sleep), [0.0] * 5) == [100.0, 100.25, 100.5, 100.75, 101.0]


def test_a_service_slower_than_the_rate_is_never_waited_for():
    clock = Clock()
    starts(clock, Pace(4, clock.read, clock.sleep), [0.3] * 20)
    assert clock.slept == []


@given(rate=st.floats(0.1, 100), works=st.lists(st.floats(0, 20), max_size=40))
def test_no_two_calls_are_closer_than_the_rate_and_none_waits_in_vain(rate, works):
    clock = Clock()
    began = starts(clock, Pace(rate, clock.read, clock.sleep), works)
    for earlier, later, seconds in zip(began, began[1:], works, strict=False):
        assert later - earlier >= 1 / rate - 1e-9
        # Nobody waits longer than rate and service ask for.
        assert later - earlier <= max(1 / rate, seconds) + 1e-9
