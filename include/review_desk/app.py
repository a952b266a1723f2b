"""The desk as one ASGI application: AWS API, worker API, pages, health, and the threads behind them."""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from include.aws_protocol import AwsApplication, Call
from include.review_desk.aws_api import handlers
from include.review_desk.counts import OperationCounts
from include.review_desk.periodic import Periodic
from include.review_desk.web import pages, portal
from include.review_desk.web.status import status_report
from include.review_desk.web.worker_api import WorkerApi
from include.review_desk.work import housekeeping, outbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from include.review_desk.context import Desk

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
_SWEEP_SECONDS = 0.5
_OUTBOX_SECONDS = 0.25
_COUNTS_SECONDS = 1.0
_PURGE_SECONDS = 3600.0


def create_app(desk: Desk, credentials: Mapping[str, str]) -> ASGIApp:
    """Put the desk together.

    Parameters
    ----------
    credentials
        Access key id -> secret of the programs that may call the AWS API.
    """
    counts = OperationCounts(desk.database)

    def on_call(call: Call, http_status: int) -> None:
        counts.add(call.operation)
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
            *_status_routes(desk, counts, aws.implemented),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ],
        lifespan=_lifespan(desk, counts),
        exception_handlers={404: _not_found, 405: _wrong_method, 500: _server_error},
    )
    return _Entrance(web, aws)


class _Entrance:
    """Tells AWS calls from everything else, to which it adds security headers and a line in the log."""

    def __init__(self, web: ASGIApp, aws: AwsApplication) -> None:
        self._web = web
        self._aws = aws

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
                _log_request(scope, message["status"], time.monotonic() - started)
            await send(message)

        await self._web(scope, receive, send_with_headers)


def _log_request(scope: Scope, status: int, seconds: float) -> None:
    """One line per request: the route it took, not its path, which may hold a task's key or a loop's name."""
    route = getattr(scope.get("route"), "path", None) or "unknown"
    logger.info(
        "request",
        extra={
            "method": scope["method"],
            "route": route,
            "http_status": status,
            "milliseconds": round(seconds * 1000, 1),
        },
    )


def _lifespan(desk: Desk, counts: OperationCounts) -> Callable[[Starlette], Any]:
    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(outbox.forget_claims, desk)
        threads = [
            Periodic("sweep", lambda: housekeeping.sweep(desk), _SWEEP_SECONDS),
            Periodic("outbox", lambda: outbox.deliver_due(desk), _OUTBOX_SECONDS, desk.outbox_changed),
            Periodic("counts", counts.flush, _COUNTS_SECONDS),
            Periodic("purge", lambda: housekeeping.purge(desk), _PURGE_SECONDS),
        ]
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


def _status_routes(desk: Desk, counts: OperationCounts, implemented: list[str]) -> list[Route]:
    def health(_request: Request) -> Response:
        try:
            with desk.database.read() as connection:
                connection.execute(select(1))
        except Exception:
            logger.exception("the database does not answer")
            return JSONResponse({"status": "database unavailable"}, status_code=503)
        return JSONResponse({"status": "ok"})

    def status(_request: Request) -> Response:
        return JSONResponse(status_report(desk, counts, implemented))

    return [Route("/healthz", health), Route("/_status", status)]


async def _not_found(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "There is nothing at this address."}, status_code=404)


async def _wrong_method(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "This address takes another HTTP method."}, status_code=405)


async def _server_error(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "The Review Desk failed; its log tells more."}, status_code=500)
