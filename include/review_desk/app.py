"""The desk as one ASGI application: AWS API, worker API, pages, health, and the background threads.

This is the composition root: the one module that knows every part of the desk.
"""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from include.aws_protocol import AwsApplication, Call
from include.http_limits.refusals import RequestRefused
from include.review_desk.audit_trail.actors import act_as, visitor
from include.review_desk.aws_api import handlers
from include.review_desk.background import background_threads
from include.review_desk.counts import OperationCounts
from include.review_desk.errors import DeskError
from include.review_desk.events import delivery
from include.review_desk.web import frames, origins, overview, pages, portal, status, team_pages, trail_pages
from include.review_desk.web.browser import is_secure
from include.review_desk.web.exposure import Exposure, monitoring_guard, page_guard
from include.review_desk.web.json_http import error_response
from include.review_desk.web.metrics import Metrics
from include.review_desk.web.sign_in import SignInPages
from include.review_desk.web.worker_api import WorkerApi
from include.review_desk.work import outbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from include.review_desk.context import Desk
    from include.review_desk.people.api_keys import ApiKeys
    from include.review_desk.periodic import Periodic
    from include.review_desk.web.oidc_config import ProviderConfig

logger = logging.getLogger(__name__)

_STATIC = Path(__file__).parent / "static"

_SECURITY_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        b"frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    # Not no-referrer: with that, browsers hide from us that a form is our own (Origin: null).
    (b"referrer-policy", b"same-origin"),
]
_ONLY_HTTPS = (b"strict-transport-security", b"max-age=31536000")


def create_app(
    desk: Desk,
    api_keys: ApiKeys,
    single_sign_on: ProviderConfig | None = None,
    exposure: Exposure | None = None,
) -> ASGIApp:
    """Put the desk together.

    Parameters
    ----------
    api_keys
        The programs that may call the AWS API.
    single_sign_on
        The OpenID Connect provider that people may sign in by.
    exposure
        What is shown without sign-in, and by which host names; None: all pages, any name.
    """
    exposure = exposure or Exposure()
    counts, metrics = OperationCounts(desk.database), Metrics(desk)
    threads = background_threads(desk, counts, api_keys)

    def on_call(call: Call, http_status: int) -> None:
        counts.add(call.operation)
        api_keys.used(call.access_key_id)
        metrics.count_call(call.operation, http_status)
        logger.info("call", extra={"operation": call.operation, "http_status": http_status})

    aws = AwsApplication(
        handlers=handlers.handlers(desk, api_keys.purpose),
        credentials=api_keys.secret,
        region=desk.config.region,
        account_id=desk.config.account_id,
        on_call=on_call,
    )
    web = Starlette(
        routes=[
            *WorkerApi(desk, counts.add).routes(),  # /worker/...
            *portal.routes(desk),  # /, /work, /answers
            *overview.routes(desk),  # /overview, /overview.json
            *team_pages.routes(desk),  # /overview/people
            *trail_pages.routes(desk),  # /overview/trail
            *_sign_in_routes(desk, single_sign_on),  # /sign-in, /sign-out, /join, /account, /oidc
            *frames.routes(desk),  # /frames/..., /static/crowd
            *pages.routes(desk, page_guard(desk, exposure)),  # /flows, /loops, /templates
            # /healthz, /metrics, /_status
            *status.routes(desk, counts, aws.implemented, metrics, threads, monitoring_guard(desk, exposure)),
            Route("/favicon.ico", _favicon),
            Mount("/static", StaticFiles(directory=_STATIC)),
        ],
        lifespan=_lifespan(desk, counts, api_keys, threads),
        exception_handlers={
            404: _not_found,
            405: _method_not_allowed,
            500: _server_error,
            DeskError: _desk_error,
            RequestRefused: _request_refused,
            ClientDisconnect: _client_disconnected,
        },
    )
    # A path matches or it does not: redirecting to one with a slash would help path tricks.
    web.router.redirect_slashes = False
    web.state.secure = is_secure(desk)
    return _Gateway(web, aws, metrics, desk.config.public_url, exposure)


def _sign_in_routes(desk: Desk, single_sign_on: ProviderConfig | None) -> list[Route]:
    pages = SignInPages(desk, single_sign_on.title if single_sign_on else None)
    if single_sign_on is None:
        return pages.routes()
    # Imported here, so that only a desk with a provider loads its libraries.
    from include.review_desk.web.oidc import OidcPages

    return [*pages.routes(), *OidcPages(desk, single_sign_on, pages).routes()]


class _Gateway:
    """Routes AWS calls to the AWS API and all other requests to the web application.

    Web requests are counted, logged and answered with security headers. Requests that another site's page
    sends, or that are addressed to a name which is not the desk's, are refused here, for all routes at once.
    """

    def __init__(
        self, web: ASGIApp, aws: AwsApplication, metrics: Metrics, public_url: str, exposure: Exposure
    ) -> None:
        self._web = web
        self._aws = aws
        self._metrics = metrics
        self._public_url = public_url
        only_https = [_ONLY_HTTPS] if origins.is_only_https(public_url) else []
        self._security_headers = [*_SECURITY_HEADERS, *only_https]
        self._exposure = exposure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        # What the request does is the visitor's act, until a key or a session says more.
        with act_as(visitor(client[0] if client else None)):
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._aws.matches(scope):
            await self._aws(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._web(scope, receive, send)
            return
        started = time.monotonic()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                added = [header for header in self._security_headers if header[0] not in given]
                message = {**message, "headers": [*message["headers"], *added]}
                self._record(scope, message["status"], time.monotonic() - started)
            await send(message)

        await self._application(scope)(scope, receive, send_with_headers)

    def _application(self, scope: Scope) -> ASGIApp:
        """The web application, or the refusal of a request that is not meant for it."""
        host = self._exposure.refused_host(scope)
        # Health checks of load balancers come by any name, and learn nothing.
        if host is not None and scope["path"] != "/healthz":
            return _misdirected(host, self._public_url)
        return _cross_origin if origins.is_foreign(scope, self._public_url) else self._web

    def _record(self, scope: Scope, http_status: int, seconds: float) -> None:
        """Count and log the request by its route; the path may hold a task's key or a loop's name."""
        route = getattr(scope.get("route"), "path", None) or "unknown"
        self._metrics.count_request(scope["method"], route, http_status, seconds)
        logger.info(
            "request",
            extra={
                "method": scope["method"],
                "route": route,
                "http_status": http_status,
                "milliseconds": round(seconds * 1000, 1),
            },
        )


def _lifespan(
    desk: Desk, counts: OperationCounts, api_keys: ApiKeys, threads: list[Periodic]
) -> Callable[[Starlette], Any]:
    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(outbox.forget_claims, desk)
        await run_in_threadpool(delivery.forget_claims, desk)
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for thread in threads:
                await run_in_threadpool(thread.stop)
            await run_in_threadpool(counts.flush)
            await run_in_threadpool(api_keys.flush)
            desk.database.close()

    return lifespan


_cross_origin = JSONResponse({"error": origins.FOREIGN}, status_code=403)


def _misdirected(host: str, public_url: str) -> Response:
    """The name is the client's text: JSON escapes it, and it is cut short."""
    return JSONResponse(
        {
            "error": f"The Review Desk does not answer to the name {host[:100]!r}: open {public_url}, or "
            "start the desk with this name as --allowed-host."
        },
        status_code=421,
    )


async def _favicon(_request: Request) -> Response:
    """Where browsers look when a response is not a page that names its icon."""
    return FileResponse(_STATIC / "portal/icon.svg", media_type="image/svg+xml")


async def _not_found(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "There is nothing at this address."}, status_code=404)


async def _method_not_allowed(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "This address does not accept this HTTP method."}, status_code=405)


async def _desk_error(_request: Request, error: Exception) -> Response:
    """An error that no page handled. Its sentence says what the caller can do."""
    return error_response(error) if isinstance(error, DeskError) else await _server_error(_request, error)


async def _request_refused(_request: Request, error: Exception) -> Response:
    """A body that passed a limit while it was read."""
    if not isinstance(error, RequestRefused):
        return await _server_error(_request, error)
    return Response(error.body, error.status, error.headers)


async def _client_disconnected(_request: Request, _error: Exception) -> Response:
    return JSONResponse(
        {"error": "The client disconnected before the request was complete."}, status_code=400
    )


async def _server_error(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "The Review Desk failed; see its log."}, status_code=500)
