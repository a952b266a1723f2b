"""HTTP requests as data, and Signature Version 4 upon them."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from include.aws_protocol.signature import ALGORITHM, SignedRequest, canonical_request, signing_key
from tests.support.aws import ACCOUNT_ID, REGION
from tests.support.desk import ACCESS_KEY, SECRET_KEY

PREFIX = f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}"
RPC = "application/x-amz-json-1.1"
WRONG_SIGNATURES: tuple[dict[str, Any], ...] = (
    {"secret": "wrong"},
    {"secret": ""},
    {"key": "AKIAUNKNOWN"},
    {"key": "\u00e9"},
    {"key": "A" * 9000},
    {"region": "eu-west-1"},
    {"service": "s3"},
    {"minutes": -16},
    {"minutes": 16},
    {"minutes": -60 * 24},
    {"minutes": -60 * 24 * 365},
)
"""Arguments of :func:`sign` whose signature no server may take."""


@dataclass
class Request:
    """One HTTP request; ``kind`` says what is hostile about it."""

    kind: str
    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def sign(
    request: Request,
    *,
    key: str = ACCESS_KEY,
    secret: str = SECRET_KEY,
    region: str = REGION,
    service: str = "sagemaker",
    minutes: float = 0,
) -> Request:
    """Put a Signature Version 4 on the request, as of ``minutes`` from now."""
    moment = (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": "127.0.0.1", **request.headers, "x-amz-date": moment}
    path, _, query = request.path.partition("?")
    lower = {name.lower(): value for name, value in headers.items()}
    names = sorted(name for name in lower if name in ("host", "x-amz-date", "x-amz-target", "content-type"))
    body_sha256 = hashlib.sha256(request.body).hexdigest()
    canonical = canonical_request(SignedRequest(request.method, path, query, lower, body_sha256), names)
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    text = "\n".join([ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    signature = hmac.new(signing_key(secret, moment[:8], region, service), text.encode(), hashlib.sha256)
    headers["Authorization"] = (
        f"{ALGORITHM} Credential={key}/{scope}, SignedHeaders={';'.join(names)}, "
        f"Signature={signature.hexdigest()}"
    )
    return Request(request.kind, request.method, request.path, request.body, headers)


def rpc(kind: str, operation: str, body: Any, prefix: str = "SageMaker") -> Request:
    """An operation of ``sagemaker`` or of the service of another target prefix, unsigned.

    ``body``: bytes, or what is to be written as JSON.
    """
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"X-Amz-Target": f"{prefix}.{operation}", "Content-Type": RPC}
    return Request(kind, "POST", "/", raw, headers)


def runtime(kind: str, method: str, path: str, body: Any = b"") -> Request:
    """An operation of ``sagemaker-a2i-runtime``, unsigned."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request(kind, method, path, raw, {"Content-Type": "application/json"} if raw else {})
