"""A bucket that is there from the start, and the pages that may read images from it."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import httpx
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp

    from include.local_s3.signatures import Key

_REGION = "us-east-1"
# A reviewer's page shows the worker template in a sandboxed frame, whose origin browsers call "null". It can
# read no more than what presigned links open.
_SANDBOX = "null"
_TAKEN = 409


async def create_bucket(app: ASGIApp, url: str, key: Key, name: str, origins: Sequence[str]) -> None:
    """Create a bucket if it is missing, and set its CORS rule, which MiniStack forgets when it ends.

    Parameters
    ----------
    app, url
        MiniStack, and where it will answer.
    origins
        Of the pages that may read, such as ``http://127.0.0.1:8080``.
    """
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        for path, body in ((f"/{name}", b""), (f"/{name}?cors", _rule(origins).encode())):
            digest = b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
            request = AWSRequest("PUT", url + path, headers={"Content-MD5": digest}, data=body)
            S3SigV4Auth(Credentials(key.access_key_id, key.secret_access_key), "s3", _REGION).add_auth(
                request
            )
            answer = await client.put(url + path, content=body, headers=dict(request.headers))
            if answer.status_code not in (httpx.codes.OK, _TAKEN):
                raise RuntimeError(f"MiniStack refused PUT {path}: {answer.status_code} {answer.text}")


def _rule(origins: Sequence[str]) -> str:
    allowed = "".join(f"<AllowedOrigin>{escape(origin)}</AllowedOrigin>" for origin in (*origins, _SANDBOX))
    return (
        '<CORSConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><CORSRule>'
        f"{allowed}<AllowedMethod>GET</AllowedMethod><AllowedMethod>HEAD</AllowedMethod>"
        "</CORSRule></CORSConfiguration>"
    )
