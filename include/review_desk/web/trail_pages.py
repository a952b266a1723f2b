"""The audit trail of a team, for its leads.

``GET /overview/trail?team=<name>&actor=&action=&since=&until=&before=``, the newest first; the same as JSON
Lines, the oldest first, at ``/overview/trail.jsonl``, which is recorded as an export. Days are UTC days.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from include.review_desk.audit_trail import entries
from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.clock import as_milliseconds
from include.review_desk.errors import InvalidRequest
from include.review_desk.web.html import page
from include.review_desk.web.lead_pages import Chosen, for_leads

if TYPE_CHECKING:
    from starlette.requests import Request

    from include.review_desk.context import Desk
    from include.review_desk.people.sessions import Worker

ON_A_PAGE = 50
MOST_EXPORTED = 10_000
_FILTERS = ("actor", "action", "since", "until")


def routes(desk: Desk) -> list[Route]:
    """The page and its export."""

    def show(request: Request, worker: Worker, chosen: Chosen) -> Response:
        wanted = _wanted(request, chosen)
        with desk.database.read() as connection:
            found = list(entries.read(connection, wanted, last=ON_A_PAGE + 1))
        shown = found[-ON_A_PAGE:][::-1]
        given = {name: request.query_params.get(name, "") for name in _FILTERS}
        query = {"team": chosen.team} | {name: text for name, text in given.items() if text}
        older = urlencode(query | {"before": str(shown[-1].id)}) if len(found) > ON_A_PAGE else None
        return page(
            "trail.html",
            request=request,
            worker=worker,
            lead=True,
            teams=chosen.led,
            team=chosen.team,
            entries=shown,
            given=given,
            actions=list(Action),
            older=older,
            export=urlencode(query),
            latest="before" not in request.query_params,
        )

    def export(request: Request, worker: Worker, chosen: Chosen) -> Response:
        wanted = _wanted(request, chosen)
        with desk.database.write() as connection:
            on = f"trail/{chosen.team}"
            record(connection, desk.clock(), Action.TRAIL_EXPORTED, on, by=worker.id, team=chosen.team_id)
        with desk.database.read() as connection:
            lines = [
                json.dumps(entries.as_json(entry)) + "\n"
                for entry in entries.read(connection, wanted, last=MOST_EXPORTED)
            ]
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": 'attachment; filename="audit-trail.jsonl"',
        }
        return Response("".join(lines), media_type="application/jsonl", headers=headers)

    return [
        Route("/overview/trail", for_leads(desk, show)),
        Route("/overview/trail.jsonl", for_leads(desk, export)),
    ]


def _wanted(request: Request, chosen: Chosen) -> entries.Wanted:
    query = request.query_params
    before = query.get("before")
    if before is not None and not (before.isascii() and before.isdigit() and len(before) < 10):
        raise InvalidRequest('"before" must be the number of an entry.')
    return entries.Wanted(
        since_ms=_day(query.get("since"), "since"),
        until_ms=_day(query.get("until"), "until", after=1),
        actor=query.get("actor") or None,
        action=query.get("action") or None,
        team_id=chosen.team_id,
        before_id=None if before is None else int(before),
    )


def _day(text: str | None, name: str, *, after: int = 0) -> int | None:
    """The beginning of a UTC day, or of one ``after`` it."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text) + timedelta(days=after)
    except (ValueError, OverflowError):
        raise InvalidRequest(f'"{name}" must be a day like 2026-12-01.') from None
    return as_milliseconds(datetime(day.year, day.month, day.day))
