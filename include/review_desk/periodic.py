"""A thread that runs one action periodically, or at once when it is woken."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


class Periodic:
    """Runs ``action`` every ``interval_seconds`` and when ``wake`` is set; failures are logged."""

    def __init__(
        self,
        name: str,
        action: Callable[[], object],
        interval_seconds: float,
        wake: threading.Event | None = None,
    ) -> None:
        self._action = action
        self._interval_seconds = interval_seconds
        self._wake = wake or threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_seconds: float = 10) -> None:
        """Stop after the current action."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout_seconds)

    @property
    def name(self) -> str:
        """What the thread is for."""
        return self._thread.name

    @property
    def alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                self._action()
            except Exception:
                logger.exception("%s failed and will be tried again", self._thread.name)
            self._wake.wait(self._interval_seconds)
