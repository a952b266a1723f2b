"""Doing one thing to many items in threads, and keeping their order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# Objects of S3 that are read at once: the time goes into waiting for it.
READERS = 8

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def in_order(
    function: Callable[[Item], Outcome], items: Iterable[Item], concurrency: int
) -> Iterator[Outcome]:
    """Apply ``function`` in threads and yield results in order; the first error stops the rest.

    At most twice as many items as threads are taken ahead of the result that is yielded.
    """
    iterator = iter(items)
    with ThreadPoolExecutor(max_workers=concurrency) as pool:
        pending = deque(pool.submit(function, item) for item in islice(iterator, 2 * concurrency))
        try:
            while pending:
                yield pending.popleft().result()
                pending.extend(pool.submit(function, item) for item in islice(iterator, 1))
        finally:
            for future in pending:
                future.cancel()
