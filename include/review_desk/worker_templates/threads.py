"""Threads for what may wait for a template.

A rendering waits in its thread, for seconds where templates are slow. Where these threads were those of all
requests, a few slow templates would leave none for the health check and for people's other requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import anyio.to_thread
from anyio import CapacityLimiter

from include.review_desk.worker_templates.engine import Crew

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

_MOST = {Crew.PROGRAMS: 8, Crew.PAGES: 8, Crew.ANSWERS: 16}


class RenderingThreads:
    """A number of threads for each crew; requests past it wait without one."""

    def __init__(self) -> None:
        self._limiters = {crew: CapacityLimiter(most) for crew, most in _MOST.items()}

    async def run(self, crew: Crew | None, function: Callable[..., _T], *arguments: Any) -> _T:
        """Call ``function`` in a thread of the crew; None: in one of all requests."""
        limiter = None if crew is None else self._limiters[crew]
        return await anyio.to_thread.run_sync(function, *arguments, limiter=limiter)
