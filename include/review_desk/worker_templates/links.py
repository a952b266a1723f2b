"""Presigned links for templates: only into the desk's own buckets, and a sentence where none can be made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from include.review_desk.errors import LinkUnavailable, RenderFailure

if TYPE_CHECKING:
    from include.review_desk.storage.object_store import ObjectStore
    from include.review_desk.worker_templates.rendering import Presigner


def presigner(store: ObjectStore, buckets: tuple[str, ...] | None) -> Presigner:
    """What ``grant_read_access`` calls; ``buckets`` are the only ones it may link to, None: any.

    It raises RenderFailure for another bucket, and LinkUnavailable while the desk has no AWS credentials to
    sign with.
    """

    def presign(bucket: str, key: str, lifetime_seconds: int) -> str:
        if buckets is not None and bucket not in buckets:
            raise RenderFailure(
                "InvalidParameters",
                f'"grant_read_access" may not read from the bucket "{bucket}": the Review Desk was started '
                "with other buckets.",
            )
        try:
            return store.presign_get(bucket, key, lifetime_seconds)
        # Renewing credentials asks other services (ClientError), and may end with old ones (RuntimeError).
        except (BotoCoreError, ClientError, RuntimeError) as error:
            raise LinkUnavailable(
                "InvalidParameters",
                f"The Review Desk cannot sign links to S3 ({type(error).__name__}): its AWS credentials are "
                "missing or have expired.",
            ) from error

    return presign
