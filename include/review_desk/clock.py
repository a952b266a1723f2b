"""One clock for the desk: whole milliseconds since 1970 UTC, injectable."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], int]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def system_clock() -> int:
    """Milliseconds since 1970 UTC by the machine's clock."""
    return time.time_ns() // 1_000_000


def as_datetime(time_ms: int) -> datetime:
    """The aware UTC datetime of ``time_ms``, exact to the millisecond."""
    return _EPOCH + timedelta(milliseconds=time_ms)


def as_milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970 UTC; a naive ``moment`` is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(milliseconds=1)


def as_iso(time_ms: int) -> str:
    """``2020-12-28T18:59:15.191Z``, the form that output.json uses."""
    moment = as_datetime(time_ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"
