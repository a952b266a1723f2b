"""Presigned links that stay the same for a while, so that an image loaded ahead is loaded once.

A link says when it was signed, so that each signing gives another address. The page of the loop that comes
next and, a minute later, the page of its task must have the same one for the browser's cache to serve.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Temporary credentials are renewed at least ten minutes before they end (botocore), and links end with them:
# one that is given again is never older than that.
REUSED_SECONDS = 600
# A presigned URL lives seven days at most (Amazon S3 User Guide, presigned URLs).
MAX_LINK_SECONDS = 604_800
_KEPT = 4096


class SteadyLinks:
    """Makes links with ``presign`` and gives each again for REUSED_SECONDS; safe to use from several threads.

    Parameters
    ----------
    presign
        (bucket, key, lifetime in seconds) -> URL.
    clock
        Seconds that never run backwards.
    """

    def __init__(
        self, presign: Callable[[str, str, int], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._presign = presign
        self._clock = clock
        self._links: OrderedDict[tuple[str, str, int], tuple[float, str]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, bucket: str, key: str, lifetime_seconds: int) -> str:
        """A link that lives at least ``lifetime_seconds`` from now (at most seven days from its signing)."""
        place = (bucket, key, lifetime_seconds)
        now = self._clock()
        with self._lock:
            made, url = self._links.get(place, (now - REUSED_SECONDS, ""))
        if now - made < REUSED_SECONDS:
            return url
        url = self._presign(bucket, key, min(lifetime_seconds + REUSED_SECONDS, MAX_LINK_SECONDS))
        with self._lock:
            self._links[place] = (now, url)
            self._links.move_to_end(place)
            if len(self._links) > _KEPT:
                self._links.popitem(last=False)
        return url
