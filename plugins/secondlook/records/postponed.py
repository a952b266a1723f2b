"""Images that nights postponed over budget: where they wait, and which later night may ask about them.

The ledgers say which images wait, and ``reviews/<night>/taken-up.json`` which night may ask about them;
nothing else decides. Marks, empty objects, save every launch from reading all ledgers to find them:

- ``postponed/<date>/<night>``: the night, launched on that date (UTC), has postponed images. Written before
  its ledger, so that no death leaves a ledger without its mark; removed once the ledgers of later nights ask
  about all of them, which no run takes back. A mark without postponed images costs one look: the run that
  looks removes it.
- ``taken-up/<later night>/<night>``: written before such a mark is removed. When a person has the later night
  selected again, it finds by it what it has claimed and no other night may ask about.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING

from secondlook.hooks.s3 import ObjectChangedError
from secondlook.layout import below, steps
from secondlook.records.document import Document
from secondlook.records.reviews import LedgerMissingError, ReviewRecords
from secondlook.review import Claims
from secondlook.review.budget import night_of_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import date

    from secondlook.hooks.s3 import ObjectStore
    from secondlook.layout import Layout
    from secondlook.review import LedgerLine


class PostponedReviews:
    """What earlier nights postponed, as one night and round sees it.

    Parameters
    ----------
    night
        The night that may take images up, YYYY-MM-DD; it takes them from nights before it only.
    key
        Which night and round claims them, ``<night>/<round>``.
    days
        For how many days after a night was launched its postponed images are taken up; 0: never.
    wait
        Called with the number of the attempt after each lost swap; see :class:`Document`.
    """

    def __init__(
        self,
        store: ObjectStore,
        layout: Layout,
        night: str,
        key: str,
        *,
        days: int,
        wait: Callable[[int], None] | None = None,
    ) -> None:
        self._store = store
        self._layout = layout
        self._night = night
        self._key = key
        self._days = days
        self._wait = wait
        self._asked_by: dict[str, frozenset[str]] = {}

    def mark(self, launched_on: date) -> None:
        """Have later nights look at this one, whose ledger, written next, postpones images."""
        self._write_mark(self._layout.postponed_mark(launched_on, self._night))

    def waiting(
        self,
        today: date,
        room: int,
        asks_the_same: Callable[[LedgerLine, str], bool],
        own: Collection[str],
    ) -> dict[str, list[LedgerLine]]:
        """Return what earlier nights postponed and no other night has claimed, by night.

        The nights that wait longest come first, of one day the oldest; no more of them are read than it
        takes to fill the room.

        Parameters
        ----------
        today
            The date (UTC) that decides who waits too long.
        room
            How many images are looked for, at least 1.
        asks_the_same
            Says whether a postponed line of a night can still be launched.
        own
            Loops that are not looked for.
        """
        found: dict[str, list[LedgerLine]] = {}
        for night, mark in self._marked(today) if self._days else ():
            # An image is never asked about by a night that was over before it arrived.
            if night >= self._night or night in found:
                continue
            free = [line for line in self._free(night, mark) if line.loop not in own]
            found[night] = [line for line in free if asks_the_same(line, night)]
            room -= len(found[night])
            if room <= 0:
                break
        return found

    def claims(self, night: str) -> Claims:
        """Return which night and round may ask about what the night postponed."""
        return self._claims(night).read() or Claims()

    def claim(self, night: str, loops: Sequence[str]) -> list[str]:
        """Claim what is free of these loops; return those that are this night's."""
        claims = self._claims(night).swap(lambda now: (now or Claims()).claim(loops, self._key))
        return [loop for loop in loops if claims.claimed[loop] == self._key]

    def unclaim(self, night: str, loops: Collection[str]) -> None:
        """Leave these loops to others, as far as they are this night's."""
        if loops:
            self._claims(night).update(lambda now: now.unclaim(loops, self._key))

    def _claims(self, night: str) -> Document[Claims]:
        return Document(self._store, self._layout.taken_up(night), Claims, wait=self._wait)

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
        """Return what a night postponed and no other has claimed; if there is nothing, remove its mark."""
        try:
            lines = ReviewRecords(self._store, self._layout, night).lines()
        except LedgerMissingError:
            # Its launch is under way, or died and will be repeated.
            return []
        waiting = [line for line in lines if not line.asked]
        claims = self.claims(night) if waiting else Claims()
        free = [line for line in waiting if claims.free_for(line.loop, self._key)]
        if mark is not None and not free:
            self._close(night, mark, {line.loop: claims.claimed[line.loop] for line in waiting})
        return free

    def _close(self, night: str, mark: str, claims: dict[str, str]) -> None:
        """Remove a night's mark if ledgers ask about all it postponed; a claim alone may be given back."""
        takers = {loop: night_of_key(key) for loop, key in claims.items()}
        if all(loop in self._asked(taker) for loop, taker in takers.items()):
            for taker in sorted(set(takers.values())):
                self._write_mark(self._layout.taken_up_mark(taker, night))
            self._store.delete(mark)

    def _asked(self, night: str) -> frozenset[str]:
        """Loops that a night's ledger asks for; none as long as it has no ledger."""
        if night not in self._asked_by:
            try:
                lines = ReviewRecords(self._store, self._layout, night).asked()
            except LedgerMissingError:
                return frozenset()
            self._asked_by[night] = frozenset(line.loop for line in lines)
        return self._asked_by[night]

    def _write_mark(self, key: str) -> None:
        with contextlib.suppress(ObjectChangedError):
            self._store.write_if_absent(key, b"")
