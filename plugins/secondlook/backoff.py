"""Waiting between attempts: exponential back-off with full jitter."""

from __future__ import annotations

import random
import time

LONGEST_PAUSE_SECONDS = 1.0


def pause(attempt: int) -> None:
    """Sleep before the attempt that follows number ``attempt``, for a second at most."""
    time.sleep(random.uniform(0, min(LONGEST_PAUSE_SECONDS, 0.02 * 2 ** min(attempt, 8))))
