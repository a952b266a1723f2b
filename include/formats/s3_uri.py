"""S3 URIs, ``s3://bucket/key``."""

from __future__ import annotations

import re

BUCKET = r"[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]"
"""Pattern of a bucket's name (Amazon S3 User Guide, "General purpose bucket naming rules")."""

_URI = re.compile(rf"s3://({BUCKET})(?:/(.*))?", re.DOTALL)


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into bucket and key; the key may be empty and may hold any character.

    Raises
    ------
    ValueError
        ``uri`` has another form.
    """
    match = _URI.fullmatch(uri)
    if match is None:
        raise ValueError(f"{uri!r} is not an S3 address; write it as s3://bucket/key.")
    return match[1], match[2] or ""
