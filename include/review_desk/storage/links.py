"""Repeats the presigned link of an object for a while, so that preloaded images are used.

A presigned URL holds the second in which it was made. Two links to one object would differ, and the browser
would load the image twice: once ahead, once for the task.
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
_REUSED_SECONDS = 600
# A presigned URL lives seven days at most (Amazon S3 User Guide, presigned URLs).
MAX_LINK_SECONDS = 604_800
_KEPT = 10_000


class SteadyLinks:
    """A presigner, ``(bucket, key, lifetime in seconds) -> URL``, that repeats its links. Thread-safe.

    Parameters
    ----------
    presign
        Makes a link.
    slack_seconds
        Links are made to live this much longer than asked for, and repeated for as long.
    now
        Clock in seconds, from any starting point.
    """

    def __init__(
        self,
        presign: Callable[[str, str, int], str],
        *,
        slack_seconds: int = _REUSED_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._presign = presign
        self._slack_seconds = slack_seconds
        self._now = now
        self._lock = threading.Lock()
        # (bucket, key) -> (URL, when it was made, when it dies); the longest unused first.
        self._links: OrderedDict[tuple[str, str], tuple[str, float, float]] = OrderedDict()

    def __call__(self, bucket: str, key: str, lifetime_seconds: int) -> str:
        """URL that reads the object for ``lifetime_seconds`` at least, seven days at most."""
        now = self._now()
        needed = min(lifetime_seconds, MAX_LINK_SECONDS - self._slack_seconds)
        with self._lock:
            url, made, dies = self._links.get((bucket, key), ("", 0.0, 0.0))
            if url and dies - now >= needed and now - made < self._slack_seconds:
                self._links.move_to_end((bucket, key))
                return url
        lifetime = min(lifetime_seconds + self._slack_seconds, MAX_LINK_SECONDS)
        url = self._presign(bucket, key, lifetime)
        with self._lock:
            self._links[bucket, key] = (url, now, now + lifetime)
            self._links.move_to_end((bucket, key))
            if len(self._links) > _KEPT:
                self._links.popitem(last=False)
        return url
