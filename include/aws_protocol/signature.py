"""Signature Version 4: checks that a request comes from a holder of the secret key.

Follows "Authenticating Requests (AWS Signature Version 4)" for services other than S3: the path is
percent-encoded once more, and the body's SHA-256 is part of what is signed. What can be checked before the
body is read is checked by :func:`read_claim` and :func:`check_head`, so that few bodies are read in vain.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from botocore.utils import normalize_url_path

from include.aws_protocol.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_SKEW = timedelta(minutes=15)
_AUTHORIZATION = re.compile(
    ALGORITHM + r"\s+Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)"
    r"/aws4_request,\s*SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_SHA256 = re.compile(r"[0-9a-f]{64}")
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class SignedRequest:
    """What a signature covers of an HTTP request.

    Header names are in lower case, path and query as sent; ``body_sha256`` is hexadecimal.
    """

    method: str
    raw_path: str
    query: str
    headers: Mapping[str, str]
    body_sha256: str = EMPTY_SHA256


@dataclass(frozen=True)
class Claim:
    """What an Authorization header says; nothing of it is verified."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str


@dataclass(frozen=True)
class Identity:
    """Who signed, and for which region and service."""

    access_key_id: str
    region: str
    service: str


def read_claim(headers: Mapping[str, str]) -> Claim:
    """Read who is said to have signed a request.

    Raises
    ------
    ServiceError
        ``MissingAuthenticationTokenException`` (not signed), ``IncompleteSignatureException`` (malformed).
    """
    header = headers.get("authorization")
    if not header:
        raise _refused(
            "MissingAuthenticationTokenException", "Missing Authentication Token: sign the request."
        )
    parts = _AUTHORIZATION.fullmatch(header.strip())
    if parts is None:
        raise _refused(
            "IncompleteSignatureException", f"The Authorization header is not a valid {ALGORITHM} one."
        )
    return Claim(
        access_key_id=parts["key"],
        date=parts["date"],
        region=parts["region"],
        service=parts["service"],
        signed_headers=tuple(parts["headers"].split(";")),
        signature=parts["signature"],
    )


def unknown_key() -> ServiceError:
    """The error for an access key id that may not call."""
    return _refused("UnrecognizedClientException", "The security token included in the request is invalid.")


def check_head(claim: Claim, request: SignedRequest, secret: str, now: datetime | None = None) -> None:
    """Check what does not need the body: clock, coverage, and the signature if the body's hash is told.

    Raises
    ------
    ServiceError
        As :func:`verify`.
    """
    _check_clock(request.headers.get("x-amz-date", ""), claim.date, now or datetime.now(UTC))
    _check_coverage(claim.signed_headers, request)
    declared = request.headers.get("x-amz-content-sha256")
    if declared is not None:
        if not _SHA256.fullmatch(declared):
            raise _other_body()
        check_signature(claim, replace(request, body_sha256=declared), secret)


def check_signature(claim: Claim, request: SignedRequest, secret: str) -> Identity:
    """Check the signature over a request of which all is known.

    Raises
    ------
    ServiceError
        ``InvalidSignatureException``.
    """
    declared = request.headers.get("x-amz-content-sha256")
    if declared is not None and declared != request.body_sha256:
        raise _other_body()
    timestamp = request.headers.get("x-amz-date", "")
    scope = f"{claim.date}/{claim.region}/{claim.service}/aws4_request"
    canonical = canonical_request(request, claim.signed_headers)
    text = "\n".join([ALGORITHM, timestamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = signing_key(secret, claim.date, claim.region, claim.service)
    expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, claim.signature):
        raise _refused(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method.",
        )
    return Identity(claim.access_key_id, claim.region, claim.service)


def verify(request: SignedRequest, credentials: Mapping[str, str], now: datetime | None = None) -> Identity:
    """Check a request's signature against the secret keys in ``credentials`` (access key id -> secret).

    Raises
    ------
    ServiceError
        Status 403, with the code that AWS uses: ``MissingAuthenticationTokenException`` (not signed),
        ``IncompleteSignatureException`` (header malformed), ``UnrecognizedClientException`` (key unknown),
        ``InvalidSignatureException`` (wrong secret, changed request, clock more than 15 minutes off).
    """
    claim = read_claim(request.headers)
    secret = credentials.get(claim.access_key_id)
    if secret is None:
        raise unknown_key()
    check_head(claim, request, secret, now)
    return check_signature(claim, request, secret)


def canonical_request(request: SignedRequest, signed_headers: Iterable[str]) -> str:
    """Write a request in the one form that both sides sign."""
    path = quote(normalize_url_path(request.raw_path), safe="/~")
    pairs = sorted(part.partition("=")[::2] for part in request.query.split("&") if part)
    query = "&".join(f"{name}={value}" for name, value in pairs)
    signed_headers = tuple(signed_headers)
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in signed_headers)
    names = ";".join(signed_headers)
    return "\n".join([request.method, path, query, headers, names, request.body_sha256])


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


def _check_coverage(signed: tuple[str, ...], request: SignedRequest) -> None:
    """Refuse a signature that does not cover the essential headers."""
    needed = {"host", "x-amz-date"} | ({"x-amz-target"} & request.headers.keys())
    if not needed <= set(signed) or any(name not in request.headers for name in signed):
        raise _refused(
            "InvalidSignatureException", f"The signature must cover the headers {', '.join(sorted(needed))}."
        )


def _other_body() -> ServiceError:
    return _refused(
        "InvalidSignatureException",
        "The body is not the one that the X-Amz-Content-SHA256 header describes.",
    )


def _refused(code: str, message: str) -> ServiceError:
    return ServiceError(code, message, 403)
