"""Images that nights deferred over budget: where they wait, and which later night may ask about them.

Which images wait stands in the ledgers, and who may ask about them in ``reviews/<night>/taken-up.json``;
nothing else decides. So that nobody has to read every ledger to find them there are marks, empty objects:

- ``postponed/<date>/<night>``: the night, launched on that date (UTC), has postponed images. Written before
  its ledger, so that no death leaves a ledger without its mark; removed once the ledgers of later nights ask
  about all of them, which no run takes back. A mark too many costs a look and is removed by who looks.
- ``taken-up/<later night>/<night>``: written before such a mark is removed. When a person has the later night
  chosen anew, it finds by it what it has claimed and nobody else may ask about.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING

from secondlook import jsonl
from secondlook.hooks.s3 import ObjectChangedError, ObjectMissingError
from secondlook.layout import below, steps
from secondlook.records.document import swap
from secondlook.records.reviews import LedgerMissingError, ReviewRecords
from secondlook.review import claim, unclaim
from secondlook.review.budget import night_of_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import date

    from secondlook.hooks.s3 import ObjectStore
    from secondlook.layout import Layout
    from secondlook.records.document import Log
    from secondlook.review import LedgerLine


class DeferredReviews:
    """What earlier nights deferred, as one night and round sees it.

    :param store: the bucket.
    :param layout: where things lie in it.
    :param night: the night that may take images up, YYYY-MM-DD; it takes them from nights before it only.
    :param key: who claims them, ``<night>/<round>``.
    :param days: for how many days after a night was launched its deferred images are taken up; 0: never.
    :param log: the task's log.
    """

    def __init__(
        self, store: ObjectStore, layout: Layout, night: str, key: str, *, days: int, log: Log
    ) -> None:
        self._store = store
        self._layout = layout
        self._night = night
        self._key = key
        self._days = days
        self._log = log
        self._asked_by: dict[str, frozenset[str]] = {}

    def mark(self, launched_on: date) -> None:
        """Have later nights look at this one, whose ledger, written next, defers images."""
        self._write_mark(self._layout.postponed_mark(launched_on, self._night))

    def waiting(
        self,
        today: date,
        room: int,
        askable: Callable[[LedgerLine, str], bool],
        own: Collection[str],
    ) -> dict[str, list[LedgerLine]]:
        """Return what earlier nights deferred and no other night has claimed, by night.

        The nights that wait longest come first, of one day the oldest; no more of them are read than it
        takes to fill the room.

        Parameters
        ----------
        today
            The date (UTC) that decides who waits too long.
        room
            How many images are looked for, at least 1.
        askable
            Says whether a deferred line of a night can still be asked about.
        own
            Loops that are not looked for.
        """
        found: dict[str, list[LedgerLine]] = {}
        for night, mark in self._marked(today) if self._days else ():
            # An image is never asked about by a night that was over before it arrived.
            if night >= self._night or night in found:
                continue
            free = [line for line in self._free(night, mark) if line.loop not in own]
            found[night] = [line for line in free if askable(line, night)]
            room -= len(found[night])
            if room <= 0:
                break
        return found

    def claims(self, night: str) -> dict[str, str]:
        """Return which night and round may ask about what the night deferred, by loop."""
        try:
            data, _ = self._store.read(self._layout.taken_up(night))
        except ObjectMissingError:
            return {}
        return self._decode(night, data)

    def claim(self, night: str, loops: Sequence[str]) -> list[str]:
        """Claim what is free of these loops; return those that are this night's."""

        def change(data: bytes | None) -> tuple[bytes | None, list[str]]:
            claims = claim(self._decode(night, data), loops, self._key)
            mine = [loop for loop in loops if claims[loop] == self._key]
            return jsonl.canonical(claims).encode(), mine

        return swap(self._store, self._layout.taken_up(night), change, self._log)

    def unclaim(self, night: str, loops: Collection[str]) -> None:
        """Leave these loops to others, as far as they are this night's."""

        def change(data: bytes | None) -> tuple[bytes | None, None]:
            claims = unclaim(self._decode(night, data), loops, self._key)
            return (jsonl.canonical(claims).encode() if data is not None else None), None

        swap(self._store, self._layout.taken_up(night), change, self._log)

    def _decode(self, night: str, data: bytes | None) -> dict[str, str]:
        source = self._store.uri(self._layout.taken_up(night))
        return {} if data is None else jsonl.decode_object(data, source=source)

    def _marked(self, today: date) -> Iterator[tuple[str, str | None]]:
        """Nights to look at, each with the mark that may be removed."""
        taken_up = self._layout.taken_up_marks(self._night)
        for item in self._store.list_objects(f"{taken_up}/"):
            yield below(taken_up, item.key), None
        marks = self._layout.postponed_marks()
        oldest = today - timedelta(days=self._days)
        for item in self._store.list_objects(f"{marks}/", after=f"{marks}/{oldest}"):
            yield steps(marks, item.key)[-1], item.key

    def _free(self, night: str, mark: str | None) -> list[LedgerLine]:
        """Return what a night deferred and no other has claimed; if there is nothing, remove its mark."""
        try:
            lines = ReviewRecords(self._store, self._layout, night).lines()
        except LedgerMissingError:
            # Its launch is under way, or died and will be repeated.
            return []
        waiting = [line for line in lines if not line.asked]
        claims = self.claims(night) if waiting else {}
        free = [line for line in waiting if claims.get(line.loop, self._key) == self._key]
        if mark is not None and not free:
            self._close(night, mark, {line.loop: claims[line.loop] for line in waiting})
        return free

    def _close(self, night: str, mark: str, claims: Mapping[str, str]) -> None:
        """Remove a night's mark if ledgers ask about all it deferred; a claim alone may be given back."""
        takers = {loop: night_of_key(key) for loop, key in claims.items()}
        if all(loop in self._asked(taker) for loop, taker in takers.items()):
            for taker in sorted(set(takers.values())):
                self._write_mark(self._layout.taken_up_mark(taker, night))
            self._store.delete(mark)

    def _asked(self, night: str) -> frozenset[str]:
        """Loops that a night's ledger asks for; none as long as it has no ledger."""
        if night not in self._asked_by:
            try:
                lines = ReviewRecords(self._store, self._layout, night).ledger()
            except LedgerMissingError:
                return frozenset()
            self._asked_by[night] = frozenset(line.loop for line in lines)
        return self._asked_by[night]

    def _write_mark(self, key: str) -> None:
        with contextlib.suppress(ObjectChangedError):
            self._store.write_if_absent(key, b"")
