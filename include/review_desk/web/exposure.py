"""What the desk shows without sign-in, and by which names browsers may reach it."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from include.review_desk.errors import NotSignedIn
from include.review_desk.web.browser import signed_in_worker
from include.review_desk.web.portal import sign_in_redirect

if TYPE_CHECKING:
    from starlette.types import Scope

    from include.review_desk.context import Desk

Endpoint = Callable[[Request], Response]
Guard = Callable[[Endpoint], Endpoint]


@dataclass(frozen=True)
class Exposure:
    """Settings of this deployment.

    Parameters
    ----------
    private_pages
        Flow definitions, human loops, metrics and counts are for people who are signed in.
    monitoring_token
        A program that sends it as ``Authorization: Bearer`` may read metrics and counts as well.
    allowed_hosts
        Host names that requests may be addressed to, beside those that no other site can have; None: any.
    """

    private_pages: bool = False
    monitoring_token: str | None = None
    allowed_hosts: tuple[str, ...] | None = None

    def refused_host(self, scope: Scope) -> str | None:
        """The name in the Host header, if the desk does not answer to it.

        A page of another site can make its own name lead to this machine (DNS rebinding), and its browser
        then takes the desk for a part of that site. It cannot do so with an address, nor with a name without
        dots.
        """
        if self.allowed_hosts is None:
            return None
        given = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
        host = _host(given)
        if not host or host in self.allowed_hosts or "." not in host or _is_address(host):
            return None
        return host


def page_guard(desk: Desk, exposure: Exposure) -> Guard:
    """Wrap the endpoint of a page that may be private; visitors are sent to the sign-in page."""
    return _guard(exposure, lambda request: _is_signed_in(desk, request), sign_in_redirect)


def monitoring_guard(desk: Desk, exposure: Exposure) -> Guard:
    """Wrap the endpoint of a monitoring address that may be private; others get 401."""
    token = exposure.monitoring_token
    return _guard(
        exposure,
        lambda request: _has_token(request, token) or _is_signed_in(desk, request),
        lambda _request: _unauthorized(),
    )


def _guard(exposure: Exposure, is_allowed: Callable[[Request], bool], refuse: Endpoint) -> Guard:
    def guard(endpoint: Endpoint) -> Endpoint:
        def guarded(request: Request) -> Response:
            return endpoint(request) if is_allowed(request) else refuse(request)

        return guarded if exposure.private_pages else endpoint

    return guard


def _is_signed_in(desk: Desk, request: Request) -> bool:
    try:
        signed_in_worker(desk, request)
    except NotSignedIn:
        return False
    return True


def _has_token(request: Request, token: str | None) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if token is None or scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode())


def _unauthorized() -> Response:
    return JSONResponse(
        {"error": "This address is private: sign in, or send the monitoring token (Authorization: Bearer)."},
        status_code=401,
        headers={"WWW-Authenticate": "Bearer"},
    )


def _host(text: str) -> str:
    """The name in a Host header or an option, without port, in lower case."""
    try:
        return (urlsplit(f"//{text}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
