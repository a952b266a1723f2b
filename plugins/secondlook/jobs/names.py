"""Names of a job's attempts: a failed or stopped job keeps its name."""

from __future__ import annotations

MAX_ATTEMPTS = 50


def name_of_attempt(base_name: str, attempt: int) -> str:
    """Return the name for an attempt, counted from 1: ``base_name``, then ``-2``, ``-3``, ... behind it."""
    return base_name if attempt == 1 else f"{base_name}-{attempt}"


def attempt_of(name: str) -> int:
    """Return which attempt a job's name was made for, from 1; the inverse of :func:`name_of_attempt`."""
    number = name.rpartition("-")[2]
    # Otherwise the name ends in a hash, which is never that short.
    return int(number) if number.isdecimal() and len(number) <= len(str(MAX_ATTEMPTS)) else 1
