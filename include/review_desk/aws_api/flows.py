"""Flow definitions: who answers, with which template, where the answers go."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from include.review_desk import arns
from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.aws_api import paging, tagging
from include.review_desk.aws_api.roles import check_role
from include.review_desk.clock import as_datetime
from include.review_desk.errors import InvalidRequest, MissingResource, NameInUse
from include.review_desk.loops import templates
from include.review_desk.loops.flow_config import MAX_SECONDS
from include.review_desk.loops.flows import ACTIVE, begin_deletion
from include.review_desk.people.purposes import UNLIMITED, Purpose
from include.review_desk.storage import prefixes, schema
from include.review_desk.storage.s3_uri import check_output_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.review_desk.context import Desk

_LIMITED = ("TaskAvailabilityLifetimeInSeconds", "TaskTimeLimitInSeconds")

_flows = schema.flow_definitions


def create(desk: Desk, params: Mapping[str, Any], *, purpose: Purpose = UNLIMITED) -> dict[str, Any]:
    """CreateFlowDefinition; Active at once.

    Raises
    ------
    InvalidRequest
        The role, the work team or the human task UI does not exist, S3OutputPath is no S3 URI, a time limit
        is too long, or a member is given that only Amazon's built-in task types have.
    NameInUse
    AccessDenied
        The answers would be written where the caller's key may not write.
    """
    name = params["FlowDefinitionName"]
    arn = desk.config.arns.make(arns.FLOW_DEFINITION, name)
    loop_config = _checked_loop_config(params)
    check_role(desk.config, params["RoleArn"])
    check_output_path(params["OutputConfig"]["S3OutputPath"], desk.config.buckets)
    purpose.check_output(params["OutputConfig"]["S3OutputPath"])
    config = {key: params[key] for key in ("HumanLoopConfig", "OutputConfig", "RoleArn")}
    try:
        with desk.database.write() as connection:
            connection.execute(
                insert(_flows).values(
                    name=name,
                    live_name=name,
                    status=ACTIVE,
                    team_id=_team_id(desk, connection, loop_config["WorkteamArn"]),
                    human_task_ui=_human_task_ui(desk, connection, loop_config["HumanTaskUiArn"]),
                    config=json.dumps(config),
                    created_ms=desk.clock(),
                    read_prefixes=prefixes.stored(purpose.reads),
                )
            )
            tagging.put(connection, arns.FLOW_DEFINITION, name, params.get("Tags", []))
    except IntegrityError:
        raise NameInUse(
            f"The flow definition {arn} exists already: a changed one needs a new name."
        ) from None
    return {"FlowDefinitionArn": arn}


def describe(desk: Desk, name: str) -> dict[str, Any]:
    """DescribeFlowDefinition."""
    with desk.database.read() as connection:
        row = connection.execute(select(_flows).where(_flows.c.live_name == name)).one_or_none()
    if row is None:
        raise _missing(desk, name)
    config: dict[str, Any] = json.loads(row.config)
    return config | {
        "FlowDefinitionArn": desk.config.arns.make(arns.FLOW_DEFINITION, name),
        "FlowDefinitionName": name,
        "FlowDefinitionStatus": row.status,
        "CreationTime": as_datetime(row.created_ms),
    }


def list_flows(desk: Desk, params: Mapping[str, Any], *, purpose: Purpose = UNLIMITED) -> dict[str, Any]:
    """ListFlowDefinitions: those of the key's team, where it was made for one."""
    order = paging.sort_order(params, _flows.c.created_ms, _flows.c.id)
    query = select(
        _flows.c.id.label("identity"), _flows.c.created_ms.label("sort_key"), _flows.c.name, _flows.c.status
    ).where(_flows.c.live_name.is_not(None), *paging.created_between(params, _flows.c.created_ms))
    if purpose.team is not None:
        teams = schema.workteams
        query = query.where(_flows.c.team_id.in_(select(teams.c.id).where(teams.c.name == purpose.team)))
    with desk.database.read() as connection:
        rows, token = paging.fetch_page(connection, query, order, params)
    summaries = [
        {
            "FlowDefinitionName": row.name,
            "FlowDefinitionArn": desk.config.arns.make(arns.FLOW_DEFINITION, row.name),
            "FlowDefinitionStatus": row.status,
            "CreationTime": as_datetime(row.sort_key),
        }
        for row in rows
    ]
    return {"FlowDefinitionSummaries": summaries} | ({"NextToken": token} if token else {})


def delete_flow(desk: Desk, name: str) -> None:
    """DeleteFlowDefinition: loops that no one is working on are stopped and deleted, others can be finished.

    Until then the flow definition is Deleting; afterwards its name is free.

    Raises
    ------
    MissingResource
    NameInUse
        It is being deleted already.
    """
    now_ms = desk.clock()
    with desk.database.write() as connection:
        row = connection.execute(
            select(_flows.c.id, _flows.c.status, _flows.c.team_id)
            .where(_flows.c.live_name == name)
            .with_for_update()
        ).one_or_none()
        if row is None:
            raise _missing(desk, name)
        if row.status != ACTIVE:
            arn = desk.config.arns.make(arns.FLOW_DEFINITION, name)
            raise NameInUse(
                f"The flow definition {arn} is being deleted already: people still work on its loops."
            )
        tagging.forget(connection, arns.FLOW_DEFINITION, name)
        begin_deletion(desk, connection, row.id, now_ms)
        record(connection, now_ms, Action.FLOW_DELETED, f"flow-definition/{name}", team=row.team_id)


def _checked_loop_config(params: Mapping[str, Any]) -> Mapping[str, Any]:
    for member in ("HumanLoopRequestSource", "HumanLoopActivationConfig"):
        if member in params:
            raise InvalidRequest(
                f"{member} is for the task types of Amazon Textract and Rekognition: leave it out, the desk "
                "takes custom tasks."
            )
    if "HumanLoopConfig" not in params:
        raise InvalidRequest(
            "HumanLoopConfig is missing: it names the work team, the template and the task's title."
        )
    loop_config: Mapping[str, Any] = params["HumanLoopConfig"]
    if "PublicWorkforceTaskPrice" in loop_config:
        raise InvalidRequest(
            "PublicWorkforceTaskPrice is for the public workforce: the Review Desk has private teams."
        )
    for member in _LIMITED:
        if loop_config.get(member, 0) > MAX_SECONDS:
            raise InvalidRequest(
                f"{member} is {loop_config[member]}, more than the {MAX_SECONDS} that are allowed."
            )
    return loop_config


def _team_id(desk: Desk, connection: Connection, arn: str) -> int:
    teams = schema.workteams
    name = desk.config.arns.name_of(arns.WORKTEAM, arn)
    team_id = connection.scalar(select(teams.c.id).where(teams.c.name == name).with_for_update(read=True))
    if team_id is None:
        raise InvalidRequest(f"The work team {arn} does not exist in this account and Region.")
    return int(team_id)


def _human_task_ui(desk: Desk, connection: Connection, arn: str) -> str:
    name = desk.config.arns.name_of(arns.HUMAN_TASK_UI, arn)
    if name is None or templates.of_task_ui(connection, name) is None:
        raise InvalidRequest(f"The human task UI {arn} does not exist in this account and Region.")
    return name


def _missing(desk: Desk, name: str) -> MissingResource:
    arn = desk.config.arns.make(arns.FLOW_DEFINITION, name)
    return MissingResource(f"The flow definition {arn} does not exist.")
