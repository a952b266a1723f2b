"""What a worker's client speaks: JSON over HTTP with a bearer token.

POST /worker/sessions, DELETE /worker/sessions, POST /worker/tasks/next, POST /worker/tasks/{task}/answer,
/decline and /heartbeat. The portal's own pages send the session cookie and a CSRF token instead. Errors are
``{"error": "<one sentence>"}``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from include.review_desk.clock import as_iso
from include.review_desk.errors import (
    BadAnswer,
    DeskError,
    Forbidden,
    InvalidRequest,
    MissingTask,
    NotSignedIn,
    TaskGone,
    TooManyAttempts,
)
from include.review_desk.people import workers
from include.review_desk.strict_json import JsonFault, parse_json
from include.review_desk.web import browser
from include.review_desk.work import tasks
from include.review_desk.work.answers import MAX_ANSWER_BYTES

if TYPE_CHECKING:
    from include.review_desk.context import Desk

# Room for the JSON around the answer.
_MAX_BODY_BYTES = MAX_ANSWER_BYTES + 65_536
_STATUS: dict[type[DeskError], int] = {
    InvalidRequest: 400,
    BadAnswer: 400,
    NotSignedIn: 401,
    Forbidden: 403,
    MissingTask: 404,
    TaskGone: 409,
    TooManyAttempts: 429,
}

Count = Callable[[str], None]
Endpoint = Callable[[Request], Awaitable[Response]]


class BodyTooLarge(DeskError):
    """The request body passes the limit."""


class WorkerApi:
    """The routes of workers; ``count`` is told the name of each request."""

    def __init__(self, desk: Desk, count: Count) -> None:
        self._desk = desk
        self._count = count
        self._limiter = workers.SignInLimiter()

    def routes(self) -> list[Route]:
        """The routes, to be mounted at the root."""
        table: list[tuple[str, str, str, Endpoint]] = [
            ("POST", "/worker/sessions", "sign-in", self._sign_in),
            ("DELETE", "/worker/sessions", "sign-out", self._sign_out),
            ("POST", "/worker/tasks/next", "next", self._next),
            ("POST", "/worker/tasks/{task}/answer", "answer", self._answer),
            ("POST", "/worker/tasks/{task}/decline", "decline", self._decline),
            ("POST", "/worker/tasks/{task}/heartbeat", "heartbeat", self._heartbeat),
        ]
        return [
            Route(path, self._guarded(name, endpoint), methods=[method], name=f"worker-{name}")
            for method, path, name, endpoint in table
        ]

    def _guarded(self, name: str, endpoint: Endpoint) -> Endpoint:
        async def guarded(request: Request) -> Response:
            self._count(f"worker:{name}")
            try:
                response = await endpoint(request)
            except DeskError as error:
                response = _error_response(error)
            response.headers["Cache-Control"] = "no-store"
            return response

        return guarded

    async def _sign_in(self, request: Request) -> Response:
        body = await _json_body(request)
        name, password = _text(body, "name"), _text(body, "password")
        address = request.client.host if request.client else "unknown"
        session = await run_in_threadpool(
            workers.sign_in, self._desk, self._limiter, name=name, password=password, address=address
        )
        return JSONResponse(
            {"token": session.token, "worker": session.worker_name, "expires": as_iso(session.expires_ms)}
        )

    async def _sign_out(self, request: Request) -> Response:
        worker = await self._worker(request)
        await run_in_threadpool(workers.sign_out, self._desk, worker)
        return Response(status_code=204)

    async def _next(self, request: Request) -> Response:
        worker = await self._worker(request)
        task = await run_in_threadpool(tasks.next_task, self._desk, worker)
        if task is None:
            return Response(status_code=204)
        return JSONResponse(
            {
                "task": task.task,
                "loop": task.loop,
                "flow": task.flow,
                "title": task.title,
                "description": task.description,
                "input": task.task_input,
                "html": task.html,
                "accepted": as_iso(task.accepted_ms),
                "lease_expires": as_iso(task.lease_expires_ms),
            }
        )

    async def _answer(self, request: Request) -> Response:
        worker = await self._worker(request)
        body = await _json_body(request)
        if "answerContent" not in body:
            raise BadAnswer('The request must have "answerContent".')
        task = request.path_params["task"]
        return JSONResponse(
            await run_in_threadpool(tasks.answer, self._desk, worker, task, body["answerContent"])
        )

    async def _decline(self, request: Request) -> Response:
        worker = await self._worker(request)
        body = await _json_body(request)
        reason = _text(body, "reason") if "reason" in body else ""
        task = request.path_params["task"]
        return JSONResponse(await run_in_threadpool(tasks.decline, self._desk, worker, task, reason))

    async def _heartbeat(self, request: Request) -> Response:
        worker = await self._worker(request)
        expires_ms = await run_in_threadpool(tasks.heartbeat, self._desk, worker, request.path_params["task"])
        return JSONResponse({"lease_expires": as_iso(expires_ms)})

    async def _worker(self, request: Request) -> workers.Worker:
        header = request.headers.get("authorization")
        if header is None and browser.session_token(request) is not None:
            browser.check_csrf(request, request.headers.get(browser.CSRF_HEADER))
            return await run_in_threadpool(browser.signed_in_worker, self._desk, request)
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise NotSignedIn(
                "Sign in at POST /worker/sessions and send its token as Authorization: Bearer <token>."
            )
        return await run_in_threadpool(workers.authenticate, self._desk, token.strip())


def _error_response(error: DeskError) -> JSONResponse:
    headers = {}
    if isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = "Bearer"
    status = 413 if isinstance(error, BodyTooLarge) else _STATUS.get(type(error), 400)
    return JSONResponse({"error": error.message}, status_code=status, headers=headers)


async def _json_body(request: Request) -> dict[str, Any]:
    """The JSON object in the request; an empty body is an empty object."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > _MAX_BODY_BYTES:
            raise BodyTooLarge(f"The request is larger than the {_MAX_BODY_BYTES} bytes that are allowed.")
        chunks.append(chunk)
    if not size:
        return {}
    try:
        body = parse_json(b"".join(chunks))
    except JsonFault as fault:
        raise InvalidRequest(f"The request is not valid JSON: {fault}.") from None
    if not isinstance(body, dict):
        raise InvalidRequest("The request must be a JSON object.")
    return body


def _text(body: dict[str, Any], member: str) -> str:
    value = body.get(member)
    if not isinstance(value, str):
        raise InvalidRequest(f'The request must have a text "{member}".')
    return value
