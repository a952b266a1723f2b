"""Where each person's part of a queue begins, so that no query scans thousands of loops they have done.

When a loop needs several answers, it stays open for others after a person has answered it. A mark says that
the person can take nothing before this place in the queue. It can be wrong in one way only: a loop before it
is offered again. So all marks are forgotten whenever a task is given back, and each after a minute in any
case; and none is within the last minute, where loops may still arrive out of order.
"""

from __future__ import annotations

import threading

_KEPT_MS = 60_000
_STILL_ARRIVING_MS = 60_000
_MOST = 10_000

Place = tuple[int, int]
"""A loop's ``created_ms`` and id: the order of the queue."""

START: Place = (0, 0)


class QueueMarks:
    """Marks by person and team, in memory; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._age = 0
        self._marks: dict[tuple[int, int], tuple[Place, int]] = {}

    @property
    def age(self) -> int:
        """To be read before the database is queried, and passed to ``note``."""
        with self._lock:
            return self._age

    def place(self, worker_id: int, team_id: int, now_ms: int) -> Place:
        """The person can take nothing before this place."""
        with self._lock:
            place, noted_ms = self._marks.get((worker_id, team_id), (START, now_ms))
        return place if 0 <= now_ms - noted_ms < _KEPT_MS else START

    def note(self, age: int, worker_id: int, team_id: int, first: Place | None, now_ms: int) -> None:
        """Note the first loop that the person can take, seen when the marks had this ``age``."""
        recent = (now_ms - _STILL_ARRIVING_MS, 0)
        place = recent if first is None else min(first, recent)
        with self._lock:
            if age != self._age:
                return
            if len(self._marks) >= _MOST:
                self._marks.clear()
            kept, noted_ms = self._marks.get((worker_id, team_id), (START, now_ms))
            # A mark that was moved on is as old as the walk that it began with.
            alive = kept != START and 0 <= now_ms - noted_ms < _KEPT_MS
            self._marks[worker_id, team_id] = (place, noted_ms if alive else now_ms)

    def forget(self) -> None:
        """Forget all marks: a loop is offered again. Call it after the commit."""
        with self._lock:
            self._age += 1
            self._marks.clear()
