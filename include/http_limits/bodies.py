"""Reading the body of one request: hashed as it arrives, and in memory only while it is short."""

from __future__ import annotations

import hashlib
import tempfile
from typing import IO, TYPE_CHECKING, cast

from include.http_limits.refusals import RequestTooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from starlette.types import Receive

# Nearly all requests are shorter; what is longer goes to a temporary file.
_IN_MEMORY_BYTES = 64 * 1024
_PART_BYTES = 1024 * 1024
# Of a longer body, only what comes with the head is read before it is asked for.
_SHORT_BYTES = 16 * 1024


class ClientGone(Exception):
    """The client disconnected before its request was complete."""


class Body:
    """What arrived of a body. A context manager: the temporary file of a long one is gone afterwards."""

    def __init__(self) -> None:
        # Closed by __exit__.
        spooled = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115
        self._file = cast("IO[bytes]", spooled)
        self._digest = hashlib.sha256()
        self.size = 0

    def __enter__(self) -> Body:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def sha256(self) -> str:
        """The hash of all bytes, as hexadecimal text."""
        return self._digest.hexdigest()

    def add(self, part: bytes) -> None:
        """The next bytes."""
        self.size += len(part)
        self._digest.update(part)
        self._file.write(part)

    def read(self) -> bytes:
        """All bytes."""
        self._file.seek(0)
        return self._file.read()

    def parts(self) -> Iterator[bytes]:
        """All bytes, a MiB at a time."""
        self._file.seek(0)
        while part := self._file.read(_PART_BYTES):
            yield part


def announced_bytes(headers: list[tuple[bytes, bytes]]) -> int | None:
    """The length that a request's headers tell, None if they tell none."""
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return None


def has_long_body(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a request announces a body of more than 16 KiB, or one of unknown length."""
    for name, value in headers:
        if name == b"transfer-encoding":
            return True
        if name == b"content-length":
            return len(value) > 9 or not value.isdigit() or int(value) > _SHORT_BYTES
    return False


async def receive_body(receive: Receive, body: Body, *, limit: int, what: str, announced: int | None) -> None:
    """Read a request's body into ``body``.

    Parameters
    ----------
    limit
        Bytes that are allowed.
    what
        The request, for the error's sentence.
    announced
        The length in the headers: what is too long by its own account is refused unread.

    Raises
    ------
    RequestTooLarge
        As soon as the limit is passed.
    ClientGone
    """
    check_size(announced or 0, limit, what)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        check_size(body.size + len(part), limit, what)
        body.add(part)
        if not message.get("more_body", False):
            return


def check_size(size: int, limit: int, what: str) -> None:
    """Raise RequestTooLarge for a body of ``size`` bytes or more that goes beyond ``limit``."""
    if size > limit:
        raise RequestTooLarge(f"{what} has at least {size} bytes, more than the {limit} that are allowed.")
