"""Causes of failures: whether each passes on its own, what helps, and how long to wait."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Cause(Enum):
    """Why something failed."""

    THROTTLED = "throttled"
    UNREACHABLE = "unreachable"
    SERVICE_FAULT = "service fault"
    BUSY = "busy"
    CAPACITY = "capacity"
    QUOTA = "quota"
    TIMEOUT = "timeout"
    DENIED = "denied"
    CLOSED = "closed"
    CREDENTIALS = "credentials"
    NOT_FOUND = "not found"
    INVALID = "invalid"
    ROLE = "role"
    SETUP = "setup"
    DEFECT = "defect"
    STATED = "stated"
    UNKNOWN = "unknown"


# What helps, by cause. Those that pass on their own come first; their advice is for when they do not.
_PASSING = {
    Cause.THROTTLED: "wait; if it goes on, ask AWS for a higher request rate or run fewer tasks at once",
    Cause.UNREACHABLE: "check the network and the connection's endpoint URL if it goes on",
    Cause.SERVICE_FAULT: "look at the service's health page or log if it goes on",
    Cause.BUSY: "wait until the change that is under way has ended",
    Cause.CAPACITY: "wait, or set another instance type",
    Cause.QUOTA: "wait until other work ends, or ask AWS for a higher quota",
    Cause.TIMEOUT: "clear the task if it goes on, or raise its time limit",
}
_LASTING = {
    Cause.DENIED: "give the connection's user this permission, then clear the task",
    Cause.CLOSED: "this account may not use the service; Amazon A2I takes no new customers, so run the "
    "Review Desk and let the A2I connection point at it",
    Cause.CREDENTIALS: "correct key, secret and region of the Airflow connection (a region in the "
    "settings goes before the connection's), then clear the task",
    Cause.NOT_FOUND: "create what is missing or correct its name in the settings, then clear the task",
    Cause.INVALID: "correct what it names, then clear the task",
    Cause.ROLE: "correct the role's ARN in the settings, or let that role trust the service, then clear the "
    "task",
    Cause.SETUP: "correct what it names on the worker or in the connection, then clear the task",
    Cause.DEFECT: "this is a fault of the program or of its installation, report it with the log",
    Cause.STATED: "",
}
# Multiples of the usual delay that a cause takes to pass.
_PATIENCE = {Cause.CAPACITY: 5, Cause.QUOTA: 5}
_STEPS = 30


@dataclass(frozen=True)
class Fault:
    """What a failure means.

    ``passing``: the same call may succeed later without anyone doing anything.
    """

    cause: Cause
    passing: bool

    @property
    def known(self) -> bool:
        """Whether the cause is in the table; unknown ones are retried."""
        return self.cause is not Cause.UNKNOWN

    @property
    def advice(self) -> str:
        """What to do, as the end of a sentence; empty when the error says so itself."""
        return _PASSING.get(self.cause) or _LASTING.get(self.cause) or "read the log, then clear the task"


def fault(cause: Cause) -> Fault:
    """Return what a cause means."""
    return Fault(cause, cause not in _LASTING)


def delay_seconds(what: Fault, step: int, *, base: float, longest: float, jitter: float) -> float:
    """Seconds until the next try: doubled at each step, spread by ``jitter``, never more than ``longest``.

    ``step`` is 0 after the first try; ``jitter`` is a random number from 0 to 1 and takes away up to half.
    """
    whole = base * _PATIENCE.get(what.cause, 1) * 2.0 ** min(max(step, 0), _STEPS)
    return min(whole, longest) * (1 - jitter / 2)
