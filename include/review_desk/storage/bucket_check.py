"""Startup check that the desk can reach its buckets. Faults are only logged, since S3 may come up later."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.review_desk.storage.object_store import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.review_desk.storage.object_store import S3Store

logger = logging.getLogger(__name__)

_NO_CREDENTIALS = frozenset({"NoCredentialsError", "PartialCredentialsError"})


def check_buckets(store: S3Store, buckets: Iterable[str]) -> None:
    """Ask S3 for each bucket and log one sentence about it."""
    for bucket in buckets:
        try:
            store.head_bucket(bucket)
        except StoreUnavailable as refusal:
            logger.warning(_sentence(bucket, refusal), extra={"bucket": bucket, "reason": str(refusal)})
        else:
            logger.info("The bucket can be reached.", extra={"bucket": bucket})


def _sentence(bucket: str, refusal: StoreUnavailable) -> str:
    code = str(refusal)
    if code in _NO_CREDENTIALS:
        return (
            "The desk has no AWS credentials: images cannot be shown and answers wait here until it has: "
            "restart it with some, for example AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    if code in ("404", "NoSuchBucket"):
        return f"The bucket {bucket} does not exist: create it or correct --bucket; answers wait until then."
    if not refusal.away:
        return (
            f"S3 refuses access to the bucket {bucket}: allow s3:GetObject and s3:PutObject on its objects; "
            "if they are allowed already, allow s3:ListBucket too to silence this line."
        )
    return f"S3 cannot be reached for the bucket {bucket}: answers wait here until it can."
