"""Documents in S3 as typed values, and the only loop that changes what other runs change at the same time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from secondlook.backoff import pause
from secondlook.failures.exceptions import SecondLookError
from secondlook.stored import ObjectChangedError, ObjectMissingError

if TYPE_CHECKING:
    from collections.abc import Callable


log = logging.getLogger(__name__)

# Each lost swap means that another run succeeded, so only a document that many runs keep busy gets this far.
SWAP_ATTEMPTS = 200


class Form(Protocol):
    """A value with one JSON form, such as a :class:`secondlook.json_document.JsonDocument`."""

    def to_json(self) -> bytes:
        """Return the document's bytes; equal values give equal bytes."""

    @classmethod
    def from_json(cls, data: bytes, *, source: str) -> Self:
        """Read the bytes; ``source`` names the document in errors."""


class Objects(Protocol):
    """The part of an :class:`secondlook.hooks.s3.ObjectStore` that documents need."""

    def read(self, key: str) -> tuple[bytes, str]:
        """Return the bytes of an object and its ETag."""

    def write_if_absent(self, key: str, data: bytes) -> str:
        """Write an object unless it exists."""

    def compare_and_swap(self, key: str, data: bytes, expected_etag: str) -> str:
        """Replace an object if it still has this ETag."""

    def uri(self, key: str) -> str:
        """Return the address of a key."""


T = TypeVar("T", bound=Form)


class DocumentBusyError(SecondLookError):
    """Too many runs change one document at once."""

    passing = True


class Document(Generic[T]):
    """One document in S3.

    Every method raises StoreError when S3 refuses or fails, and the form's own error when the document
    cannot be read.

    Parameters
    ----------
    store
        The bucket.
    key
        The document's key.
    form
        The type of its value.
    wait
        Called with the number of the attempt (from 0) after each lost swap; sleeps with exponential back-off
        and full jitter by default.
    """

    def __init__(
        self, store: Objects, key: str, form: type[T], *, wait: Callable[[int], None] | None = None
    ) -> None:
        self._store = store
        self._key = key
        self._form = form
        self._wait = wait
        self.uri = store.uri(key)

    def read(self) -> T | None:
        """Return the value, or None when there is no document."""
        return self._read()[0]

    def write_once(self, value: T) -> T:
        """Write the document unless there is one; return the value that the document has now."""
        return self.swap(lambda now: value if now is None else now)

    def swap(self, change: Callable[[T | None], T]) -> T:
        """Replace the value by what ``change`` makes of it, and return the value that the document has now.

        A write whose answer was lost is repeated by the client and then refused: the change is called again
        with its own value, so it must leave alone what it has changed already.

        Parameters
        ----------
        change
            Gets the value, None when there is no document, and returns the new one; an equal value leaves the
            document as it is. Called again after each lost swap; what it raises ends the swap.

        Raises
        ------
        DocumentBusyError
            Other runs were faster :data:`SWAP_ATTEMPTS` times in a row.
        """
        value = self._swap(change)
        assert value is not None
        return value

    def update(self, change: Callable[[T], T]) -> T | None:
        """Like :meth:`swap` for a document that exists; None, and nothing is written, when there is none."""
        return self._swap(lambda now: None if now is None else change(now))

    def _swap(self, change: Callable[[T | None], T | None]) -> T | None:
        for attempt in range(SWAP_ATTEMPTS):
            before, etag = self._read()
            after = change(before)
            if after is None or (before is not None and after.to_json() == before.to_json()):
                return before
            try:
                if before is None:
                    self._store.write_if_absent(self._key, after.to_json())
                else:
                    self._store.compare_and_swap(self._key, after.to_json(), etag)
            except ObjectChangedError:
                log.info("Another run changed %s: reading it again.", self.uri)
                (self._wait or pause)(attempt)
                continue
            return after
        raise DocumentBusyError(
            f"Other runs changed {self.uri} {SWAP_ATTEMPTS} times in a row: run the task again when fewer "
            "runs work at the same time."
        )

    def _read(self) -> tuple[T | None, str]:
        try:
            data, etag = self._store.read(self._key)
        except ObjectMissingError:
            return None, ""
        return self._form.from_json(data, source=self.uri), etag
