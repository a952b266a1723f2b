"""The overview for team leads: what is waiting, who did what, what became of the model's boxes.

``GET /overview?team=<name>&days=<number>``, as a page; as JSON at ``/overview.json`` or with
``Accept: application/json``. Only with a session cookie, and only for teams that the person leads: 403
otherwise. The JSON has people's names and is recorded in the audit trail as an export.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.clock import as_iso
from include.review_desk.errors import DeskError, InvalidRequest
from include.review_desk.web.browser import signed_in_worker
from include.review_desk.web.html import page
from include.review_desk.web.http_status import http_status
from include.review_desk.web.lead_pages import Chosen, choose_team, for_leads
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

    def overview(request: Request, worker: Worker, chosen: Chosen) -> Response:
        work = team_work(desk, chosen.team_id, _days(request))
        return page(
            "overview.html",
            request=request,
            worker=worker,
            lead=True,
            teams=chosen.led,
            team=chosen.team,
            work=work,
            day_choices=sorted({*DAY_CHOICES, work.days}),
            fates=FATES,
        )

    shown = for_leads(desk, overview)

    # Plain functions, so that Starlette runs them in threads: they query the database.
    def page_or_json(request: Request) -> Response:
        response: Response = as_json(request) if _wants_json(request) else shown(request)
        return response

    def as_json(request: Request) -> Response:
        try:
            worker = signed_in_worker(desk, request)
            chosen = choose_team(desk, worker, request)
            work = team_work(desk, chosen.team_id, _days(request))
        except DeskError as error:
            return JSONResponse({"error": error.message}, status_code=http_status(error))
        with desk.database.write() as connection:
            on = f"overview/{chosen.team}"
            record(connection, desk.clock(), Action.OVERVIEW_EXPORTED, on, by=worker.id, team=chosen.team_id)
        return JSONResponse(_json(chosen.team, work), headers={"Cache-Control": "no-store"})

    return [Route("/overview", page_or_json), Route("/overview.json", as_json)]


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
