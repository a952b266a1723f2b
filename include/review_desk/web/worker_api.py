"""The worker API: JSON over HTTP with a bearer token.

The portal's own pages send the session cookie and, in ``X-CSRF-Token``, the token of their page instead.
Errors are ``{"error": "<one sentence>"}``. Times are ISO 8601 in UTC, null where there is none.

POST /worker/sessions {name, password} -> {token, worker, expires}; DELETE /worker/sessions signs out.

POST /worker/tasks/next {view?} -> the task that this session holds, else the oldest that waits, or 204:
    {task, loop, flow, title, description, state, paused, accepted, limit, lease_expires, frame, html, input,
    link_faults}.
    ``limit`` is the task's hard time limit, ``lease_expires`` that of a silent client, ``frame`` is the
    address of its page, ``link_faults`` say why links to S3 are missing in ``html``. With
    ``"view": "frame"`` those three are left out.
POST /worker/tasks/ahead -> {loop, frame}, or 204: what this person would be given after that. Claims nothing.
GET /worker/tasks/{task} -> one's own task in any state, without html and input, and with
    {answerContent, correctable_until}.
POST /worker/tasks/{task}/answer {answerContent, correctable?} -> {loop, status, correctable_until}.
    ``"correctable": true`` holds the output back for a while (DeskConfig.correction_seconds).
PUT /worker/tasks/{task}/answer {answerContent} -> the same: corrects an answer until then, 409 afterwards.
POST /worker/tasks/{task}/heartbeat, /pause, /resume -> {lease_expires, paused}. Paused time is not
    counted; during a pause silence does not give the task back, its limit does. A heartbeat or the answer
    ends it.
POST /worker/tasks/{task}/return -> {loop, status}: hand back to the queue; the same person may get it again.
POST /worker/tasks/{task}/decline {reason?} -> {loop, status}: leave it to others; the same person never gets
it again. GET /worker/queue -> {waiting, mine, answered_today, typical_seconds, more, flows: [{flow, title,
waiting}]}.
    ``more``: counting stopped, show "1000+". Today is the UTC day; typical_seconds is the
    median of the team's last 100 answers, pauses left out, or null.
GET /worker/answers -> {answers: [{task, loop, flow, title, submitted, seconds, correctable_until,
    corrections}]}: one's latest 20, newest first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from include.review_desk.clock import as_iso
from include.review_desk.errors import BadAnswer, DeskError, InvalidRequest, NotSignedIn
from include.review_desk.people import sessions, workers
from include.review_desk.people.sessions import Worker
from include.review_desk.web import browser
from include.review_desk.web.json_http import (
    SHORT_BODY_BYTES,
    error_response,
    is_short,
    read_body,
    read_members,
    text_of,
)
from include.review_desk.web.task_json import acknowledged, given_json, moment, task_json
from include.review_desk.work import assignment, standing, submission, tasks
from include.review_desk.work.answers import MAX_ANSWER_BYTES
from include.review_desk.worker_templates.engine import Crew

if TYPE_CHECKING:
    from starlette.requests import Request

    from include.review_desk.context import Desk

# Pages ask for it every few seconds by themselves.
_QUEUE = "/worker/queue"
# Room for the JSON around the answer.
_MAX_BODY_BYTES = MAX_ANSWER_BYTES + 65_536
# What waits for a template, and whose.
_RENDERING = {"next": Crew.PAGES, "answer": Crew.ANSWERS, "correct": Crew.ANSWERS}
_LONG_REQUESTS = ("answer", "correct")


@dataclass(frozen=True)
class Asked:
    """A request after its body was read; ``task`` is the key in its address, empty where there is none."""

    request: Request
    task: str
    body: bytes

    @property
    def members(self) -> dict[str, Any]:
        """The JSON object in the body, or InvalidRequest."""
        return read_members(self.body)


Count = Callable[[str], None]
Handler = Callable[[Asked], Response]
WorkerHandler = Callable[[Worker, Asked], Response]


class WorkerApi:
    """The routes of workers; ``count`` is called with the name of each request.

    A request is read on the event loop and then handled in one thread, from the session to the response:
    switching threads costs as much as a database query. Only a long body is worth a look at the session
    first, so that strangers cannot fill the memory.
    """

    def __init__(self, desk: Desk, count: Count) -> None:
        self._desk = desk
        self._count = count

    def routes(self) -> list[Route]:
        """The routes, to be mounted at the root."""
        lease = self._lease
        table: list[tuple[str, str, str, WorkerHandler]] = [
            ("DELETE", "/worker/sessions", "sign-out", self._sign_out),
            ("POST", "/worker/tasks/next", "next", self._next),
            ("POST", "/worker/tasks/ahead", "ahead", self._ahead),
            ("GET", "/worker/tasks/{task}", "task", self._task),
            ("POST", "/worker/tasks/{task}/answer", "answer", self._answer),
            ("PUT", "/worker/tasks/{task}/answer", "correct", self._correct),
            ("POST", "/worker/tasks/{task}/decline", "decline", self._decline),
            ("POST", "/worker/tasks/{task}/return", "return", self._return),
            ("POST", "/worker/tasks/{task}/heartbeat", "heartbeat", lease(tasks.heartbeat, paused=False)),
            ("POST", "/worker/tasks/{task}/pause", "pause", lease(tasks.pause, paused=True)),
            ("POST", "/worker/tasks/{task}/resume", "resume", lease(tasks.resume, paused=False)),
            ("GET", _QUEUE, "queue", self._queue),
            ("GET", "/worker/answers", "answers", self._answers),
        ]
        return [
            self._route("POST", "/worker/sessions", "sign-in", self._sign_in),
            *(
                self._route(method, path, name, self._signed_in(handler))
                for method, path, name, handler in table
            ),
        ]

    def _route(self, method: str, path: str, name: str, handler: Handler) -> Route:
        max_bytes = _MAX_BODY_BYTES if name in _LONG_REQUESTS else SHORT_BODY_BYTES
        endpoint = self._endpoint(name, handler, max_bytes)
        return Route(path, endpoint, methods=[method], name=f"worker-{name}")

    def _endpoint(
        self, name: str, handler: Handler, max_bytes: int
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            self._count(f"worker:{name}")
            try:
                if max_bytes > SHORT_BODY_BYTES and not is_short(request):
                    await run_in_threadpool(self._worker, request)
                body = await read_body(request, max_bytes=max_bytes)
                asked = Asked(request, request.path_params.get("task", ""), body)
                response = await self._desk.rendering_threads.run(_RENDERING.get(name), handler, asked)
            except DeskError as error:
                response = error_response(error)
            response.headers["Cache-Control"] = "no-store"
            return response

        return endpoint

    def _signed_in(self, handler: WorkerHandler) -> Handler:
        return lambda asked: handler(self._worker(asked.request), asked)

    def _worker(self, request: Request) -> Worker:
        active = request.url.path != _QUEUE
        header = request.headers.get("authorization")
        if header is None and browser.session_token(request) is not None:
            browser.check_csrf(request, request.headers.get(browser.CSRF_HEADER))
            return browser.signed_in_worker(self._desk, request, active=active)
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise NotSignedIn(
                "Sign in at POST /worker/sessions and send its token as Authorization: Bearer <token>."
            )
        return sessions.authenticate(self._desk, token.strip(), active=active)

    def _sign_in(self, asked: Asked) -> Response:
        members = asked.members
        session = workers.sign_in(
            self._desk,
            self._desk.sign_in_limiter,
            name=text_of(members, "name"),
            password=text_of(members, "password"),
            address=browser.client_address(asked.request),
            code=text_of(members, "code") if "code" in members else None,
        )
        return JSONResponse(
            {"token": session.token, "worker": session.worker_name, "expires": as_iso(session.expires_ms)}
        )

    def _sign_out(self, worker: Worker, _asked: Asked) -> Response:
        sessions.sign_out(self._desk, worker)
        return Response(status_code=204)

    def _next(self, worker: Worker, asked: Asked) -> Response:
        view = asked.members.get("view")
        if view not in (None, "frame"):
            raise InvalidRequest('"view" must be "frame" or left out.')
        if view == "frame":
            task = tasks.next_task(self._desk, worker)
            return JSONResponse(task_json(task)) if task else Response(status_code=204)
        shown = tasks.next_page(self._desk, worker)
        if shown is None:
            return Response(status_code=204)
        task, page, task_input = shown
        members = {"html": page.html, "input": task_input, "link_faults": page.link_faults}
        return JSONResponse(task_json(task) | members)

    def _ahead(self, worker: Worker, _asked: Asked) -> Response:
        loop = assignment.ahead(self._desk, worker)
        if loop is None:
            return Response(status_code=204)
        return JSONResponse({"loop": loop, "frame": f"/frames/ahead/{loop}"})

    def _task(self, worker: Worker, asked: Asked) -> Response:
        task = tasks.own_task(self._desk, worker, asked.task)
        return JSONResponse(
            task_json(task)
            | {"answerContent": task.answer, "correctable_until": moment(task.correctable_until_ms)}
        )

    def _answer(self, worker: Worker, asked: Asked) -> Response:
        members = asked.members
        correctable = members.get("correctable", False)
        if not isinstance(correctable, bool):
            raise InvalidRequest('"correctable" must be true or false.')
        content = _answer_content(members)
        done = submission.answer(self._desk, worker, asked.task, content, correctable=correctable)
        return JSONResponse(acknowledged(done))

    def _correct(self, worker: Worker, asked: Asked) -> Response:
        done = submission.correct(self._desk, worker, asked.task, _answer_content(asked.members))
        return JSONResponse(acknowledged(done))

    def _decline(self, worker: Worker, asked: Asked) -> Response:
        members = asked.members
        reason = text_of(members, "reason") if "reason" in members else ""
        return JSONResponse(tasks.decline(self._desk, worker, asked.task, reason))

    def _return(self, worker: Worker, asked: Asked) -> Response:
        return JSONResponse(tasks.hand_back(self._desk, worker, asked.task))

    def _lease(self, change: Callable[[Desk, Worker, str], int], *, paused: bool) -> WorkerHandler:
        def handler(worker: Worker, asked: Asked) -> Response:
            expires_ms = change(self._desk, worker, asked.task)
            return JSONResponse({"lease_expires": as_iso(expires_ms), "paused": paused})

        return handler

    def _queue(self, worker: Worker, _asked: Asked) -> Response:
        return JSONResponse(asdict(standing.queue(self._desk, worker)))

    def _answers(self, worker: Worker, _asked: Asked) -> Response:
        given = standing.latest_answers(self._desk, worker)
        return JSONResponse({"answers": [given_json(answer) for answer in given]})


def _answer_content(members: dict[str, Any]) -> Any:
    if "answerContent" not in members:
        raise BadAnswer('The request must have "answerContent".')
    return members["answerContent"]
