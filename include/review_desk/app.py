"""The desk as one ASGI application: AWS API, worker API, pages, health, and the threads behind them."""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from include.aws_protocol import AwsApplication, Call
from include.review_desk.aws_api import handlers
from include.review_desk.background import background_threads
from include.review_desk.counts import OperationCounts
from include.review_desk.events import delivery
from include.review_desk.web import pages, portal, status
from include.review_desk.web.metrics import Metrics
from include.review_desk.web.worker_api import WorkerApi
from include.review_desk.work import outbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from include.review_desk.context import Desk
    from include.review_desk.periodic import Periodic

logger = logging.getLogger(__name__)

_SECURITY_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        b"frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


def create_app(desk: Desk, credentials: Mapping[str, str]) -> ASGIApp:
    """Put the desk together.

    Parameters
    ----------
    credentials
        Access key id -> secret of the programs that may call the AWS API.
    """
    counts, metrics = OperationCounts(desk.database), Metrics(desk)
    threads = background_threads(desk, counts)

    def on_call(call: Call, http_status: int) -> None:
        counts.add(call.operation)
        metrics.count_call(call.operation, http_status)
        logger.info("call", extra={"operation": call.operation, "http_status": http_status})

    aws = AwsApplication(
        handlers=handlers.handlers(desk),
        credentials=credentials,
        region=desk.config.region,
        account_id=desk.config.account_id,
        on_call=on_call,
    )
    web = Starlette(
        routes=[
            *WorkerApi(desk, counts.add).routes(),
            *portal.routes(desk),
            *pages.routes(desk),
            *status.routes(desk, counts, aws.implemented, metrics, threads),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ],
        lifespan=_lifespan(desk, counts, threads),
        exception_handlers={404: _not_found, 405: _wrong_method, 500: _server_error},
    )
    return _Entrance(web, aws, metrics)


class _Entrance:
    """Tells AWS calls from everything else, which it counts, logs and gives security headers."""

    def __init__(self, web: ASGIApp, aws: AwsApplication, metrics: Metrics) -> None:
        self._web = web
        self._aws = aws
        self._metrics = metrics

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

        await self._web(scope, receive, send_with_headers)


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


def _lifespan(desk: Desk, counts: OperationCounts, threads: list[Periodic]) -> Callable[[Starlette], Any]:
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
            desk.database.close()

    return lifespan


async def _not_found(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "There is nothing at this address."}, status_code=404)


async def _wrong_method(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "This address takes another HTTP method."}, status_code=405)


async def _server_error(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "The Review Desk failed; its log tells more."}, status_code=500)
