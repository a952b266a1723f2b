"""Work teams of the one private workforce.

The desk itself decides who is in a team (``people.teams``). MemberDefinitions name Cognito or OIDC groups;
the API stores them and returns them unchanged.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, collate, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from include.review_desk import arns
from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.aws_api import paging, tagging, workforce
from include.review_desk.clock import as_datetime
from include.review_desk.errors import InvalidRequest, MissingResource, NameInUse
from include.review_desk.people.purposes import UNLIMITED, Purpose
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.review_desk.context import Desk
    from include.review_desk.storage.database import AnyRow

_SETTINGS = ("MemberDefinitions", "NotificationConfiguration", "WorkerAccessConfiguration")

_teams = schema.workteams


def create(desk: Desk, params: Mapping[str, Any]) -> dict[str, Any]:
    """CreateWorkteam.

    Raises
    ------
    NameInUse
    InvalidRequest
        WorkforceName is not the existing workforce, or MemberDefinitions contradict each other.
    """
    name = params["WorkteamName"]
    arn = desk.config.arns.make(arns.WORKTEAM, name)
    if params.get("WorkforceName", workforce.NAME) != workforce.NAME:
        raise InvalidRequest(
            f"The workforce {params['WorkforceName']} does not exist: there is one, {workforce.NAME}."
        )
    _check_members(params["MemberDefinitions"])
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


def list_teams(desk: Desk, params: Mapping[str, Any], *, purpose: Purpose = UNLIMITED) -> dict[str, Any]:
    """ListWorkteams: by creation, oldest first, unless SortBy and SortOrder say otherwise.

    A key that was made for one team sees that team.
    """
    # PostgreSQL sorts text by the database's locale by default: this sorts names by bytes on both.
    names = collate(_teams.c.name, "C" if desk.database.engine.dialect.name == "postgresql" else "BINARY")
    column = names if params.get("SortBy") == "Name" else _teams.c.created_ms
    order = paging.sort_order(params, column, _teams.c.id, default="Ascending")
    query = select(_teams, _teams.c.id.label("identity"), column.label("sort_key"))
    if "NameContains" in params:
        part = params["NameContains"].lower()
        query = query.where(func.lower(_teams.c.name).contains(part, autoescape=True))
    if purpose.team is not None:
        query = query.where(_teams.c.name == purpose.team)
    with desk.database.read() as connection:
        rows, token = paging.fetch_page(connection, query, order, params)
    teams = [_as_workteam(desk, row) for row in rows]
    return {"Workteams": teams} | ({"NextToken": token} if token else {})


def update_team(desk: Desk, params: Mapping[str, Any]) -> dict[str, Any]:
    """UpdateWorkteam: given members replace the old ones.

    Raises
    ------
    MissingResource
    InvalidRequest
        MemberDefinitions contradict each other.
    """
    name = params["WorkteamName"]
    _check_members(params.get("MemberDefinitions", []))
    now_ms = desk.clock()
    with desk.database.write() as connection:
        row = _find(desk, connection, name, lock=True)
        settings = json.loads(row.settings) | {key: params[key] for key in _SETTINGS if key in params}
        connection.execute(
            update(_teams)
            .where(_teams.c.id == row.id)
            .values(
                settings=json.dumps(settings),
                description=params.get("Description", row.description),
                updated_ms=now_ms,
            )
        )
        record(connection, now_ms, Action.TEAM_CHANGED, f"team/{name}", team=row.id)
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
        row = _find(desk, connection, name, lock=True)
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
        record(connection, desk.clock(), Action.TEAM_DELETED, f"team/{name}", team=row.id)
    return {"Success": True}


def _as_workteam(desk: Desk, row: AnyRow) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(row.settings)
    return settings | {
        "WorkteamName": row.name,
        "WorkteamArn": desk.config.arns.make(arns.WORKTEAM, row.name),
        "WorkforceArn": desk.config.arns.make(arns.WORKFORCE, workforce.NAME),
        "Description": row.description,
        "SubDomain": desk.config.public_host,
        "CreateDate": as_datetime(row.created_ms),
        "LastUpdatedDate": as_datetime(row.updated_ms),
    }


def _check_members(definitions: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what the API reference rules out: both kinds at once, or Cognito groups of several pools."""
    if any(len(definition) != 1 for definition in definitions):
        raise InvalidRequest(
            "Each of MemberDefinitions must have either CognitoMemberDefinition or OidcMemberDefinition."
        )
    if len({kind for definition in definitions for kind in definition}) > 1:
        raise InvalidRequest(
            "MemberDefinitions must be all CognitoMemberDefinition or all OidcMemberDefinition."
        )
    cognito = [definition.get("CognitoMemberDefinition", {}) for definition in definitions]
    if len({(member.get("UserPool"), member.get("ClientId")) for member in cognito}) > 1:
        raise InvalidRequest("All CognitoMemberDefinitions must have the same UserPool and ClientId.")


def _find(desk: Desk, connection: Connection, name: str, *, lock: bool = False) -> AnyRow:
    query = select(_teams).where(_teams.c.name == name)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        arn = desk.config.arns.make(arns.WORKTEAM, name)
        raise MissingResource(f"The work team {arn} does not exist in this account and Region.")
    return row
