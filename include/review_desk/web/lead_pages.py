"""What the pages of team leads share: whose team it is, and forms of signed-in people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from include.review_desk.errors import DeskError, Forbidden, NotSignedIn
from include.review_desk.people import teams
from include.review_desk.web import browser
from include.review_desk.web.forms import read_form
from include.review_desk.web.html import page
from include.review_desk.web.http_status import http_status
from include.review_desk.web.portal import sign_in_redirect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from include.review_desk.context import Desk
    from include.review_desk.people.sessions import Worker


@dataclass(frozen=True)
class Chosen:
    """The team that a lead looks at, and the names of all teams that the person leads."""

    team: str
    team_id: int
    led: list[str]


def choose_team(desk: Desk, worker: Worker, request: Request) -> Chosen:
    """The team that the address asks for, else the first that the person leads.

    Raises
    ------
    Forbidden
        The person leads no team, or not this one.
    """
    led = {member.team: member.team_id for member in teams.memberships(desk, worker) if member.lead}
    if not led:
        raise Forbidden("Only people who lead a team see an overview: ask the person who runs this desk.")
    team = request.query_params.get("team") or next(iter(led))
    if team not in led:
        raise Forbidden(f"You do not lead the team {team[:63]!r}: its overview is for those who do.")
    return Chosen(team, led[team], list(led))


def problem(request: Request, worker: Worker | None, error: DeskError) -> Response:
    """The page that says what went wrong."""
    return page(
        "problem.html", request=request, worker=worker, status=http_status(error), error=error.message
    )


def for_leads(desk: Desk, show: Callable[[Request, Worker, Chosen], Response]) -> Callable[[Request], Any]:
    """A page about a team, for those who lead it."""

    # A plain function, so that Starlette runs it in a thread: it queries the database.
    def endpoint(request: Request) -> Response:
        try:
            worker = browser.signed_in_worker(desk, request)
        except NotSignedIn:
            return sign_in_redirect(request)
        try:
            return show(request, worker, choose_team(desk, worker, request))
        except DeskError as error:
            return problem(request, worker, error)

    return endpoint


def form(
    desk: Desk, handle: Callable[[Worker, dict[str, str]], Response]
) -> Callable[[Request], Awaitable[Response]]:
    """A form of a signed-in person: session and CSRF token are checked first, then a thread handles it."""

    async def endpoint(request: Request) -> Response:
        worker: Worker | None = None
        try:
            worker = await run_in_threadpool(browser.signed_in_worker, desk, request)
            fields = await read_form(request)
            browser.check_csrf(request, fields.get(browser.CSRF_FIELD))
            return await run_in_threadpool(handle, worker, fields)
        except DeskError as error:
            return problem(request, worker, error)

    return endpoint
