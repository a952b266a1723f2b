"""The reviewers' own pages: the queue, the task at hand, the latest answers.

The pages hold no data but the person's name; their scripts (static/portal) ask the worker API for the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import select, true
from starlette.responses import RedirectResponse
from starlette.routing import Route

from include.review_desk.errors import NotSignedIn
from include.review_desk.storage import schema
from include.review_desk.web.browser import signed_in_worker
from include.review_desk.web.html import page

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from include.review_desk.context import Desk
    from include.review_desk.people.sessions import Worker

# What a person can choose from when declining; the text of the page's dialog, in its order.
DECLINE_REASONS = (
    "The image is unusable (blurred, dark, cut off)",
    "The image does not load",
    "I am not sure: someone with more experience should look",
    "The instructions do not fit this image",
    "Another reason",
)


def routes(desk: Desk) -> list[Route]:
    """``/``, ``/work`` and ``/answers``; visitors who are not signed in are sent to ``/sign-in``."""

    def queue(request: Request, worker: Worker) -> Response:
        return page("queue.html", request=request, worker=worker, lead=leads_a_team(desk, worker))

    def work(request: Request, worker: Worker) -> Response:
        return page(
            "work.html",
            request=request,
            worker=worker,
            reasons=DECLINE_REASONS,
            correcting="correct" in request.query_params,
        )

    def answers(request: Request, worker: Worker) -> Response:
        return page("answers.html", request=request, worker=worker, lead=leads_a_team(desk, worker))

    return [
        Route("/", _for_workers(desk, queue)),
        Route("/work", _for_workers(desk, work)),
        Route("/answers", _for_workers(desk, answers)),
    ]


def leads_a_team(desk: Desk, worker: Worker) -> bool:
    """Whether the person leads any team and so may see the overview."""
    members = schema.team_members
    query = select(members.c.team_id).where(members.c.worker_id == worker.id, members.c.lead == true())
    with desk.database.read() as connection:
        return connection.execute(query.limit(1)).first() is not None


def sign_in_redirect(request: Request) -> RedirectResponse:
    """Redirect to the sign-in page, which leads back to the requested page."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/sign-in?next={quote(here, safe='')}", status_code=303)


def _for_workers(desk: Desk, handler: Callable[[Request, Worker], Response]) -> Callable[[Request], Any]:
    # A plain function, so that Starlette runs it in a thread: it queries the database.
    def endpoint(request: Request) -> Response:
        try:
            worker = signed_in_worker(desk, request)
        except NotSignedIn:
            return sign_in_redirect(request)
        return handler(request, worker)

    return endpoint
