"""Changing a document in S3 that others change at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from secondlook.failures.exceptions import SecondLookError
from secondlook.hooks.s3 import ObjectChangedError, ObjectMissingError, pause

if TYPE_CHECKING:
    from collections.abc import Callable

    from secondlook.hooks.s3 import ObjectStore

_Result = TypeVar("_Result")
# Each lost swap means that another run got on, so this many only happen to a document that others keep busy.
SWAP_ATTEMPTS = 200


class Log(Protocol):
    """What a task logs with."""

    def info(self, event: str, *args: object) -> object:
        """Log with lazily formatted arguments."""


class DocumentBusyError(SecondLookError):
    """Too many runs change one document at once."""

    passing = True


def swap(
    store: ObjectStore, key: str, change: Callable[[bytes | None], tuple[bytes | None, _Result]], log: Log
) -> _Result:
    """Replace a document by what ``change`` makes of it, however many others do so at the same time.

    Parameters
    ----------
    store
        The bucket.
    key
        The document.
    change
        Gets the document's bytes, None when there is none, and returns the new ones and a result; None, or
        the same bytes, leave it as it is. It is called again after each lost swap.
    log
        The task's log.

    Raises
    ------
    DocumentBusyError
        Others were faster :data:`SWAP_ATTEMPTS` times in a row.
    """
    for attempt in range(SWAP_ATTEMPTS):
        try:
            data, etag = store.read(key)
        except ObjectMissingError:
            data, etag = None, ""
        changed, result = change(data)
        if changed is None or changed == data:
            return result
        try:
            if data is None:
                store.write_if_absent(key, changed)
            else:
                store.compare_and_swap(key, changed, etag)
        except ObjectChangedError:
            log.info("%s was changed by another run: looking again.", store.uri(key))
            pause(attempt)
            continue
        return result
    raise DocumentBusyError(
        f"{store.uri(key)} was changed by other runs {SWAP_ATTEMPTS} times in a row: run the task "
        "again when fewer nights are launched at once."
    )
