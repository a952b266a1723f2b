"""Signature Version 4: checks that a request comes from a holder of the secret key.

Follows "Authenticating Requests (AWS Signature Version 4)" for services other than S3: the path is
percent-encoded once more, and the body's SHA-256 is part of what is signed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from botocore.utils import normalize_url_path

from include.aws_protocol.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_SKEW = timedelta(minutes=15)
_AUTHORIZATION = re.compile(
    ALGORITHM + r"\s+Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)"
    r"/aws4_request,\s*SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class SignedRequest:
    """What a signature covers of an HTTP request; header names in lower case, path and query as sent."""

    method: str
    raw_path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Identity:
    """Who signed, and for which region and service."""

    access_key_id: str
    region: str
    service: str


def verify(request: SignedRequest, credentials: Mapping[str, str], now: datetime | None = None) -> Identity:
    """Check a request's signature against the secret keys in ``credentials`` (access key id -> secret).

    Raises
    ------
    ServiceError
        Status 403, with the code that AWS uses: ``MissingAuthenticationTokenException`` (not signed),
        ``IncompleteSignatureException`` (header malformed), ``UnrecognizedClientException`` (key unknown),
        ``InvalidSignatureException`` (wrong secret, changed request, clock more than 15 minutes off).
    """
    header = request.headers.get("authorization")
    if not header:
        raise _refused(
            "MissingAuthenticationTokenException", "Missing Authentication Token: sign the request."
        )
    parts = _AUTHORIZATION.fullmatch(header.strip())
    if parts is None:
        raise _refused(
            "IncompleteSignatureException", f"The Authorization header is not a valid {ALGORITHM} one."
        )
    secret = credentials.get(parts["key"])
    if secret is None:
        raise _refused(
            "UnrecognizedClientException", "The security token included in the request is invalid."
        )
    timestamp = request.headers.get("x-amz-date", "")
    _check_clock(timestamp, parts["date"], now or datetime.now(UTC))
    signed = parts["headers"].split(";")
    _check_coverage(signed, request)
    scope = f"{parts['date']}/{parts['region']}/{parts['service']}/aws4_request"
    canonical = canonical_request(request, signed)
    text = "\n".join([ALGORITHM, timestamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = signing_key(secret, parts["date"], parts["region"], parts["service"])
    expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, parts["signature"]):
        raise _refused(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method.",
        )
    return Identity(parts["key"], parts["region"], parts["service"])


def claimed_key(headers: Mapping[str, str]) -> str | None:
    """The access key id that a request says it was signed with, before anything is verified."""
    parts = _AUTHORIZATION.fullmatch(headers.get("authorization", "").strip())
    return parts["key"] if parts else None


def canonical_request(request: SignedRequest, signed_headers: list[str]) -> str:
    """Write a request in the one form that both sides sign."""
    path = quote(normalize_url_path(request.raw_path), safe="/~")
    pairs = sorted(part.partition("=")[::2] for part in request.query.split("&") if part)
    query = "&".join(f"{name}={value}" for name, value in pairs)
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in signed_headers)
    payload = hashlib.sha256(request.body).hexdigest()
    return "\n".join([request.method, path, query, headers, ";".join(signed_headers), payload])


def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """Derive the key that signs all requests of one day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _check_clock(timestamp: str, scope_date: str, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise _refused(
            "IncompleteSignatureException",
            "The X-Amz-Date header is missing or not of the form 20260131T120000Z.",
        ) from None
    if timestamp[:8] != scope_date:
        raise _refused(
            "InvalidSignatureException", "The date in the credential scope is not that of X-Amz-Date."
        )
    if abs(now - signed_at) > MAX_SKEW:
        raise _refused(
            "InvalidSignatureException",
            f"Signature expired: {timestamp} is more than 15 minutes from {now:%Y%m%dT%H%M%SZ}; "
            "set the clock right.",
        )


def _check_coverage(signed: list[str], request: SignedRequest) -> None:
    """Refuse a signature that does not cover the essential headers, or a body other than the signed one."""
    needed = {"host", "x-amz-date"} | ({"x-amz-target"} & request.headers.keys())
    if not needed <= set(signed) or any(name not in request.headers for name in signed):
        raise _refused(
            "InvalidSignatureException", f"The signature must cover the headers {', '.join(sorted(needed))}."
        )
    declared = request.headers.get("x-amz-content-sha256")
    actual = hashlib.sha256(request.body).hexdigest()
    if declared is not None and not hmac.compare_digest(declared.encode(), actual.encode()):
        raise _refused(
            "InvalidSignatureException",
            "The body is not the one that the X-Amz-Content-SHA256 header describes.",
        )


def _refused(code: str, message: str) -> ServiceError:
    return ServiceError(code, message, 403)
