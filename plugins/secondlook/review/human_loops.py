"""Human loops as the service reports them, and which of a night's have ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# HumanLoopStatus in the A2I runtime API; a deleted loop is "not found" there. Any other status is waited for.
DELETED = "Deleted"
ENDED_STATUSES = frozenset({"Completed", "Failed", "Stopped", DELETED})
OPEN_STATUSES = frozenset({"InProgress", "Stopping"})


@dataclass(frozen=True)
class HumanLoop:
    """One human loop as DescribeHumanLoop reports it.

    ``output_uri`` may be set before there is an object under it.
    """

    name: str
    status: str
    failure_code: str | None = None
    failure_reason: str | None = None
    output_uri: str | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in ENDED_STATUSES


class LoopBoard:
    """The latest status of a given set of human loops; others on the same flow definition do not count.

    An ended loop stays ended, whatever a later listing leaves out.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._status = dict.fromkeys(names, "")

    def __contains__(self, name: str) -> bool:
        return name in self._status

    def note(self, name: str, status: str) -> None:
        """Take in what the service says about a loop."""
        if name in self._status:
            self._status[name] = status

    def unlisted(self, listed: set[str]) -> list[str]:
        """Loops that have not ended and that a listing did not name: deleted, or created before its start."""
        return [name for name in self._open() if name not in listed]

    @property
    def unknown_statuses(self) -> set[str]:
        """Statuses that this project does not know."""
        return set(self._status.values()) - ENDED_STATUSES - OPEN_STATUSES - {""}

    @property
    def total(self) -> int:
        """How many loops there are."""
        return len(self._status)

    @property
    def open(self) -> int:
        """How many have not ended."""
        return len(self._open())

    @property
    def ended(self) -> int:
        """How many have ended."""
        return self.total - self.open

    def _open(self) -> list[str]:
        return [name for name, status in self._status.items() if status not in ENDED_STATUSES]
