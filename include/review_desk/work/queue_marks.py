"""Where each person's part of a queue begins, so that nobody walks over thousands of loops they have done.

With several answers to a loop, those that a person has answered stay open for the others. A mark says that
before this place in the queue the person may take nothing. It can be wrong in one way only: a loop before it
is offered again. So all marks are forgotten whenever a task is given back, and each after a minute, whatever
happened; and none lies in the last minute, where loops may still arrive out of order.
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
        """To be read before the database is asked, and given to ``note``."""
        with self._lock:
            return self._age

    def place(self, worker_id: int, team_id: int, now_ms: int) -> Place:
        """Before this place the person may take nothing."""
        with self._lock:
            place, noted_ms = self._marks.get((worker_id, team_id), (START, now_ms))
        return place if 0 <= now_ms - noted_ms < _KEPT_MS else START

    def note(self, age: int, worker_id: int, team_id: int, first: Place | None, now_ms: int) -> None:
        """The first loop that the person may take, seen when the marks had this ``age``."""
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
        """A loop is offered again. To be called after the commit that says so."""
        with self._lock:
            self._age += 1
            self._marks.clear()
