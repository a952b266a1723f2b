"""Where a deployment lies: its bucket and prefix."""

from __future__ import annotations

from dataclasses import dataclass

from secondlook.failures.exceptions import S3UriError
from secondlook.layout.addresses import check_bucket, check_prefix, split_s3_uri


@dataclass(frozen=True, slots=True)
class Place:
    """One deployment's part of a bucket, ``s3://<bucket>/<prefix>``.

    Methods return keys, prefix included and without a trailing slash; ``uri`` makes an address of one.
    Append ``/`` before listing a folder.
    """

    bucket: str
    prefix: str = ""

    def __post_init__(self) -> None:
        check_bucket(self.bucket)
        object.__setattr__(self, "prefix", check_prefix(self.prefix.strip("/")))

    def uri(self, key: str) -> str:
        """Return the address ``s3://<bucket>/<key>``."""
        return f"s3://{self.bucket}/{key}"

    def key_of(self, uri: str) -> str:
        """Return the key of an address in this bucket.

        Raises
        ------
        S3UriError
            When the address names another bucket.
        """
        bucket, key = split_s3_uri(uri)
        if bucket != self.bucket:
            raise S3UriError(
                f"{uri} lies in bucket {bucket!r}, but this deployment keeps its data in {self.bucket!r}."
            )
        return key

    def _key(self, *parts: str) -> str:
        return "/".join((self.prefix, *parts) if self.prefix else parts)
