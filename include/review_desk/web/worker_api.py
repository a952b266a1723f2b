"""What a worker's client speaks: JSON over HTTP with a bearer token.

The portal's own pages send the session cookie and, in ``X-CSRF-Token``, the token of their page instead.
Errors are ``{"error": "<one sentence>"}``. Moments are ISO 8601 in UTC, null where there is none.

POST /worker/sessions {name, password} -> {token, worker, expires}; DELETE /worker/sessions signs out.

POST /worker/tasks/next {view?} -> the task that this session holds, else the oldest that waits, or 204:
    {task, loop, flow, title, description, state, paused, accepted, limit, lease_expires, frame, html, input}.
    ``limit`` ends the task for good, ``lease_expires`` ends it for a client that fell silent, ``frame`` is
    the address of its page. With ``"view": "frame"`` html and input are left out.
POST /worker/tasks/ahead -> {loop, frame}, or 204: what this person would be given after that. Claims nothing.
GET /worker/tasks/{task} -> one's own task in any state, without html and input, and with
    {answerContent, correctable_until}.
POST /worker/tasks/{task}/answer {answerContent, correctable?} -> {loop, status, correctable_until}.
    ``"correctable": true`` holds the output back for a while (DeskConfig.correction_seconds).
PUT /worker/tasks/{task}/answer {answerContent} -> the same: corrects an answer until then, 409 afterwards.
POST /worker/tasks/{task}/heartbeat, /pause, /resume -> {lease_expires, paused}. A pause is no time spent;
    silence then does not give the task back, its limit does. A heartbeat or the answer ends it.
POST /worker/tasks/{task}/return -> {loop, status}: hand back to everybody, oneself included.
POST /worker/tasks/{task}/decline {reason?} -> {loop, status}: to others, never again to oneself.
GET /worker/queue -> {waiting, mine, answered_today, typical_seconds, more, flows: [{flow, title, waiting}]}.
    ``more``: there are more than were counted, say "1000+". Today is the UTC day; typical_seconds is the
    median of the team's last 100 answers, pauses left out, or null.
GET /worker/answers -> {answers: [{task, loop, flow, title, submitted, seconds, correctable_until,
    corrections}]}: one's latest 20, newest first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
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
from include.review_desk.web.task_json import acknowledged, given_json, moment, task_json
from include.review_desk.work import assignment, standing, submission, tasks
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
        self._limiter = desk.sign_in_limiter

    def routes(self) -> list[Route]:
        """The routes, to be mounted at the root."""
        table: list[tuple[str, str, str, Endpoint]] = [
            ("POST", "/worker/sessions", "sign-in", self._sign_in),
            ("DELETE", "/worker/sessions", "sign-out", self._sign_out),
            ("POST", "/worker/tasks/next", "next", self._next),
            ("POST", "/worker/tasks/ahead", "ahead", self._ahead),
            ("GET", "/worker/tasks/{task}", "task", self._task),
            ("POST", "/worker/tasks/{task}/answer", "answer", self._answer),
            ("PUT", "/worker/tasks/{task}/answer", "correct", self._correct),
            ("POST", "/worker/tasks/{task}/decline", "decline", self._decline),
            ("POST", "/worker/tasks/{task}/return", "return", self._return),
            ("POST", "/worker/tasks/{task}/heartbeat", "heartbeat", self._heartbeat),
            ("POST", "/worker/tasks/{task}/pause", "pause", self._pause),
            ("POST", "/worker/tasks/{task}/resume", "resume", self._resume),
            ("GET", "/worker/queue", "queue", self._queue),
            ("GET", "/worker/answers", "answers", self._answers),
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
                response = error_response(error)
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
        view = (await _json_body(request)).get("view")
        if view not in (None, "frame"):
            raise InvalidRequest('"view" must be "frame" or left out.')
        task = await run_in_threadpool(tasks.next_task, self._desk, worker)
        if task is None:
            return Response(status_code=204)
        answer = task_json(task)
        if view is None:
            html, task_input = await run_in_threadpool(tasks.page_and_input, self._desk, worker, task.task)
            answer |= {"html": html, "input": task_input}
        return JSONResponse(answer)

    async def _ahead(self, request: Request) -> Response:
        loop = await run_in_threadpool(assignment.ahead, self._desk, await self._worker(request))
        if loop is None:
            return Response(status_code=204)
        return JSONResponse({"loop": loop, "frame": f"/frames/ahead/{loop}"})

    async def _task(self, request: Request) -> Response:
        worker = await self._worker(request)
        task = await run_in_threadpool(tasks.own_task, self._desk, worker, _task_key(request))
        return JSONResponse(
            task_json(task)
            | {"answerContent": task.answer, "correctable_until": moment(task.correctable_until_ms)}
        )

    async def _answer(self, request: Request) -> Response:
        worker = await self._worker(request)
        body = await _json_body(request)
        correctable = body.get("correctable", False)
        if not isinstance(correctable, bool):
            raise InvalidRequest('"correctable" must be true or false.')
        done = await run_in_threadpool(
            submission.answer,
            self._desk,
            worker,
            _task_key(request),
            _answer_content(body),
            correctable=correctable,
        )
        return JSONResponse(acknowledged(done))

    async def _correct(self, request: Request) -> Response:
        worker = await self._worker(request)
        content = _answer_content(await _json_body(request))
        done = await run_in_threadpool(submission.correct, self._desk, worker, _task_key(request), content)
        return JSONResponse(acknowledged(done))

    async def _decline(self, request: Request) -> Response:
        worker = await self._worker(request)
        body = await _json_body(request)
        reason = _text(body, "reason") if "reason" in body else ""
        return JSONResponse(
            await run_in_threadpool(tasks.decline, self._desk, worker, _task_key(request), reason)
        )

    async def _return(self, request: Request) -> Response:
        worker = await self._worker(request)
        return JSONResponse(await run_in_threadpool(tasks.hand_back, self._desk, worker, _task_key(request)))

    async def _heartbeat(self, request: Request) -> Response:
        return await self._lease(request, tasks.heartbeat, paused=False)

    async def _pause(self, request: Request) -> Response:
        return await self._lease(request, tasks.pause, paused=True)

    async def _resume(self, request: Request) -> Response:
        return await self._lease(request, tasks.resume, paused=False)

    async def _lease(
        self, request: Request, change: Callable[[Desk, workers.Worker, str], int], *, paused: bool
    ) -> Response:
        expires_ms = await run_in_threadpool(
            change, self._desk, await self._worker(request), _task_key(request)
        )
        return JSONResponse({"lease_expires": as_iso(expires_ms), "paused": paused})

    async def _queue(self, request: Request) -> Response:
        worker = await self._worker(request)
        return JSONResponse(asdict(await run_in_threadpool(standing.queue, self._desk, worker)))

    async def _answers(self, request: Request) -> Response:
        worker = await self._worker(request)
        given = await run_in_threadpool(standing.latest_answers, self._desk, worker)
        return JSONResponse({"answers": [given_json(answer) for answer in given]})

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


def _task_key(request: Request) -> str:
    return str(request.path_params["task"])


def _answer_content(body: dict[str, Any]) -> Any:
    if "answerContent" not in body:
        raise BadAnswer('The request must have "answerContent".')
    return body["answerContent"]


def error_response(error: DeskError) -> JSONResponse:
    """An error as JSON, with the status that belongs to its kind."""
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
