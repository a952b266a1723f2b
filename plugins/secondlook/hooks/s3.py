"""Objects in S3 as plain values: read, write, write once, compare and swap."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, BinaryIO

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from secondlook import jsonl
from secondlook.backoff import pause
from secondlook.failures.aws import error_code
from secondlook.failures.causes import Cause
from secondlook.failures.explain import Place, explain
from secondlook.hooks.clients import S3ClientHook
from secondlook.stored import (
    Content,
    ObjectChangedError,
    ObjectHead,
    ObjectMissingError,
    StoredObject,
    StoreError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Content",
    "ObjectChangedError",
    "ObjectHead",
    "ObjectMissingError",
    "ObjectStore",
    "StoreError",
    "StoredObject",
]

_ABSENT = {"NoSuchKey", "404", "NotFound"}
# The condition of the request does not hold: another object is there.
_CHANGED = {"PreconditionFailed", "412"}
# Another request about the key was under way: nothing was written, the condition was not even looked at, and
# S3 wants the write repeated (PutObject, "Conditional writes"). botocore does not do that by itself.
_CONFLICT = {"ConditionalRequestConflict", "409"}
CONFLICT_ATTEMPTS = 6
_ADVICE = {Cause.DENIED: "check the connection's credentials and the bucket's policy, then clear the task"}
PIECE_BYTES = 1024 * 1024
# Metadata of a large file: what its content is, for those who would not read all of it to find out.
SHA256 = "sha256"


class ObjectStore:
    """One S3 bucket; safe to share between threads. Errors are one sentence with the address and what to do.

    Example:

        store = ObjectStore("cells", aws_conn_id="aws_default")
        data, etag = store.read("counts.json")
        store.compare_and_swap("counts.json", changed, etag)

    :param bucket: its name.
    :param aws_conn_id: Airflow connection.
    :param region_name: AWS Region; the connection's when None.
    """

    def __init__(
        self, bucket: str, aws_conn_id: str | None = "aws_default", region_name: str | None = None
    ) -> None:
        self.bucket = bucket
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self._client = S3ClientHook(aws_conn_id, region_name).client

    def of_bucket(self, bucket: str) -> ObjectStore:
        """Return what reads another bucket by the same connection."""
        return self if bucket == self.bucket else ObjectStore(bucket, self.aws_conn_id, self.region_name)

    def list_objects(self, prefix: str, *, after: str | None = None) -> Iterator[StoredObject]:
        """Objects whose key starts with ``prefix``, in key order; folder markers are left out.

        Pages are fetched as they are needed. ``after`` is a key: the listing begins behind it.

        :raises StoreError: The bucket is missing or may not be listed.
        """
        start = {"StartAfter": after} if after is not None else {}
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, **start
        )
        try:
            for page in pages:
                for item in page.get("Contents", ()):
                    if not item["Key"].endswith("/"):
                        etag = item["ETag"].strip('"')
                        yield StoredObject(item["Key"], etag, int(item["Size"]), item.get("LastModified"))
        except ClientError as error:
            raise self._explain(error, prefix) from error

    def head(self, key: str) -> ObjectHead | None:
        """ETag, size and user metadata, or None when there is no such object."""
        try:
            answer = self._client.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return None
            raise self._explain(error, key) from error
        return ObjectHead(
            answer["ETag"].strip('"'), int(answer["ContentLength"]), dict(answer.get("Metadata", {}))
        )

    def exists(self, key: str) -> bool:
        """Whether there is an object under exactly this key."""
        return self.head(key) is not None

    def read(self, key: str, *, if_match: str | None = None) -> Content:
        """Bytes and ETag of an object, and the SHA-256 of the bytes.

        :raises ObjectMissingError: No such object.
        :raises ObjectChangedError: ``if_match`` (an ETag) was given and the object has another one by now.
        """
        condition = {"IfMatch": f'"{if_match}"'} if if_match else {}
        try:
            answer = self._client.get_object(Bucket=self.bucket, Key=key, **condition)
            return Content(answer["Body"].read(), answer["ETag"].strip('"'))
        except ClientError as error:
            raise self._explain(error, key) from error

    def sha256(self, key: str) -> str:
        """SHA-256 of an object of any size, which is read in pieces. Raises like :meth:`read`."""
        digest = hashlib.sha256()
        try:
            body = self._client.get_object(Bucket=self.bucket, Key=key)["Body"]
            for piece in body.iter_chunks(PIECE_BYTES):
                digest.update(piece)
        except ClientError as error:
            raise self._explain(error, key) from error
        return digest.hexdigest()

    def read_start(self, key: str, count: int) -> bytes:
        """The first ``count`` bytes of an object that is not empty. Raises like :meth:`read`."""
        return self._read_range(key, f"bytes=0-{count - 1}")[:count]

    def read_end(self, key: str, count: int) -> bytes:
        """The last ``count`` bytes of an object that is not empty. Raises like :meth:`read`."""
        return self._read_range(key, f"bytes=-{count}")[-count:]

    def read_jsonl(self, key: str) -> tuple[list[dict[str, Any]], str]:
        """The records of a JSON Lines object (gzip or plain) and its ETag."""
        data, etag = self.read(key)
        return jsonl.decode(data, source=self.uri(key)), etag

    def write(self, key: str, data: bytes, *, metadata: dict[str, str] | None = None) -> str:
        """Write whatever was there before; returns the new ETag."""
        return self._put(key, data, metadata)

    def write_if_absent(self, key: str, data: bytes, *, metadata: dict[str, str] | None = None) -> str:
        """Write once (``If-None-Match: *``); returns the ETag.

        :raises ObjectChangedError: The object exists already.
        :raises StoreError: One that passes: S3 went on answering that another request about the key was under
            way.
        """
        return self._put(key, data, metadata, IfNoneMatch="*")

    def compare_and_swap(
        self, key: str, data: bytes, expected_etag: str, *, metadata: dict[str, str] | None = None
    ) -> str:
        """Replace the object only if it still has ``expected_etag`` (``If-Match``); returns the new ETag.

        :raises ObjectChangedError: Another run was faster, or the object is gone.
        :raises StoreError: As above.
        """
        return self._put(key, data, metadata, IfMatch=f'"{expected_etag}"')

    def upload(self, key: str, file: BinaryIO, *, metadata: dict[str, str] | None = None) -> None:
        """Write a large file, in several parts if need be."""
        try:
            self._client.upload_fileobj(file, self.bucket, key, ExtraArgs={"Metadata": metadata or {}})
        except (ClientError, S3UploadFailedError) as error:
            cause = error if isinstance(error, ClientError) else error.__context__
            if isinstance(cause, ClientError):
                raise self._explain(cause, key) from error
            raise StoreError(f"{self.uri(key)} was not uploaded: {error}") from error

    def upload_if_absent(self, key: str, file: BinaryIO, *, metadata: dict[str, str] | None = None) -> str:
        """Write a file from its current position, once; it is read in pieces. Raises as above."""
        return self._put(key, file, metadata, IfNoneMatch="*")

    def delete(self, key: str) -> None:
        """Delete the object; it is no fault when there is none."""
        try:
            self._client.delete_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            raise self._explain(error, key) from error

    def uri(self, key: str) -> str:
        """``s3://bucket/key``."""
        return f"s3://{self.bucket}/{key}"

    def _read_range(self, key: str, wanted: str) -> bytes:
        try:
            answer = self._client.get_object(Bucket=self.bucket, Key=key, Range=wanted)
            return answer["Body"].read()  # type: ignore[no-any-return]
        except ClientError as error:
            raise self._explain(error, key) from error

    def _put(
        self, key: str, data: bytes | BinaryIO, metadata: dict[str, str] | None, **condition: str
    ) -> str:
        start = None if isinstance(data, bytes) else data.tell()
        attempt = 0
        while True:
            try:
                answer = self._client.put_object(
                    Bucket=self.bucket, Key=key, Body=data, Metadata=metadata or {}, **condition
                )
                return str(answer["ETag"]).strip('"')
            except ClientError as error:
                code = error_code(error)
                if condition and code in _ABSENT:
                    raise ObjectChangedError(
                        f"{self.uri(key)} was deleted by another run: run the task again."
                    ) from error
                attempt += 1
                if code not in _CONFLICT or attempt == CONFLICT_ATTEMPTS:
                    raise self._explain(error, key) from error
            pause(attempt)
            if not isinstance(data, bytes) and start is not None:
                data.seek(start)

    def _explain(self, error: ClientError, key: str) -> StoreError:
        code = error_code(error)
        if code == "NoSuchBucket":
            return StoreError(
                f"The bucket {self.bucket} does not exist as seen by the connection {self.aws_conn_id}: "
                "create it, or correct the setting bucket."
            )
        if code in _ABSENT:
            return ObjectMissingError(f"{self.uri(key)} does not exist.")
        if code in _CHANGED:
            return ObjectChangedError(
                f"{self.uri(key)} was written by another run in the meantime: run the task again."
            )
        return StoreError(
            explain(error, f"use {self.uri(key)}", Place("Amazon S3", self.aws_conn_id, _ADVICE))
        )
