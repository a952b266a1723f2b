"""The pages before and around a session: sign in, join by invitation, one's account, sign out.

``GET /sign-in?next=<path>``, ``POST /sign-in``, ``GET`` and ``POST /join/<token>``, ``GET /account``,
``POST /account/password``, ``POST /account/sessions`` (end the others), ``POST /sign-out`` and
``POST /overview/invitations`` (leads only); the second factor's pages are in ``second_factor``. Every form
carries a CSRF token: of the session, or of the visitor's cookie before there is one. A session always begins
with a new token; the one that the browser held before ends.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from include.review_desk.errors import (
    DeskError,
    InvitationGone,
    NotSignedIn,
    SecondFactorNeeded,
    TooManyAttempts,
)
from include.review_desk.people import invitations, second_factor, sessions, teams, workers
from include.review_desk.people.passwords import MAX_PASSWORD_CHARACTERS, MIN_PASSWORD_CHARACTERS
from include.review_desk.web import browser
from include.review_desk.web.forms import local_path, read_form
from include.review_desk.web.html import page
from include.review_desk.web.http_status import http_status
from include.review_desk.web.portal import sign_in_redirect
from include.review_desk.web.second_factor import SecondFactorPages

if TYPE_CHECKING:
    from include.review_desk.context import Desk
    from include.review_desk.people.sessions import Session, Worker

_RULES = {"min_characters": MIN_PASSWORD_CHARACTERS, "max_characters": MAX_PASSWORD_CHARACTERS}

_DONE = {
    "password": "Your password was changed.",
    "second-factor": "Your second factor is off.",
}

Endpoint = Callable[[Request], Awaitable[Response]]


class SignInPages:
    """The routes. ``single_sign_on`` is what the provider's button says, None without a provider."""

    def __init__(self, desk: Desk, single_sign_on: str | None = None) -> None:
        self._desk = desk
        self._single_sign_on = single_sign_on
        self._second_factor = SecondFactorPages(desk, self)

    def routes(self) -> list[Route]:
        """The routes, to be mounted at the root."""
        return [
            Route("/sign-in", self._sign_in_page),
            Route("/sign-in", self._sign_in, methods=["POST"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
            Route("/join/{token}", self._join_page),
            Route("/join/{token}", self._join, methods=["POST"]),
            Route("/account", self._account_page),
            Route("/account/password", self.signed_in(self._change_password), methods=["POST"]),
            Route("/account/sessions", self.signed_in(self._end_other_sessions), methods=["POST"]),
            *self._second_factor.routes(),
            Route("/overview/invitations", self.signed_in(self._invite), methods=["POST"]),
        ]

    def sign_in_form(
        self, request: Request, *, name: str = "", next_path: str = "/", error: DeskError | None = None
    ) -> Response:
        """The sign-in page, with what went wrong."""
        return self.form(
            "sign_in.html",
            request,
            error,
            name=name,
            next=next_path,
            single_sign_on=self._single_sign_on,
        )

    def enter(self, request: Request, session: Session, next_path: str) -> Response:
        """Give the browser its new session; the previous one ends. Queries the database: use a thread."""
        before = browser.session_token(request)
        if before is not None:
            sessions.end_session(self._desk, before)
        response = RedirectResponse(next_path, status_code=303)
        browser.set_session(self._desk, response, session)
        browser.remember_device(self._desk, request, response, session.worker_name)
        response.headers["Cache-Control"] = "no-store"
        return response

    async def _sign_in_page(self, request: Request) -> Response:
        next_path = local_path(request.query_params.get("next"))
        if await self._worker(request) is not None:
            return RedirectResponse(next_path, status_code=303)
        return self.sign_in_form(request, next_path=next_path)

    async def _sign_in(self, request: Request) -> Response:
        form: dict[str, str] = {}
        next_path = "/"
        try:
            form = await read_form(request)
            next_path = local_path(form.get("next"))
            browser.check_visitor_csrf(request, form.get(browser.CSRF_FIELD))
            return await run_in_threadpool(self._enter_with_password, request, form, next_path)
        except SecondFactorNeeded as needed:
            return self._second_factor.ask(request, needed, next_path)
        except DeskError as error:
            return self.sign_in_form(request, name=form.get("name", ""), next_path=next_path, error=error)

    def _enter_with_password(self, request: Request, form: dict[str, str], next_path: str) -> Response:
        name = form.get("name", "").strip()
        session = workers.sign_in(
            self._desk,
            self._desk.sign_in_limiter,
            name=name,
            password=form.get("password", ""),
            address=browser.client_address(request),
            device=browser.device(self._desk, request, name),
        )
        return self.enter(request, session, next_path)

    async def _sign_out(self, request: Request) -> Response:
        worker = await self._worker(request)
        if worker is not None:
            try:
                form = await read_form(request)
                browser.check_csrf(request, form.get(browser.CSRF_FIELD))
            except DeskError as error:
                return self._problem(request, worker, error)
            await run_in_threadpool(sessions.sign_out, self._desk, worker)
        response = RedirectResponse("/sign-in", status_code=303)
        browser.forget_session(self._desk, response)
        return response

    async def _join_page(self, request: Request) -> Response:
        return await self._join_form(request)

    async def _join(self, request: Request) -> Response:
        form: dict[str, str] = {}
        try:
            form = await read_form(request)
            browser.check_visitor_csrf(request, form.get(browser.CSRF_FIELD))
            return await run_in_threadpool(self._enter_by_invitation, request, form)
        except DeskError as error:
            return await self._join_form(request, name=form.get("name", ""), error=error)

    def _enter_by_invitation(self, request: Request, form: dict[str, str]) -> Response:
        session = invitations.accept(
            self._desk,
            request.path_params["token"],
            name=form.get("name", "").strip(),
            password=form.get("password", ""),
        )
        return self.enter(request, session, "/")

    async def _join_form(
        self, request: Request, *, name: str = "", error: DeskError | None = None
    ) -> Response:
        token = request.path_params["token"]
        try:
            invitation = await run_in_threadpool(invitations.look_up, self._desk, token)
        except InvitationGone as gone:
            return self._problem(request, await self._worker(request), gone)
        return self.form("join.html", request, error, name=name, invitation=invitation, **_RULES)

    async def _account_page(self, request: Request) -> Response:
        worker = await self._worker(request)
        if worker is None:
            return sign_in_redirect(request)
        done = _DONE.get(request.query_params.get("done", ""))
        return await self.account(request, worker, done=done)

    async def account(
        self, request: Request, worker: Worker, *, error: DeskError | None = None, done: str | None = None
    ) -> Response:
        """The account page, with what went wrong or was done."""
        memberships = await run_in_threadpool(teams.memberships, self._desk, worker)
        return page(
            "account.html",
            request=request,
            worker=worker,
            lead=any(member.lead for member in memberships),
            status=http_status(error) if error else 200,
            error=error.message if error else None,
            done=done,
            memberships=memberships,
            sessions=await run_in_threadpool(sessions.open_sessions, self._desk, worker),
            has_password=await run_in_threadpool(workers.has_password, self._desk, worker),
            second_factor=await run_in_threadpool(second_factor.state, self._desk, worker.id),
            **_RULES,
        )

    async def _change_password(self, request: Request, worker: Worker, form: dict[str, str]) -> Response:
        try:
            await run_in_threadpool(
                workers.change_password,
                self._desk,
                worker,
                old=form.get("old", ""),
                new=form.get("password", ""),
                address=browser.client_address(request),
                device=browser.device(self._desk, request, worker.name),
            )
        except DeskError as error:
            return await self.account(request, worker, error=error)
        return RedirectResponse("/account?done=password", status_code=303)

    async def _end_other_sessions(self, request: Request, worker: Worker, form: dict[str, str]) -> Response:
        await run_in_threadpool(sessions.sign_out_elsewhere, self._desk, worker)
        return RedirectResponse("/account", status_code=303)

    async def _invite(self, request: Request, worker: Worker, form: dict[str, str]) -> Response:
        try:
            invitation = await run_in_threadpool(
                invitations.create_as_lead,
                self._desk,
                worker,
                team=form.get("team", ""),
                name=form.get("name", "").strip() or None,
            )
        except DeskError as error:
            return self._problem(request, worker, error)
        return page(
            "invited.html",
            request=request,
            worker=worker,
            link=invitation.link(self._desk.config.public_url),
            invitation=invitation,
        )

    def signed_in(
        self, handler: Callable[[Request, Worker, dict[str, str]], Awaitable[Response]]
    ) -> Endpoint:
        """A form that needs a signed-in person: session and CSRF token are checked first."""

        async def endpoint(request: Request) -> Response:
            worker = await self._worker(request)
            try:
                if worker is None:
                    raise NotSignedIn("You are not signed in any more: sign in and try again.")
                form = await read_form(request)
                browser.check_csrf(request, form.get(browser.CSRF_FIELD))
            except DeskError as error:
                return self._problem(request, worker, error)
            return await handler(request, worker, form)

        return endpoint

    def form(self, template: str, request: Request, error: DeskError | None, **values: Any) -> Response:
        """A page whose form is tied to the visitor's cookie."""
        token = browser.visitor_token(request)
        response = page(
            template,
            request=request,
            status=http_status(error) if error else 200,
            error=error.message if error else None,
            form_csrf=browser.csrf_token(token),
            **values,
        )
        browser.set_visitor(self._desk, response, token)
        if isinstance(error, TooManyAttempts):
            response.headers["Retry-After"] = str(error.retry_after_seconds)
        return response

    def _problem(self, request: Request, worker: Worker | None, error: DeskError) -> Response:
        return page(
            "problem.html", request=request, worker=worker, status=http_status(error), error=error.message
        )

    async def _worker(self, request: Request) -> Worker | None:
        try:
            return await run_in_threadpool(browser.signed_in_worker, self._desk, request)
        except NotSignedIn:
            return None
