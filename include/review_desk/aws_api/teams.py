"""Work teams and the one private workforce they belong to.

Who is in a team is the desk's own business (``add-worker``); MemberDefinitions name Cognito or OIDC groups,
which the API takes and gives back unchanged.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from include.review_desk.aws_api import arns, paging, tagging
from include.review_desk.clock import as_datetime
from include.review_desk.errors import InvalidRequest, MissingResource, NameInUse
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.review_desk.context import Desk
    from include.review_desk.storage.database import AnyRow

WORKFORCE_NAME = "default"
_SETTINGS = ("MemberDefinitions", "NotificationConfiguration", "WorkerAccessConfiguration")

_teams = schema.workteams


def create(desk: Desk, params: Mapping[str, Any]) -> dict[str, Any]:
    """CreateWorkteam.

    Raises
    ------
    NameInUse
    InvalidRequest
        WorkforceName is not the workforce there is.
    """
    name = params["WorkteamName"]
    arn = desk.config.arns.make(arns.WORKTEAM, name)
    if params.get("WorkforceName", WORKFORCE_NAME) != WORKFORCE_NAME:
        raise InvalidRequest(
            f"The workforce {params['WorkforceName']} does not exist: there is one, {WORKFORCE_NAME}."
        )
    settings = {key: params[key] for key in _SETTINGS if key in params}
    now_ms = desk.clock()
    try:
        with desk.database.write() as connection:
            connection.execute(
                insert(_teams).values(
                    name=name,
                    description=params["Description"],
                    settings=json.dumps(settings),
                    created_ms=now_ms,
                    updated_ms=now_ms,
                )
            )
            tagging.put(connection, arns.WORKTEAM, name, params.get("Tags", []))
    except IntegrityError:
        raise NameInUse(f"The work team {arn} exists already.") from None
    return {"WorkteamArn": arn}


def describe(desk: Desk, name: str) -> dict[str, Any]:
    """DescribeWorkteam; SubDomain is the host and port where people review."""
    with desk.database.read() as connection:
        return {"Workteam": _as_workteam(desk, _find(desk, connection, name))}


def list_teams(desk: Desk, params: Mapping[str, Any]) -> dict[str, Any]:
    """ListWorkteams."""
    column = _teams.c.name if params.get("SortBy") == "Name" else _teams.c.created_ms
    order = paging.sort_order(params, column, _teams.c.id)
    query = select(_teams, _teams.c.id.label("identity"), column.label("sort_key"))
    if "NameContains" in params:
        query = query.where(_teams.c.name.contains(params["NameContains"], autoescape=True))
    with desk.database.read() as connection:
        rows, token = paging.fetch_page(connection, query, order, params)
    teams = [_as_workteam(desk, row) for row in rows]
    return {"Workteams": teams} | ({"NextToken": token} if token else {})


def update_team(desk: Desk, params: Mapping[str, Any]) -> dict[str, Any]:
    """UpdateWorkteam: what is given replaces what was."""
    name = params["WorkteamName"]
    with desk.database.write() as connection:
        row = _find(desk, connection, name)
        settings = json.loads(row.settings) | {key: params[key] for key in _SETTINGS if key in params}
        connection.execute(
            update(_teams)
            .where(_teams.c.id == row.id)
            .values(
                settings=json.dumps(settings),
                description=params.get("Description", row.description),
                updated_ms=desk.clock(),
            )
        )
    return describe(desk, name)


def delete_team(desk: Desk, name: str) -> dict[str, Any]:
    """DeleteWorkteam; the people keep their accounts.

    Raises
    ------
    InvalidRequest
        A flow definition uses the team.
    """
    flows = schema.flow_definitions
    with desk.database.write() as connection:
        row = _find(desk, connection, name)
        used_by = connection.scalar(
            select(flows.c.name).where(flows.c.team_id == row.id, flows.c.live_name.is_not(None)).limit(1)
        )
        if used_by is not None:
            raise InvalidRequest(
                f"The work team {name} is used by the flow definition {used_by}: delete that first."
            )
        connection.execute(delete(schema.team_members).where(schema.team_members.c.team_id == row.id))
        connection.execute(delete(_teams).where(_teams.c.id == row.id))
        tagging.forget(connection, arns.WORKTEAM, name)
    return {"Success": True}


def describe_workforce(desk: Desk, name: str) -> dict[str, Any]:
    """DescribeWorkforce: one private workforce, ``default``, always Active."""
    if name != WORKFORCE_NAME:
        raise MissingResource(f"The workforce {name} does not exist: there is one, {WORKFORCE_NAME}.")
    return {"Workforce": _workforce(desk)}


def list_workforces(desk: Desk, params: Mapping[str, Any]) -> dict[str, Any]:
    """ListWorkforces."""
    wanted = params.get("NameContains", "") in WORKFORCE_NAME and "NextToken" not in params
    return {"Workforces": [_workforce(desk)] if wanted else []}


def _workforce(desk: Desk) -> dict[str, Any]:
    with desk.database.read() as connection:
        first_ms = connection.scalar(select(func.min(_teams.c.created_ms)))
    created = as_datetime(first_ms if first_ms is not None else desk.clock())
    return {
        "WorkforceName": WORKFORCE_NAME,
        "WorkforceArn": desk.config.arns.make(arns.WORKFORCE, WORKFORCE_NAME),
        "SubDomain": desk.config.public_host,
        "CreateDate": created,
        "LastUpdatedDate": created,
        "Status": "Active",
    }


def _as_workteam(desk: Desk, row: AnyRow) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(row.settings)
    return settings | {
        "WorkteamName": row.name,
        "WorkteamArn": desk.config.arns.make(arns.WORKTEAM, row.name),
        "WorkforceArn": desk.config.arns.make(arns.WORKFORCE, WORKFORCE_NAME),
        "Description": row.description,
        "SubDomain": desk.config.public_host,
        "CreateDate": as_datetime(row.created_ms),
        "LastUpdatedDate": as_datetime(row.updated_ms),
    }


def _find(desk: Desk, connection: Connection, name: str) -> AnyRow:
    row = connection.execute(select(_teams).where(_teams.c.name == name)).one_or_none()
    if row is None:
        arn = desk.config.arns.make(arns.WORKTEAM, name)
        raise MissingResource(f"The work team {arn} does not exist in this account and Region.")
    return row
