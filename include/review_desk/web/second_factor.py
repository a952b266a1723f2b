"""The pages of the second factor: the code at sign-in, and how it is set up and turned off.

``POST /sign-in/code``, ``POST /account/second-factor`` (asks for the password, shows the secret), ``POST
/account/second-factor/confirm`` (shows the recovery codes) and ``POST /account/second-factor/remove``. That
the password was right is kept in a signed cookie for five minutes; the key that signs it lives as long as the
process.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Protocol

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from include.review_desk.errors import DeskError, InvalidRequest, NotSignedIn, SecondFactorNeeded
from include.review_desk.people import second_factor, workers
from include.review_desk.web import browser
from include.review_desk.web.forms import local_path, read_form
from include.review_desk.web.html import page
from include.review_desk.web.http_status import http_status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from include.review_desk.context import Desk
    from include.review_desk.people.sessions import Session, Worker

    _Handler = Callable[[Request, Worker, dict[str, str]], Awaitable[Response]]

_COOKIE = "desk_password_given"
_SECONDS = 300
_AGAIN = "The password was given in another browser or too long ago: sign in again."


class SessionPages(Protocol):
    """What these pages need of those around a session (``sign_in``)."""

    def form(self, template: str, request: Request, error: DeskError | None, **values: Any) -> Response:
        """A page whose form is tied to the visitor's cookie."""

    def sign_in_form(
        self, request: Request, *, name: str = "", next_path: str = "/", error: DeskError | None = None
    ) -> Response:
        """The sign-in page, with what went wrong."""

    def enter(self, request: Request, session: Session, next_path: str) -> Response:
        """Give the browser its new session."""

    async def account(
        self, request: Request, worker: Worker, *, error: DeskError | None = None, done: str | None = None
    ) -> Response:
        """The account page, with what went wrong or was done."""

    def signed_in(self, handler: _Handler) -> Callable[[Request], Awaitable[Response]]:
        """A form that needs a signed-in person."""


class SecondFactorPages:
    """The routes; ``pages`` begins the session and shows the account."""

    def __init__(self, desk: Desk, pages: SessionPages) -> None:
        self._desk = desk
        self._pages = pages
        self._signer = URLSafeTimedSerializer(secrets.token_bytes(32), salt="second-factor")

    def routes(self) -> list[Route]:
        """The routes, to be mounted at the root."""
        signed_in = self._pages.signed_in
        return [
            Route("/sign-in/code", self._sign_in, methods=["POST"]),
            Route("/account/second-factor", signed_in(self._begin), methods=["POST"]),
            Route("/account/second-factor/confirm", signed_in(self._confirm), methods=["POST"]),
            Route("/account/second-factor/remove", signed_in(self._remove), methods=["POST"]),
        ]

    def ask(
        self,
        request: Request,
        needed: SecondFactorNeeded,
        next_path: str,
        error: DeskError | None = None,
    ) -> Response:
        """The page that asks for the code."""
        response = self._pages.form("sign_in_code.html", request, error, next=next_path)
        given = [needed.worker_id, needed.name, needed.password_sha256]
        if error is None:
            browser.set_cookie(self._desk, response, _COOKIE, self._signer.dumps(given), _SECONDS)
        return response

    async def _sign_in(self, request: Request) -> Response:
        next_path = "/"
        needed: SecondFactorNeeded | None = None
        try:
            form = await read_form(request)
            next_path = local_path(form.get("next"))
            browser.check_visitor_csrf(request, form.get(browser.CSRF_FIELD))
            needed = self._needed(request)
            return await run_in_threadpool(self._enter, request, needed, form.get("code", ""), next_path)
        except DeskError as error:
            if needed is None:
                return self._pages.sign_in_form(request, next_path=next_path, error=error)
            return self.ask(request, needed, next_path, error)

    def _enter(self, request: Request, needed: SecondFactorNeeded, code: str, next_path: str) -> Response:
        session = workers.sign_in_with_code(
            self._desk,
            needed,
            code=code,
            address=browser.client_address(request),
            device=browser.device(self._desk, request, needed.name),
        )
        response = self._pages.enter(request, session, next_path)
        browser.forget_cookie(self._desk, response, _COOKIE)
        return response

    def _needed(self, request: Request) -> SecondFactorNeeded:
        """Whose password was given in this browser."""
        try:
            given = self._signer.loads(browser.read_cookie(request, _COOKIE) or "", max_age=_SECONDS)
        except BadData:
            raise NotSignedIn(_AGAIN) from None
        return SecondFactorNeeded(*given)

    async def _begin(self, request: Request, worker: Worker, form: dict[str, str]) -> Response:
        try:
            setup = await run_in_threadpool(self._new_secret, request, worker, form.get("password", ""))
        except DeskError as error:
            return await self._pages.account(request, worker, error=error)
        return self._setup_page(request, worker, setup)

    def _new_secret(self, request: Request, worker: Worker, password: str) -> second_factor.Setup:
        """With the password: who finds an open browser must not lock its person out."""
        workers.check_present_password(
            self._desk,
            worker,
            password,
            address=browser.client_address(request),
            device=browser.device(self._desk, request, worker.name),
        )
        return second_factor.begin(self._desk, worker)

    async def _confirm(self, request: Request, worker: Worker, form: dict[str, str]) -> Response:
        try:
            codes = await run_in_threadpool(second_factor.confirm, self._desk, worker, form.get("code", ""))
        except InvalidRequest as error:
            setup = await run_in_threadpool(second_factor.unconfirmed, self._desk, worker)
            if setup is None:
                return await self._pages.account(request, worker, error=error)
            return self._setup_page(request, worker, setup, error)
        return page("recovery_codes.html", request=request, worker=worker, codes=codes)

    def _setup_page(
        self,
        request: Request,
        worker: Worker,
        setup: second_factor.Setup,
        error: DeskError | None = None,
    ) -> Response:
        return page(
            "second_factor.html",
            request=request,
            worker=worker,
            status=http_status(error) if error else 200,
            error=error.message if error else None,
            secret=setup.secret,
            link=setup.link,
        )

    async def _remove(self, request: Request, worker: Worker, form: dict[str, str]) -> Response:
        try:
            await run_in_threadpool(self._turn_off, request, worker, form.get("code", ""))
        except DeskError as error:
            return await self._pages.account(request, worker, error=error)
        return RedirectResponse("/account?done=second-factor", status_code=303)

    def _turn_off(self, request: Request, worker: Worker, code: str) -> None:
        second_factor.remove(
            self._desk,
            worker,
            code=code,
            address=browser.client_address(request),
            device=browser.device(self._desk, request, worker.name),
        )
