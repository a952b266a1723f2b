"""Who is at the browser: the session cookie, and the token that proves a request came from our own page.

The cookie is HttpOnly; the CSRF token is derived from it, so that only a page which the desk itself made for
this session can know it (OWASP, Cross-Site Request Forgery Prevention, HMAC-based token pattern).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from include.review_desk.errors import Forbidden, NotSignedIn
from include.review_desk.people import workers

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from include.review_desk.context import Desk
    from include.review_desk.people.workers import Session, Worker

COOKIE = "desk_session"
CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf"


def session_token(request: Request) -> str | None:
    """The token in the session cookie."""
    return request.cookies.get(COOKIE) or None


def signed_in_worker(desk: Desk, request: Request) -> Worker:
    """The person whose session cookie came with the request. Asks the database: call it in a thread.

    Raises
    ------
    NotSignedIn
    """
    token = session_token(request)
    if token is None:
        raise NotSignedIn("Sign in first.")
    return workers.authenticate(desk, token)


def csrf_token(token: str) -> str:
    """The CSRF token of the session with this cookie."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def check_csrf(request: Request, given: str | None) -> None:
    """Raise Forbidden unless ``given`` (header or form field) is the CSRF token of the request's session."""
    token = session_token(request)
    if token is None or not hmac.compare_digest(csrf_token(token).encode(), (given or "").encode()):
        raise Forbidden("The page is out of date: reload it and try again.")


def set_session(desk: Desk, response: Response, session: Session) -> None:
    """Give the browser its session cookie."""
    response.set_cookie(
        COOKIE,
        session.token,
        max_age=desk.config.session_seconds,
        httponly=True,
        samesite="lax",
        secure=desk.config.public_url.startswith("https://"),
    )


def forget_session(response: Response) -> None:
    """Take the session cookie away."""
    response.delete_cookie(COOKIE, httponly=True, samesite="lax")
