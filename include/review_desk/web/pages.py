"""Pages that Airflow links to: flow definitions and human loops. None shows personal data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from include.review_desk.errors import NotSignedIn
from include.review_desk.loops import templates
from include.review_desk.loops.status import count_by_status
from include.review_desk.people import teams
from include.review_desk.storage import schema
from include.review_desk.web.browser import signed_in_worker
from include.review_desk.web.html import page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from include.review_desk.context import Desk
    from include.review_desk.web.exposure import Guard

LATEST_LOOPS = 100

_loops = schema.human_loops
_flows = schema.flow_definitions


def routes(desk: Desk, guard: Guard) -> list[Route]:
    """``/flows``, ``/flows/{name}``, ``/loops/{name}``: private where told. ``/templates/{sha256}``."""

    def template(request: Request) -> Response:
        content = templates.by_digest(desk, request.path_params["sha256"])
        if content is None:
            return PlainTextResponse("There is no such worker template.", status_code=404)
        return PlainTextResponse(content)

    return [
        Route("/flows", guard(lambda request: _flow_list(desk, request))),
        Route("/flows/{name}", guard(lambda request: _flow(desk, request))),
        Route("/loops/{name}", guard(lambda request: _loop(desk, request))),
        Route("/templates/{sha256}", template),
    ]


def _flow_list(desk: Desk, request: Request) -> Response:
    with desk.database.read() as connection:
        rows = connection.execute(
            select(_flows.c.name, _flows.c.status, _flows.c.created_ms)
            .where(_flows.c.live_name.is_not(None))
            .order_by(_flows.c.created_ms.desc(), _flows.c.id.desc())
            .limit(LATEST_LOOPS)
        ).all()
    return page("flows.html", request=request, flows=rows)


def _flow(desk: Desk, request: Request) -> Response:
    """Counts and latest loops of a flow definition."""
    name = request.path_params["name"]
    with desk.database.read() as connection:
        flow = connection.execute(select(_flows).where(_flows.c.live_name == name)).one_or_none()
        if flow is None:
            return _missing(request, "flow definition", name)
        counts = count_by_status(connection, name)
        rows = connection.execute(
            select(_loops.c.name, _loops.c.status, _loops.c.created_ms, _loops.c.answers, _loops.c.task_count)
            .where(_loops.c.flow_name == name, _loops.c.live_name.is_not(None))
            .order_by(_loops.c.created_ms.desc(), _loops.c.id.desc())
            .limit(LATEST_LOOPS)
        ).all()
    config = json.loads(flow.config)
    return page(
        "flow.html",
        request=request,
        flow=flow,
        loop_config=config["HumanLoopConfig"],
        output=config["OutputConfig"]["S3OutputPath"],
        counts=sorted(counts.items()),
        loops=rows,
    )


def _loop(desk: Desk, request: Request) -> Response:
    """Status and times of a loop."""
    name = request.path_params["name"]
    assignments, outbox = schema.assignments, schema.outbox
    with desk.database.read() as connection:
        row = connection.execute(select(_loops).where(_loops.c.live_name == name)).one_or_none()
        if row is None:
            return _missing(request, "human loop", name)
        at_work = connection.scalar(
            select(func.count()).where(assignments.c.loop_id == row.id, assignments.c.state == "working")
        )
        pending = connection.execute(select(outbox).where(outbox.c.loop_id == row.id)).one_or_none()
    return page(
        "loop.html",
        request=request,
        human_loop=row,
        at_work=at_work,
        pending=pending,
        # It may quote the input, which only the team may see.
        reason=row.failure_reason if _is_in_team(desk, request, row.team_id) else None,
    )


def _is_in_team(desk: Desk, request: Request, team_id: int) -> bool:
    try:
        worker = signed_in_worker(desk, request)
    except NotSignedIn:
        return False
    return any(member.team_id == team_id for member in teams.memberships(desk, worker))


def _missing(request: Request, what: str, name: str) -> Response:
    """The page for a name that does not exist."""
    return page("missing.html", request=request, status=404, what=what, name=name)
