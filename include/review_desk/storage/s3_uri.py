"""S3 URIs: where flow definitions have output.json written, and the objects that templates link to."""

from __future__ import annotations

import functools
import re
from urllib.parse import unquote

from botocore.loaders import Loader

from include.formats.s3_uri import BUCKET
from include.review_desk.clock import as_datetime
from include.review_desk.errors import InvalidRequest

_OUTPUT_PATH = re.compile(rf"s3://({BUCKET})(/.*)?")
_OBJECT = re.compile(rf"s3://({BUCKET})/(.+)", re.DOTALL)
_WEB_ADDRESS = re.compile(r"https?://([^/?#]*)/(.+)", re.DOTALL | re.IGNORECASE)
_PATH_STYLE = re.compile(rf"({BUCKET})/(.+)", re.DOTALL)
# What a web address may hold (RFC 3986); a key that was pasted into one as it is mostly holds more.
_URL_TEXT = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?#\[\]]|%[0-9A-Fa-f]{2})*")


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


def object_of(address: str) -> tuple[str, str] | None:
    """Bucket and key that ``address`` names, or None.

    ``s3://bucket/key``, or one of Amazon S3's own web addresses of any Region, http or https, with the bucket
    in the path or in the host. AWS's sample templates paste keys into ``http://s3.amazonaws.com/`` as they
    are, while consoles and SDKs escape them: escapes are undone where the whole is a proper web address.
    """
    match = _OBJECT.fullmatch(address)
    if match is not None:
        return match[1], match[2]
    match = _WEB_ADDRESS.fullmatch(address)
    if match is None:
        return None
    host = _host_pattern().fullmatch(match[1].lower())
    if host is None:
        return None
    if host["bucket"] is not None:
        key = _key_of(match[2])
        return (host["bucket"], key) if key else None
    path = _PATH_STYLE.fullmatch(match[2])
    key = _key_of(path[2]) if path else None
    return (path[1], key) if path and key else None


def _key_of(path: str) -> str | None:
    """The key in the rest of a web address; None where it has a query, as signed links do."""
    if _URL_TEXT.fullmatch(path) is None:
        return path
    if "?" in path:
        return None
    try:
        return unquote(path, errors="strict")
    except UnicodeDecodeError:
        return path


@functools.cache
def _host_pattern() -> re.Pattern[str]:
    """Amazon S3's hosts, of every Region that botocore knows the pattern of.

    Source: Amazon S3 User Guide, "Virtual hosting of general purpose buckets", dual-stack, FIPS and transfer
    acceleration endpoints; botocore's partitions.json.
    """
    hosts = [r"s3(?:-external-1)?\.amazonaws\.com", r"(?<=\.)s3-accelerate(?:\.dualstack)?\.amazonaws\.com"]
    for partition in Loader().load_data("partitions")["partitions"]:
        region = partition["regionRegex"].removeprefix("^").removesuffix("$")
        suffix = re.escape(partition["outputs"]["dnsSuffix"])
        hosts.append(rf"s3(?:-fips)?(?:\.dualstack)?[.-](?:{region})\.{suffix}")
    return re.compile(rf"(?:(?P<bucket>{BUCKET})\.)?(?:{'|'.join(hosts)})")
