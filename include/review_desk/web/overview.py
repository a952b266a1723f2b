"""The overview for team leads: what is waiting, who did what, what became of the model's boxes.

``GET /overview?team=<name>&days=<number>``, as a page; as JSON at ``/overview.json`` or with
``Accept: application/json``. Only with a session cookie, and only for teams that the person leads: 403
otherwise.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from include.review_desk.clock import as_iso
from include.review_desk.errors import DeskError, Forbidden, InvalidRequest, NotSignedIn
from include.review_desk.people import teams
from include.review_desk.web.browser import signed_in_worker
from include.review_desk.web.html import page
from include.review_desk.web.http_status import http_status
from include.review_desk.web.portal import sign_in_redirect
from include.review_desk.work.statistics import MAX_DAYS, TeamWork, team_work

if TYPE_CHECKING:
    from starlette.requests import Request

    from include.review_desk.context import Desk
    from include.review_desk.people.sessions import Worker

DEFAULT_DAYS = 14
DAY_CHOICES = (1, 7, 14, 30, 90)
# What became of the model's boxes, in the order of the bars, with their captions.
FATES = (("accepted", "Accepted"), ("moved", "Moved"), ("relabelled", "Relabelled"), ("removed", "Removed"))


def routes(desk: Desk) -> list[Route]:
    """``/overview`` and ``/overview.json``."""

    # Plain functions, so that Starlette runs them in threads: they query the database.
    def overview(request: Request) -> Response:
        if _wants_json(request):
            return as_json(request)
        try:
            worker = signed_in_worker(desk, request)
        except NotSignedIn:
            return sign_in_redirect(request)
        try:
            led, team, work = _look(desk, worker, request)
        except DeskError as error:
            return page(
                "problem.html",
                request=request,
                worker=worker,
                status=http_status(error),
                error=error.message,
            )
        return page(
            "overview.html",
            request=request,
            worker=worker,
            lead=True,
            teams=led,
            team=team,
            work=work,
            day_choices=sorted({*DAY_CHOICES, work.days}),
            fates=FATES,
        )

    def as_json(request: Request) -> Response:
        try:
            _led, team, work = _look(desk, signed_in_worker(desk, request), request)
        except DeskError as error:
            return JSONResponse({"error": error.message}, status_code=http_status(error))
        return JSONResponse(_json(team, work), headers={"Cache-Control": "no-store"})

    return [Route("/overview", overview), Route("/overview.json", as_json)]


def _look(desk: Desk, worker: Worker, request: Request) -> tuple[list[str], str, TeamWork]:
    """The teams this person leads, the one asked for, and its numbers."""
    led = {member.team: member.team_id for member in teams.memberships(desk, worker) if member.lead}
    if not led:
        raise Forbidden("Only people who lead a team see an overview: ask the person who runs this desk.")
    team = request.query_params.get("team") or next(iter(led))
    if team not in led:
        raise Forbidden(f"You do not lead the team {team[:63]!r}: its overview is for those who do.")
    return list(led), team, team_work(desk, led[team], _days(request))


def _days(request: Request) -> int:
    given = request.query_params.get("days", str(DEFAULT_DAYS))
    if not (given.isascii() and given.isdigit() and len(given) < 5 and 1 <= int(given) <= MAX_DAYS):
        raise InvalidRequest(f'"days" must be a number from 1 to {MAX_DAYS}.')
    return int(given)


def _wants_json(request: Request) -> bool:
    accepted = request.headers.get("accept", "")
    return "application/json" in accepted and "text/html" not in accepted


def _json(team: str, work: TeamWork) -> dict[str, Any]:
    numbers = asdict(work)
    oldest_ms = numbers.pop("oldest_waiting_ms")
    return {"team": team, "oldest_waiting": None if oldest_ms is None else as_iso(oldest_ms)} | numbers
