"""Who is at the browser: the session cookie, and the token that proves a request came from our own page.

Behind https the names of cookies begin with ``__Host-``: browsers take such a cookie only from this host
itself, over https, for all of its paths (RFC 6265bis): a neighbour on another subdomain cannot plant one.

The cookie is HttpOnly; the CSRF token is derived from it, so that only a page which the desk itself made for
this session can know it (OWASP, Cross-Site Request Forgery Prevention, HMAC-based token pattern).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from include.review_desk.errors import Forbidden, NotSignedIn
from include.review_desk.people import sessions
from include.review_desk.people.devices import DEVICE_SECONDS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from include.review_desk.context import Desk
    from include.review_desk.people.sessions import Session, Worker

COOKIE = "desk_session"
# Set for visitors who open a page with a form before signing in.
VISITOR_COOKIE = "desk_visitor"
# Set for good once a person has signed in.
DEVICE_COOKIE = "desk_device"
_VISITOR_SECONDS = 12 * 3600
_VISITOR_CHARACTERS = 43
CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf"


def session_token(request: Request) -> str | None:
    """The token in the session cookie."""
    return read_cookie(request, COOKIE) or None


def signed_in_worker(desk: Desk, request: Request, *, active: bool = True) -> Worker:
    """The person whose session cookie came with the request. Queries the database: call it in a thread.

    ``active``: see ``sessions.authenticate``.

    Raises
    ------
    NotSignedIn
    """
    token = session_token(request)
    if token is None:
        raise NotSignedIn("Sign in first.")
    return sessions.authenticate(desk, token, active=active)


def csrf_token(token: str) -> str:
    """The CSRF token of the session with this cookie."""
    return hmac.new(token.encode("utf-8", "replace"), b"csrf", hashlib.sha256).hexdigest()


def check_csrf(request: Request, given: str | None) -> None:
    """Raise Forbidden unless ``given`` (header or form field) is the CSRF token of the request's session."""
    _compare(session_token(request), given)


def visitor_token(request: Request) -> str:
    """The visitor's cookie, which replaces the session on pages before sign-in, or a new value for it."""
    token = read_cookie(request, VISITOR_COOKIE) or ""
    return token if len(token) == _VISITOR_CHARACTERS else secrets.token_urlsafe(32)


def check_visitor_csrf(request: Request, given: str | None) -> None:
    """Raise Forbidden unless ``given`` fits the visitor's cookie: no other site can sign a person in."""
    _compare(read_cookie(request, VISITOR_COOKIE), given)


def set_visitor(desk: Desk, response: Response, token: str) -> None:
    """Give the browser the cookie that its form will be compared with."""
    set_cookie(desk, response, VISITOR_COOKIE, token, _VISITOR_SECONDS)


def device(desk: Desk, request: Request, name: str) -> str | None:
    """This browser, if the person of this name has signed in with it before."""
    return desk.devices.known(read_cookie(request, DEVICE_COOKIE) or "", name, desk.clock())


def remember_device(desk: Desk, request: Request, response: Response, name: str) -> None:
    """Give the browser a cookie by which it is known when this person signs in again."""
    cookie = desk.devices.remember(read_cookie(request, DEVICE_COOKIE) or "", name, desk.clock())
    set_cookie(desk, response, DEVICE_COOKIE, cookie, DEVICE_SECONDS)


def read_cookie(request: Request, name: str) -> str | None:
    """The value of one of the desk's cookies."""
    return request.cookies.get(_full_name(name, secure=request.app.state.secure))


def set_cookie(desk: Desk, response: Response, name: str, value: str, seconds: int) -> None:
    """Give the browser a cookie that neither scripts nor other sites' forms can use."""
    secure = is_secure(desk)
    response.set_cookie(
        _full_name(name, secure=secure),
        value,
        max_age=seconds,
        httponly=True,
        samesite="lax",
        secure=secure,
    )


def forget_cookie(desk: Desk, response: Response, name: str) -> None:
    """Take a cookie away."""
    secure = is_secure(desk)
    # With Secure, too: without it browsers leave a __Host- cookie as it is.
    response.delete_cookie(_full_name(name, secure=secure), httponly=True, samesite="lax", secure=secure)


def _full_name(name: str, *, secure: bool) -> str:
    return f"__Host-{name}" if secure else name


def is_secure(desk: Desk) -> bool:
    """Whether browsers reach the desk by https, so that cookies are sent over https only."""
    return desk.config.public_url.startswith("https://")


def client_address(request: Request) -> str:
    """The address that failed sign-ins are counted for; behind a known proxy, the proxy's client."""
    return request.client.host if request.client else "unknown"


def _compare(token: str | None, given: str | None) -> None:
    if not token or not hmac.compare_digest(
        csrf_token(token).encode(), (given or "").encode("utf-8", "replace")
    ):
        raise Forbidden("The page is out of date: reload it and try again.")


def set_session(desk: Desk, response: Response, session: Session) -> None:
    """Give the browser its session cookie."""
    set_cookie(desk, response, COOKIE, session.token, desk.config.session_seconds)


def forget_session(desk: Desk, response: Response) -> None:
    """Take the session cookie away."""
    forget_cookie(desk, response, COOKIE)
