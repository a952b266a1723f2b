"""Signature Version 4 of requests to S3 and SQS, in headers or (S3 only) in the query of a presigned link.

Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)". The canonical request is
MiniStack's own, which it keeps for the keys of its IAM users alone.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ministack.core import sigv4

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHM = "AWS4-HMAC-SHA256"
# What the header may say of the body instead of its hash.
_UNHASHED = ("UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
_PAYLOAD = "x-amz-content-sha256"


class RefusedError(Exception):
    """A request is not let in; status, AWS's code and a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Head:
    """What comes before a request's body; header names in lower case, values of one name joined by commas."""

    method: str
    raw_path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]

    @property
    def is_presigned(self) -> bool:
        """Whether the signature is in the query."""
        return any(name.lower() == "x-amz-signature" for name in self.query)

    @property
    def body_hash(self) -> str | None:
        """The SHA-256 that the body must have; None when the signature does not cover the body."""
        declared = None if self.is_presigned else self.headers.get(_PAYLOAD)
        return None if declared in _UNHASHED else declared


@dataclass(frozen=True)
class Key:
    """The key pair whose signatures are taken."""

    access_key_id: str
    secret_access_key: str


def claimed_service(head: Head) -> str:
    """Return the service that a request is signed for, before anything is verified.

    Raises
    ------
    RefusedError
        The request is not signed, or in another way than these.
    """
    return str(_claim(head).service)


def verify(head: Head, key: Key, body: bytes = b"") -> None:
    """Check a request's signature.

    Parameters
    ----------
    body
        Needed where no header holds its hash: SQS.

    Raises
    ------
    RefusedError
        The request is not signed by ``key``, too old, or changed since.
    """
    claim = _claim(head)
    if not hmac.compare_digest(claim.access_key_id.encode(), key.access_key_id.encode()):
        raise RefusedError(403, "InvalidAccessKeyId", "The access key id is not one that this server knows.")
    _check_coverage(head, claim)
    _check_time(head, claim)
    failure = sigv4.header_signature_failure(
        claim,
        key.secret_access_key,
        head.method,
        head.raw_path,
        head.query,
        head.headers,
        body,
        presigned=head.is_presigned,
    )
    if failure is not None:
        raise RefusedError(403, *failure)


def _claim(head: Head) -> sigv4.HeaderSignature:
    authorization = head.headers.get("authorization", "")
    if bool(authorization) == head.is_presigned:
        raise RefusedError(
            403,
            "AccessDenied",
            "Sign the request by Signature Version 4, either in its headers or in its query.",
        )
    algorithm = authorization.partition(" ")[0] or head.query.get("X-Amz-Algorithm", [""])[0]
    if algorithm != ALGORITHM:
        raise RefusedError(403, "AccessDenied", f"Sign the request with {ALGORITHM}; others are not taken.")
    claim = (
        sigv4.parse_query_signature(head.query)
        if head.is_presigned
        else sigv4.parse_header_signature(head.headers)
    )
    if isinstance(claim, tuple):
        raise RefusedError(403, *claim)
    if claim.service not in (("s3",) if head.is_presigned else ("s3", "sqs")):
        raise RefusedError(403, "AccessDenied", "Sign the request for s3 or sqs; no other service is here.")
    return claim


def _check_coverage(head: Head, claim: sigv4.HeaderSignature) -> None:
    """Refuse a signature that leaves a header out which changes what the request means."""
    signed = claim.signed_headers.split(";")
    meaningful = [name for name in head.headers if name.startswith("x-amz-") and not head.is_presigned]
    missing = [name for name in ("host", *meaningful) if name not in signed]
    if missing:
        raise RefusedError(403, "AccessDenied", f"The signature must cover the header {missing[0]}.")
    if claim.service == "s3" and not head.is_presigned and _PAYLOAD not in head.headers:
        raise RefusedError(400, "InvalidRequest", f"The header {_PAYLOAD} is missing.")
    if head.headers.get(_PAYLOAD, "").startswith(f"STREAMING-{ALGORITHM}"):
        raise RefusedError(501, "NotImplemented", "Chunks with signatures of their own are not taken here.")


def _check_time(head: Head, claim: sigv4.HeaderSignature) -> None:
    if not head.is_presigned:
        failure = sigv4.request_time_failure(claim)
        if failure is not None:
            raise RefusedError(403, *failure)
        return
    try:
        expires = head.query.get("X-Amz-Expires", [""])[0]
        expired = sigv4.presigned_request_is_expired(claim.amz_date, expires)
    except (ValueError, OverflowError):
        raise RefusedError(
            400, "AuthorizationQueryParametersError", "X-Amz-Date or X-Amz-Expires is missing or wrong."
        ) from None
    if expired:
        raise RefusedError(403, "AccessDenied", "Request has expired")
