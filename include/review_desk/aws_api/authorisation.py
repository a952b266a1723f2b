"""Whether the caller's key was made for a call: its operation, and the work team of what it names.

Where a resource does not exist, the operation itself says so. Links and outputs are checked where they are
made: RenderUiTemplate, StartHumanLoop, CreateFlowDefinition.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, select

from include.review_desk import arns
from include.review_desk.errors import AccessDenied
from include.review_desk.people import teams
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from include.review_desk.context import Desk
    from include.review_desk.people.purposes import Purpose

_flows, _loops, _teams = schema.flow_definitions, schema.human_loops, schema.workteams

_Params = Mapping[str, Any]
_Check = Callable[["Desk", Connection, "Purpose", _Params], None]


def authorise(desk: Desk, purpose: Purpose, operation: str, params: _Params) -> None:
    """Let the call through.

    Raises
    ------
    AccessDenied
        The key was made for other operations or for another team.
    """
    purpose.check_operation(operation)
    check = _CHECKS.get(operation)
    if purpose.team is None or check is None:
        return
    with desk.database.read() as connection:
        check(desk, connection, purpose, params)


def _flow_by_name(_desk: Desk, connection: Connection, purpose: Purpose, params: _Params) -> None:
    _check_flow(connection, purpose, params["FlowDefinitionName"])


def _flow_by_arn(desk: Desk, connection: Connection, purpose: Purpose, params: _Params) -> None:
    _check_flow(
        connection, purpose, desk.config.arns.name_of(arns.FLOW_DEFINITION, params["FlowDefinitionArn"])
    )


def _loop(_desk: Desk, connection: Connection, purpose: Purpose, params: _Params) -> None:
    name = params["HumanLoopName"]
    query = select(_teams.c.name).join(_loops, _loops.c.team_id == _teams.c.id)
    _check_teams(connection, purpose, query.where(_loops.c.live_name == name), f"the human loop {name}")


def _new_flow(desk: Desk, _connection: Connection, purpose: Purpose, params: _Params) -> None:
    arn = str(params.get("HumanLoopConfig", {}).get("WorkteamArn", ""))
    team = desk.config.arns.name_of(arns.WORKTEAM, arn)
    if team is not None:
        purpose.check_team(team, f"the work team {team}")


def _team(_desk: Desk, _connection: Connection, purpose: Purpose, params: _Params) -> None:
    team = params["WorkteamName"]
    purpose.check_team(team, f"the work team {team}")


def _team_members(desk: Desk, connection: Connection, purpose: Purpose, params: _Params) -> None:
    """People sign in to a team by its groups: the key may name those that are the team's already."""
    _team(desk, connection, purpose, params)
    team = params["WorkteamName"]
    settings = connection.scalar(select(_teams.c.settings).where(_teams.c.name == team))
    allowed = {team} | (teams.oidc_groups(settings) if settings is not None else set())
    asked = teams.oidc_groups(json.dumps({"MemberDefinitions": params.get("MemberDefinitions", [])}))
    foreign = sorted(asked - allowed)
    if foreign:
        raise AccessDenied(
            f"{purpose.holder} may not let the group {foreign[0]!r} into the work team {team}: it was made "
            f"with --team {team}, for the groups {', '.join(sorted(allowed))}. "
            "Use a key made with --any-team."
        )


def _task_ui(_desk: Desk, connection: Connection, purpose: Purpose, params: _Params) -> None:
    _check_task_ui(connection, purpose, params["HumanTaskUiName"])


def _tagged(desk: Desk, connection: Connection, purpose: Purpose, params: _Params) -> None:
    kind, name = desk.config.arns.resource_of(params["ResourceArn"]) or ("", "")
    if kind == arns.WORKTEAM:
        purpose.check_team(name, f"the work team {name}")
    elif kind == arns.FLOW_DEFINITION:
        _check_flow(connection, purpose, name)
    elif kind == arns.HUMAN_TASK_UI:
        _check_task_ui(connection, purpose, name)


def _check_flow(connection: Connection, purpose: Purpose, name: str | None) -> None:
    if name is not None:
        query = select(_teams.c.name).join(_flows, _flows.c.team_id == _teams.c.id)
        what = f"the flow definition {name}"
        _check_teams(connection, purpose, query.where(_flows.c.live_name == name), what)


def _check_task_ui(connection: Connection, purpose: Purpose, name: str) -> None:
    """Worker templates belong to no team; who may change one are those whose flow definitions use it."""
    query = select(_teams.c.name).join(_flows, _flows.c.team_id == _teams.c.id)
    used = query.where(_flows.c.human_task_ui == name, _flows.c.live_name.is_not(None))
    _check_teams(connection, purpose, used, f"the human task UI {name}")


def _check_teams(connection: Connection, purpose: Purpose, query: Select[tuple[str]], what: str) -> None:
    found: Iterable[str] = connection.scalars(query.distinct())
    for team in found:
        purpose.check_team(team, what)


_CHECKS: dict[str, _Check] = {
    "StartHumanLoop": _flow_by_arn,
    "ListHumanLoops": _flow_by_arn,
    "DescribeHumanLoop": _loop,
    "StopHumanLoop": _loop,
    "DeleteHumanLoop": _loop,
    "CreateFlowDefinition": _new_flow,
    "DescribeFlowDefinition": _flow_by_name,
    "DeleteFlowDefinition": _flow_by_name,
    "DeleteHumanTaskUi": _task_ui,
    "CreateWorkteam": _team_members,
    "UpdateWorkteam": _team_members,
    "DescribeWorkteam": _team,
    "DeleteWorkteam": _team,
    "AddTags": _tagged,
    "ListTags": _tagged,
    "DeleteTags": _tagged,
}
