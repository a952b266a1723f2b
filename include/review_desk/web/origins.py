"""Whether another site's page sent a request (OWASP, Cross-Site Request Forgery Prevention).

Browsers say where a request comes from in Sec-Fetch-Site and Origin; programs send neither and are let
through. A worker template's frame has an opaque origin, which counts as another site.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.types import Scope

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FOREIGN = "This request comes from another site's page: open the Review Desk itself and try again."


def is_foreign(scope: Scope, public_url: str) -> bool:
    """Whether a request that changes something was sent by a page that is not the desk's own."""
    if scope["method"] in _SAFE_METHODS:
        return False
    headers = {
        name: value.decode("latin-1")
        for name, value in scope["headers"]
        if name in (b"origin", b"sec-fetch-site", b"host")
    }
    site = headers.get(b"sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return True
    origin = headers.get(b"origin")
    return origin is not None and not _is_own(origin, headers.get(b"host", ""), public_url)


def is_only_https(public_url: str) -> bool:
    """Whether browsers may be told to reach this host by https only (RFC 6797).

    That counts for all of its ports, so not for ``localhost``: other programs of the machine answer there.
    """
    parts = urlsplit(public_url)
    host = parts.hostname or ""
    return parts.scheme == "https" and host != "localhost" and not host.endswith(".localhost")


def _is_own(origin: str, host: str, public_url: str) -> bool:
    """The address that the desk was told, or the one that the browser asked (which no page can forge)."""
    own, given = urlsplit(public_url), urlsplit(origin)
    if given.scheme == "http" and own.scheme == "https":
        return False
    return given.scheme in ("http", "https") and given.netloc in (own.netloc, host)
