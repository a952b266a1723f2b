"""``GET /oidc/start?next=<path>`` and ``GET /oidc/callback``: sign-in by an OpenID Connect provider.

State, nonce and PKCE verifier, which tie the provider's answer to the browser, are kept in a signed cookie
for ten minutes at most; the key that signs it lives as long as the process.
"""

from __future__ import annotations

import hmac
import logging
import re
import secrets
from dataclasses import asdict
from typing import TYPE_CHECKING

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from include.review_desk.errors import DeskError, InvalidRequest, SingleSignOnFailed
from include.review_desk.people import single_sign_on
from include.review_desk.web import browser
from include.review_desk.web.forms import local_path
from include.review_desk.web.oidc_provider import CALLBACK_PATH, Attempt, Provider

if TYPE_CHECKING:
    from starlette.requests import Request

    from include.review_desk.context import Desk
    from include.review_desk.web.oidc_config import ProviderConfig
    from include.review_desk.web.sign_in import SignInPages

logger = logging.getLogger(__name__)

_COOKIE = "desk_oidc"
_SECONDS = 600
_ERROR_CODE = re.compile("[a-z_]{1,40}")
_AGAIN = "This sign-in was begun in another browser or too long ago: start again."


class OidcPages:
    """The routes; ``pages`` shows what went wrong and begins the session."""

    def __init__(self, desk: Desk, config: ProviderConfig, pages: SignInPages) -> None:
        self._desk = desk
        self._pages = pages
        self._provider = Provider(config, desk.config.public_url)
        self._signer = URLSafeTimedSerializer(secrets.token_bytes(32), salt="oidc")

    def routes(self) -> list[Route]:
        """The routes, to be mounted at the root."""
        return [Route("/oidc/start", self._start), Route(CALLBACK_PATH, self._callback)]

    async def _start(self, request: Request) -> Response:
        attempt = Attempt(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            code_verifier=secrets.token_urlsafe(48),
            next_path=local_path(request.query_params.get("next")),
        )
        try:
            url = await self._provider.authorization_url(attempt)
        except DeskError as error:
            return self._failed(request, error, attempt.next_path)
        response = RedirectResponse(url, status_code=303)
        response.headers["Cache-Control"] = "no-store"
        browser.set_cookie(self._desk, response, _COOKIE, self._signer.dumps(asdict(attempt)), _SECONDS)
        return response

    async def _callback(self, request: Request) -> Response:
        next_path = "/"
        try:
            attempt = self._attempt(request)
            next_path = attempt.next_path
            self._check_answer(request)
            identity = await self._provider.identity(attempt, request.query_params.get("code", ""))
            session = await run_in_threadpool(single_sign_on.sign_in, self._desk, identity)
            response = await run_in_threadpool(self._pages.enter, request, session, next_path)
        except DeskError as error:
            response = self._failed(request, error, next_path)
        # Whatever became of it: this attempt is over.
        browser.forget_cookie(self._desk, response, _COOKIE)
        return response

    def _attempt(self, request: Request) -> Attempt:
        """The attempt that this browser began and this answer belongs to."""
        try:
            cookie = browser.read_cookie(request, _COOKIE) or ""
            attempt = Attempt(**self._signer.loads(cookie, max_age=_SECONDS))
        except BadData:
            raise InvalidRequest(_AGAIN) from None
        state = request.query_params.get("state", "")
        if not hmac.compare_digest(attempt.state.encode(), state.encode("utf-8", "replace")):
            raise InvalidRequest(_AGAIN)
        return attempt

    def _check_answer(self, request: Request) -> None:
        query, title = request.query_params, self._provider.config.title
        if query.get("iss", self._provider.config.issuer) != self._provider.config.issuer:
            # RFC 9207: an answer of another provider, mixed up with ours.
            raise SingleSignOnFailed(f"The answer does not come from {title}: start again.")
        if "error" in query:
            code = query["error"] if _ERROR_CODE.fullmatch(query["error"]) else "unknown error"
            raise SingleSignOnFailed(f"{title} refused the sign-in ({code}).")
        if not query.get("code"):
            raise InvalidRequest(_AGAIN)

    def _failed(self, request: Request, error: DeskError, next_path: str) -> Response:
        logger.warning("sign-in by OpenID Connect failed: %s", error.message)
        return self._pages.sign_in_form(request, next_path=next_path, error=error)
