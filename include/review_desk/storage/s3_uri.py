"""S3 URIs of flow definitions: where output.json goes."""

from __future__ import annotations

import re

from include.review_desk.clock import as_datetime
from include.review_desk.errors import InvalidRequest

_OUTPUT_PATH = re.compile(r"s3://([a-z0-9][a-z0-9.\-]{1,61}[a-z0-9])(/.*)?")


def check_output_path(path: str, buckets: tuple[str, ...] | None = None) -> None:
    """Raise InvalidRequest unless ``path`` is ``s3://bucket`` or ``s3://bucket/prefix``.

    ``buckets`` are the only ones that the desk may write to; None: any.
    """
    match = _OUTPUT_PATH.fullmatch(path)
    if match is None:
        raise InvalidRequest(
            f"S3OutputPath {path!r} is not an S3 URI: write s3://bucket/prefix with a bucket that S3 allows."
        )
    if buckets is not None and match[1] not in buckets:
        raise InvalidRequest(
            f"S3OutputPath {path!r} lies in a bucket that the Review Desk was not started with: use one of "
            f"{', '.join(buckets)}, or start it with --bucket {match[1]} too."
        )


def output_uri(output_path: str, flow_name: str, created_ms: int, loop_name: str) -> str:
    """``<S3OutputPath>/<flow>/YYYY/MM/DD/hh/mm/ss/<loop>/output.json``, of the loop's creation in UTC.

    Source: SageMaker Developer Guide, "Monitor and Manage Your Human Loop".
    """
    moment = as_datetime(created_ms)
    return f"{output_path.rstrip('/')}/{flow_name}/{moment:%Y/%m/%d/%H/%M/%S}/{loop_name}/output.json"


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of ``uri``."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
