"""What lies in S3, as plain values: an object of a listing, its head, its content; and what can go wrong."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from secondlook.failures.exceptions import SecondLookError

if TYPE_CHECKING:
    from datetime import datetime


class StoreError(SecondLookError):
    """S3 refused or could not be used; one sentence names the bucket, the key and the connection."""


class ObjectMissingError(StoreError):
    """There is no object under this key."""


class ObjectChangedError(StoreError):
    """The object is no longer (or already) the version that the caller expected."""

    passing = True


@dataclass(frozen=True)
class StoredObject:
    """One object of a listing: key (prefix included), ETag without quotes, size in bytes, time of writing."""

    key: str
    etag: str
    size: int
    modified: datetime | None = None


@dataclass(frozen=True)
class ObjectHead:
    """What S3 says about an object without sending it."""

    etag: str
    size: int
    metadata: dict[str, str] = field(default_factory=dict)


class Content(NamedTuple):
    """The bytes of an object, and the version that they are of.

    The ETag only tells one version of a key from another: with SSE-KMS, SSE-C and multipart uploads equal
    bytes have different ones (Amazon S3 API Reference, Object). What the content is, ``sha256`` tells.
    """

    data: bytes
    etag: str

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes, 64 lower-case hexadecimal digits."""
        return hashlib.sha256(self.data).hexdigest()
