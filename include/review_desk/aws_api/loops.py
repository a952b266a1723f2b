"""Human loops: start, describe, list, stop, delete."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from include.review_desk import arns
from include.review_desk.aws_api import paging
from include.review_desk.clock import as_datetime
from include.review_desk.errors import MissingResource
from include.review_desk.loops import lifecycle
from include.review_desk.loops.start import start as start_loop
from include.review_desk.people.purposes import UNLIMITED, Purpose
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.review_desk.context import Desk
    from include.review_desk.storage.database import AnyRow

_loops = schema.human_loops
_SUMMARY = (
    _loops.c.id.label("identity"),
    _loops.c.created_ms.label("sort_key"),
    _loops.c.name,
    _loops.c.flow_name,
    _loops.c.status,
    _loops.c.failure_code,
    _loops.c.failure_reason,
    _loops.c.output_uri,
)


def start(desk: Desk, params: Mapping[str, Any], *, purpose: Purpose = UNLIMITED) -> dict[str, Any]:
    """StartHumanLoop."""
    name = params["HumanLoopName"]
    start_loop(
        desk,
        name=name,
        flow_arn=params["FlowDefinitionArn"],
        content=params["HumanLoopInput"]["InputContent"],
        data_attributes=json.dumps(params.get("DataAttributes", {}), sort_keys=True),
        purpose=purpose,
    )
    return {"HumanLoopArn": desk.config.arns.make(arns.HUMAN_LOOP, name)}


def describe(desk: Desk, name: str) -> dict[str, Any]:
    """DescribeHumanLoop."""
    with desk.database.read() as connection:
        row = connection.execute(select(*_SUMMARY).where(_loops.c.live_name == name)).one_or_none()
    if row is None:
        raise lifecycle.missing(name)
    answer: dict[str, Any] = {
        "CreationTime": as_datetime(row.sort_key),
        "HumanLoopStatus": row.status,
        "HumanLoopName": row.name,
        "HumanLoopArn": desk.config.arns.make(arns.HUMAN_LOOP, row.name),
        "FlowDefinitionArn": desk.config.arns.make(arns.FLOW_DEFINITION, row.flow_name),
    }
    if row.failure_code:
        answer |= {"FailureCode": row.failure_code, "FailureReason": row.failure_reason}
    else:
        answer["HumanLoopOutput"] = {"OutputS3Uri": row.output_uri}
    return answer


def list_loops(desk: Desk, params: Mapping[str, Any]) -> dict[str, Any]:
    """ListHumanLoops: newest first unless SortOrder says Ascending; 100 to a page."""
    flow_arn = params["FlowDefinitionArn"]
    flow_name = desk.config.arns.name_of(arns.FLOW_DEFINITION, flow_arn)
    order = paging.sort_order(params, _loops.c.created_ms, _loops.c.id)
    with desk.database.read() as connection:
        flows = schema.flow_definitions
        live = select(flows.c.id).where(flows.c.live_name == flow_name)
        # An ARN of another account has no name here; NULL is what deleted flow definitions are called.
        if flow_name is None or connection.scalar(live) is None:
            raise MissingResource(f"The flow definition {flow_arn} does not exist.")
        query = select(*_SUMMARY).where(
            _loops.c.flow_name == flow_name,
            _loops.c.live_name.is_not(None),
            *paging.created_between(params, _loops.c.created_ms),
        )
        rows, token = paging.fetch_page(connection, query, order, params)
    answer: dict[str, Any] = {"HumanLoopSummaries": [_summary(row, flow_arn) for row in rows]}
    return answer | ({"NextToken": token} if token else {})


def stop(desk: Desk, params: Mapping[str, Any]) -> None:
    """StopHumanLoop."""
    lifecycle.stop(desk, params["HumanLoopName"])


def delete(desk: Desk, params: Mapping[str, Any]) -> None:
    """DeleteHumanLoop."""
    lifecycle.delete(desk, params["HumanLoopName"])


def _summary(row: AnyRow, flow_arn: str) -> dict[str, Any]:
    summary = {
        "HumanLoopName": row.name,
        "HumanLoopStatus": row.status,
        "CreationTime": as_datetime(row.sort_key),
        "FlowDefinitionArn": flow_arn,
    }
    return summary | ({"FailureReason": row.failure_reason} if row.failure_reason else {})
