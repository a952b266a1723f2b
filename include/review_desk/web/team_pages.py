"""The people of a team, for its leads.

``GET /overview/people?team=<name>``: members and open invitations. ``GET`` and ``POST
/overview/people/remove``: take a person out of the team. ``POST /overview/invitations/withdraw``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.responses import RedirectResponse
from starlette.routing import Route

from include.review_desk.errors import InvalidRequest
from include.review_desk.people import invitations, leaving, teams
from include.review_desk.web.html import page
from include.review_desk.web.lead_pages import Chosen, for_leads, form
from include.review_desk.work import housekeeping

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from include.review_desk.context import Desk
    from include.review_desk.people.sessions import Worker

_DONE = {
    "removed": "The person was taken out of the team. What they held is in the queue again.",
    "withdrawn": "The invitation was withdrawn: its link is useless.",
}


def routes(desk: Desk) -> list[Route]:
    """The pages and the forms that they send."""

    def people(request: Request, worker: Worker, chosen: Chosen) -> Response:
        with desk.database.read() as connection:
            members = teams.members_of(connection, chosen.team_id)
        return page(
            "people.html",
            request=request,
            worker=worker,
            lead=True,
            teams=chosen.led,
            team=chosen.team,
            members=members,
            invitations=invitations.list_open(desk.database, desk.clock(), chosen.team_id),
            done=_DONE.get(request.query_params.get("done", "")),
        )

    def confirm(request: Request, worker: Worker, chosen: Chosen) -> Response:
        wanted = request.query_params.get("worker", "")
        with desk.database.read() as connection:
            members = teams.members_of(connection, chosen.team_id)
        for member in members:
            if member.pseudonym == wanted:
                return page(
                    "remove.html",
                    request=request,
                    worker=worker,
                    lead=True,
                    team=chosen.team,
                    member=member,
                )
        raise InvalidRequest(f"This person is not in the team {chosen.team} any more.")

    def remove(worker: Worker, fields: dict[str, str]) -> Response:
        team = fields.get("team", "")
        leaving.remove_as_lead(desk, worker, team=team, pseudonym=fields.get("worker", ""))
        # What the person held is on offer before this page is.
        housekeeping.end_leases(desk)
        return _back(team, "removed")

    def withdraw(worker: Worker, fields: dict[str, str]) -> Response:
        team = fields.get("team", "")
        invitations.withdraw_as_lead(desk, worker, team=team, invitation_id=fields.get("invitation", ""))
        return _back(team, "withdrawn")

    return [
        Route("/overview/people", for_leads(desk, people)),
        Route("/overview/people/remove", for_leads(desk, confirm)),
        Route("/overview/people/remove", form(desk, remove), methods=["POST"]),
        Route("/overview/invitations/withdraw", form(desk, withdraw), methods=["POST"]),
    ]


def _back(team: str, done: str) -> Response:
    return RedirectResponse(f"/overview/people?{urlencode({'team': team, 'done': done})}", status_code=303)
