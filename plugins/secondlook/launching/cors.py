"""Whether a browser may read images from a bucket: A2I shows them with links into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from secondlook.failures.aws import error_code, error_message
from secondlook.failures.exceptions import ReviewSetupError
from secondlook.hooks.clients import S3ClientHook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What A2I needs on the bucket of the images (SageMaker Developer Guide, "CORS Permission Requirement").
_RULE = '[{"AllowedHeaders": [], "AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "ExposeHeaders": []}]'
# The second is that of the sandboxed frame in which a Review Desk shows a task.
_ORIGINS = {"*", "null"}


def cors_fault(bucket: str, aws_conn_id: str, region_name: str | None) -> str | None:
    """Return a sentence about what would keep reviewers from seeing images, None if nothing would.

    :param bucket: the bucket of the images.
    :param aws_conn_id: Airflow connection for S3.
    :param region_name: AWS Region; the connection's when None.
    :raises ReviewSetupError: there is no such bucket.
    """
    try:
        rules = _rules(S3ClientHook(aws_conn_id, region_name).client, bucket)
    except ClientError as error:
        if error_code(error) == "NoSuchBucket":
            raise ReviewSetupError(
                f"The bucket {bucket} does not exist as seen by the connection {aws_conn_id}: create it, or "
                "correct the setting bucket."
            ) from error
        return f"CORS of bucket {bucket} could not be checked: {error_message(error)}"
    if allows_reading(rules):
        return None
    return (
        f"The bucket {bucket} has no CORS rule that lets browsers read from it; on Amazon A2I reviewers "
        f"would see no image. Add this rule to its permissions: {_RULE}"
    )


def allows_reading(rules: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether the pages on which people review may GET from a bucket with these CORS rules."""
    return any(
        "GET" in rule.get("AllowedMethods", ()) and not _ORIGINS.isdisjoint(rule.get("AllowedOrigins", ()))
        for rule in rules
    )


def _rules(client: Any, bucket: str) -> list[dict[str, Any]]:
    try:
        return list(client.get_bucket_cors(Bucket=bucket)["CORSRules"])
    except ClientError as error:
        if error_code(error) != "NoSuchCORSConfiguration":
            raise
        return []
