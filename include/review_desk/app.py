"""The desk as one ASGI application: AWS API, worker API, pages, health, and the threads behind them."""

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
from include.review_desk.aws_api import handlers
from include.review_desk.background import background_threads
from include.review_desk.counts import OperationCounts
from include.review_desk.errors import DeskError
from include.review_desk.events import delivery
from include.review_desk.web import frames, origins, overview, pages, portal, status
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


def create_app(desk: Desk, api_keys: ApiKeys, single_sign_on: ProviderConfig | None = None) -> ASGIApp:
    """Put the desk together.

    Parameters
    ----------
    api_keys
        The programs that may call the AWS API.
    single_sign_on
        The OpenID Connect provider that people may sign in by.
    """
    counts, metrics = OperationCounts(desk.database), Metrics(desk)
    threads = background_threads(desk, counts, api_keys)

    def on_call(call: Call, http_status: int) -> None:
        counts.add(call.operation)
        api_keys.used(call.access_key_id)
        metrics.count_call(call.operation, http_status)
        logger.info("call", extra={"operation": call.operation, "http_status": http_status})

    aws = AwsApplication(
        handlers=handlers.handlers(desk),
        credentials=api_keys.secret,
        region=desk.config.region,
        account_id=desk.config.account_id,
        on_call=on_call,
    )
    web = Starlette(
        routes=[
            *WorkerApi(desk, counts.add).routes(),
            *portal.routes(desk),
            *overview.routes(desk),
            *_sign_in_routes(desk, single_sign_on),
            *frames.routes(desk),
            *pages.routes(desk),
            *status.routes(desk, counts, aws.implemented, metrics, threads),
            Route("/favicon.ico", _icon),
            Mount("/static", StaticFiles(directory=_STATIC)),
        ],
        lifespan=_lifespan(desk, counts, api_keys, threads),
        exception_handlers={
            404: _not_found,
            405: _wrong_method,
            500: _server_error,
            DeskError: _refused,
            ClientDisconnect: _gone_away,
        },
    )
    # An address is right or wrong: guessing at a slash would answer path tricks with a redirect.
    web.router.redirect_slashes = False
    return _Entrance(web, aws, metrics, desk.config.public_url)


def _sign_in_routes(desk: Desk, single_sign_on: ProviderConfig | None) -> list[Route]:
    pages = SignInPages(desk, single_sign_on.title if single_sign_on else None)
    if single_sign_on is None:
        return pages.routes()
    # Here, so that only a desk with a provider loads what speaks to it.
    from include.review_desk.web.oidc import OidcPages

    return [*pages.routes(), *OidcPages(desk, single_sign_on, pages).routes()]


class _Entrance:
    """Tells AWS calls from everything else, which it counts, logs and gives security headers.

    What another site's page sends is refused here, for all routes at once.
    """

    def __init__(self, web: ASGIApp, aws: AwsApplication, metrics: Metrics, public_url: str) -> None:
        self._web = web
        self._aws = aws
        self._metrics = metrics
        self._public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
                added = [header for header in _SECURITY_HEADERS if header[0] not in given]
                message = {**message, "headers": [*message["headers"], *added]}
                self._note(scope, message["status"], time.monotonic() - started)
            await send(message)

        foreign = origins.is_foreign(scope, self._public_url)
        await (_from_elsewhere if foreign else self._web)(scope, receive, send_with_headers)

    def _note(self, scope: Scope, http_status: int, seconds: float) -> None:
        """Count and log: the route taken, not its path, which may hold a task's key or a loop's name."""
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


_from_elsewhere = JSONResponse({"error": origins.FOREIGN}, status_code=403)


async def _icon(_request: Request) -> Response:
    """For what is not a page and names no icon: browsers then look here."""
    return FileResponse(_STATIC / "portal/icon.svg", media_type="image/svg+xml")


async def _not_found(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "There is nothing at this address."}, status_code=404)


async def _wrong_method(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "This address takes another HTTP method."}, status_code=405)


async def _refused(_request: Request, error: Exception) -> Response:
    """What no page caught: the caller can do something about it, so it is told."""
    return error_response(error) if isinstance(error, DeskError) else await _server_error(_request, error)


async def _gone_away(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "The client went away before the request was complete."}, status_code=400)


async def _server_error(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "The Review Desk failed; its log tells more."}, status_code=500)
