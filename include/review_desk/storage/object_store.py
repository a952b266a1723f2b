"""Amazon S3 as the desk uses it: presigned links to read an image, and one PUT for each output.json."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)


class StoreUnavailable(Exception):
    """S3 did not accept the object; the message is a short code such as NoSuchBucket.

    ``away``: S3 is unreachable, and every object would fail; else it refused this one.
    """

    def __init__(self, code: str, *, away: bool) -> None:
        super().__init__(code)
        self.away = away


class ObjectStore(Protocol):
    """What the desk needs of S3."""

    def presign_get(self, bucket: str, key: str, lifetime_seconds: int) -> str:
        """URL that reads the object for ``lifetime_seconds``."""

    def put_json(self, bucket: str, key: str, body: bytes) -> None:
        """Write one JSON document, or raise StoreUnavailable."""


class S3Store:
    """S3 by boto3.

    Requests are tried once and time out quickly: the caller keeps the work and tries again later.
    """

    def __init__(
        self,
        *,
        region: str,
        endpoint_url: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
    ) -> None:
        self._client: Any = boto3.session.Session().client(
            "s3",
            region_name=region,
            endpoint_url=endpoint_url,
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path" if endpoint_url else "auto"},
                connect_timeout=3,
                read_timeout=20,
                retries={"total_max_attempts": 1},
                max_pool_connections=16,
            ),
        )

    def presign_get(self, bucket: str, key: str, lifetime_seconds: int) -> str:
        """URL that reads the object for ``lifetime_seconds``; made locally, without a request to S3."""
        url: str = self._client.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=lifetime_seconds
        )
        return url

    def head_bucket(self, bucket: str) -> None:
        """Ask S3 whether the bucket can be reached.

        Raises
        ------
        StoreUnavailable
            It does not exist (``404``), access is refused (``403``), or S3 cannot be reached.
        """
        with _s3_errors():
            self._client.head_bucket(Bucket=bucket)

    def put_json(self, bucket: str, key: str, body: bytes) -> None:
        """Write one JSON document.

        Raises
        ------
        StoreUnavailable
            S3 cannot be reached or refuses.
        """
        with _s3_errors():
            self._client.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")


@contextlib.contextmanager
def _s3_errors() -> Iterator[None]:
    """Turn boto3's errors into StoreUnavailable."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "Unknown"))
        raise StoreUnavailable(code, away=False) from error
    except BotoCoreError as error:
        raise StoreUnavailable(type(error).__name__, away=True) from error
