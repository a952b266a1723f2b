"""Access to S3 for jobs, with errors that say in one sentence what is missing where.

All functions block; the server calls them in threads.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from include.formats.s3_uri import split_s3_uri
from include.local_sagemaker.errors import JobError, ObjectMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class ObjectAddress:
    """A bucket and a key, or a key's prefix."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """The address as ``s3://bucket/key``."""
        return f"s3://{self.bucket}/{self.key}"

    @classmethod
    def parse(cls, uri: str) -> ObjectAddress:
        """Read ``s3://bucket/key``.

        Raises
        ------
        JobError
            When the text is not of that form.
        """
        try:
            return cls(*split_s3_uri(uri))
        except ValueError as error:
            raise JobError(str(error)) from None

    def child(self, name: str) -> ObjectAddress:
        """Return the address of a name below this prefix."""
        prefix = self.key.rstrip("/")
        return ObjectAddress(self.bucket, f"{prefix}/{name}" if prefix else name)


class S3:
    """A thin client; safe to use from many threads."""

    def __init__(self, endpoint_url: str, region: str, access_key_id: str, secret_access_key: str) -> None:
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=endpoint_url,
            region_name=region,
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            config=Config(
                retries={"mode": "standard", "max_attempts": 4}, max_pool_connections=32, connect_timeout=5
            ),
        )

    def read(self, address: ObjectAddress) -> bytes:
        """Return an object's bytes."""
        with _sentences(address):
            body: bytes = self._client.get_object(Bucket=address.bucket, Key=address.key)["Body"].read()
            return body

    def size(self, address: ObjectAddress) -> int:
        """Return an object's length in bytes; raises when there is none."""
        with _sentences(address):
            length: int = self._client.head_object(Bucket=address.bucket, Key=address.key)["ContentLength"]
            return length

    def download(self, address: ObjectAddress, path: Path) -> None:
        """Download an object to a file, making the folders above it."""
        with _sentences(address):
            path.parent.mkdir(parents=True, exist_ok=True)
            body = self._client.get_object(Bucket=address.bucket, Key=address.key)["Body"]
            with path.open("wb") as file:
                shutil.copyfileobj(body, file, 1 << 20)

    def upload(self, path: Path, address: ObjectAddress) -> None:
        """Upload a file to an object."""
        with _sentences(address), path.open("rb") as file:
            self._client.put_object(Bucket=address.bucket, Key=address.key, Body=file)

    def write(self, data: bytes, address: ObjectAddress) -> None:
        """Write an object."""
        with _sentences(address):
            self._client.put_object(Bucket=address.bucket, Key=address.key, Body=data)

    def list(self, prefix: ObjectAddress) -> list[tuple[ObjectAddress, int]]:
        """Return address and size of every object under a prefix, by key, without markers of empty folders.

        Raises
        ------
        ObjectMissingError
            When there is none.
        """
        with _sentences(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=prefix.bucket, Prefix=prefix.key
            )
            items = [item for page in pages for item in page.get("Contents", [])]
        found = [
            (ObjectAddress(prefix.bucket, item["Key"]), item["Size"])
            for item in items
            if not item["Key"].endswith("/")
        ]
        if not found:
            raise ObjectMissingError(f"There is no object under {prefix.uri}.")
        return found


@contextmanager
def _sentences(address: ObjectAddress) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code == "NoSuchBucket":
            raise ObjectMissingError(
                f"The bucket {address.bucket} of {address.uri} does not exist."
            ) from error
        if code in ("NoSuchKey", "404", "NotFound"):
            raise ObjectMissingError(f"There is no object {address.uri}.") from error
        raise JobError(f"S3 refused {address.uri}: {error}.") from error
    except BotoCoreError as error:
        raise JobError(f"S3 could not be reached for {address.uri}: {error}.") from error
    except OSError as error:
        raise JobError(f"{address.uri} could not be copied: {error}.") from error
