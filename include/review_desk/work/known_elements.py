"""The crowd elements of pages that were shown lately, so that their answers are checked without a rendering.

A page and what its answer is checked against come of the same template and input, which do not change.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from include.review_desk.worker_templates.crowd import find_elements

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from include.review_desk.worker_templates.crowd import CrowdElement

_KEPT_LOOPS = 512
# What a page is made of may be megabytes; such pages are rendered again.
_MAX_PAGE_CHARACTERS = 100_000


class KnownElements:
    """Loops and their elements, the latest used last. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[int, Sequence[CrowdElement]] = OrderedDict()

    def learn(self, loop_id: int, html: str) -> None:
        """Read the elements of a loop's page."""
        with self._lock:
            is_known = loop_id in self._known
        if is_known or len(html) > _MAX_PAGE_CHARACTERS:
            return
        elements = find_elements(html)
        with self._lock:
            self._known[loop_id] = elements
            if len(self._known) > _KEPT_LOOPS:
                self._known.popitem(last=False)

    def of(self, loop_id: int, render: Callable[[], str]) -> Sequence[CrowdElement]:
        """The elements of a loop's page, which is rendered where it was not shown lately."""
        with self._lock:
            if loop_id in self._known:
                self._known.move_to_end(loop_id)
                return self._known[loop_id]
        return find_elements(render())
