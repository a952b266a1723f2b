"""Human loops: start, describe, list, stop, delete.

A name belongs to one loop until that loop is deleted. Starting it again with the same input returns the
same loop, whatever became of it: nobody is asked twice because a caller retried.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from include.review_desk.aws_api import arns, paging
from include.review_desk.clock import as_datetime
from include.review_desk.errors import InvalidRequest, LoopConflict, MissingResource, RenderFailure
from include.review_desk.events.event import record_end
from include.review_desk.storage import schema
from include.review_desk.storage.locks import lock_loop
from include.review_desk.storage.s3_uri import output_uri
from include.review_desk.strict_json import JsonFault, parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.review_desk.context import Desk
    from include.review_desk.storage.database import AnyRow

# TaskTimeLimitInSeconds: the documented default. For the lifetime none is; Terraform allows up to
# 10 days.
DEFAULT_AVAILABILITY_SECONDS = 864_000
DEFAULT_TIME_LIMIT_SECONDS = 3_600

IN_PROGRESS = "InProgress"
STOPPING = "Stopping"
STOPPED = "Stopped"
COMPLETED = "Completed"
FAILED = "Failed"
ENDED = (STOPPED, COMPLETED, FAILED)

_MAX_REASON_CHARACTERS = 1024
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


def start(desk: Desk, params: Mapping[str, Any]) -> dict[str, Any]:
    """StartHumanLoop.

    A template that does not render with this input makes a loop that has Failed with ValidationError, as on
    A2I.

    Raises
    ------
    InvalidRequest
        InputContent is no JSON, the flow definition does not exist or its worker template is gone.
    LoopConflict
        The name belongs to a loop with other input.
    """
    name = params["HumanLoopName"]
    flow_arn = params["FlowDefinitionArn"]
    content = params["HumanLoopInput"]["InputContent"]
    attributes = json.dumps(params.get("DataAttributes", {}), sort_keys=True)
    task_input = _parse_input(content)
    wanted = (desk.config.arns.name_of(arns.FLOW_DEFINITION, flow_arn), content, attributes)
    answer = {"HumanLoopArn": desk.config.arns.make(arns.HUMAN_LOOP, name)}
    with desk.database.read() as connection:
        if _same_loop_exists(connection, name, wanted):
            return answer
        flow, template_sha256, template = _flow_for_start(desk, connection, flow_arn)
    reason = _render_fault(desk, template, task_input)
    row = _new_loop(desk, name, flow, template_sha256, content, attributes, reason)
    try:
        with desk.database.write() as connection:
            _check_flow_active(connection, flow.id, flow_arn)
            loop_id = schema.inserted_id(connection.execute(insert(_loops).values(row)))
            if reason:
                record_end(desk, connection, loop_id)
    except IntegrityError:
        # Somebody else started the name meanwhile.
        with desk.database.read() as connection:
            if not _same_loop_exists(connection, name, wanted):
                raise
    return answer


def describe(desk: Desk, name: str) -> dict[str, Any]:
    """DescribeHumanLoop."""
    with desk.database.read() as connection:
        row = find(connection, name)
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


def stop(desk: Desk, name: str) -> None:
    """StopHumanLoop: at once when nobody works on the loop, else Stopping until the last of them is done.

    Raises
    ------
    InvalidRequest
        The loop has Completed or Failed.
    """
    with desk.database.write() as connection:
        row = find(connection, name, lock=True)
        if row.status in (COMPLETED, FAILED):
            raise InvalidRequest(f"The human loop {name} has the status {row.status}: it cannot be stopped.")
        if row.status == IN_PROGRESS:
            close(desk, connection, row.identity, desk.clock())


def delete_loop(desk: Desk, name: str) -> None:
    """DeleteHumanLoop: the name is free afterwards, output.json stays.

    Raises
    ------
    InvalidRequest
        The loop has not ended.
    """
    with desk.database.write() as connection:
        row = find(connection, name)
        result = connection.execute(
            update(_loops)
            .where(_loops.c.id == row.identity, _loops.c.status.in_(ENDED))
            .values(live_name=None, deleted_ms=desk.clock())
        )
        if result.rowcount == 0:
            raise InvalidRequest(
                f"The human loop {name} has the status {row.status}: it can be deleted once it is "
                "Failed, Completed or Stopped."
            )


def find(connection: Connection, name: str, *, lock: bool = False) -> AnyRow:
    """The loop's summary row, or MissingResource; ``lock`` keeps it as it is until the transaction ends."""
    query = select(*_SUMMARY).where(_loops.c.live_name == name)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise MissingResource(f"The human loop {name} does not exist.")
    return row


def close(desk: Desk, connection: Connection, loop_id: int, now_ms: int) -> None:
    """Hand the loop out no more; Stopped when nobody works on it. An answered loop is left to complete."""
    lock_loop(connection, loop_id)
    waiting = select(schema.outbox.c.loop_id).where(schema.outbox.c.loop_id == loop_id)
    if connection.execute(waiting).first() is not None:
        return
    connection.execute(
        update(_loops)
        .where(_loops.c.id == loop_id, _loops.c.status == IN_PROGRESS)
        .values(status=STOPPING, open_slots=0)
    )
    settle_stopping(desk, connection, loop_id, now_ms)


def settle_stopping(desk: Desk, connection: Connection, loop_id: int, now_ms: int) -> None:
    """Stopping becomes Stopped once nobody works on the loop and no output waits to be written.

    The caller has locked the loop (storage.locks).
    """
    at_work = select(schema.assignments.c.id).where(
        schema.assignments.c.loop_id == loop_id, schema.assignments.c.state == "working"
    )
    waiting = select(schema.outbox.c.loop_id).where(schema.outbox.c.loop_id == loop_id)
    settled = connection.execute(
        update(_loops)
        .where(_loops.c.id == loop_id, _loops.c.status == STOPPING, ~at_work.exists(), ~waiting.exists())
        .values(status=STOPPED, ended_ms=now_ms)
    )
    if settled.rowcount:
        record_end(desk, connection, loop_id)


def count_by_status(connection: Connection, flow_name: str | None = None) -> dict[str, int]:
    """How many loops have each status, deleted ones left out."""
    query = select(_loops.c.status, func.count()).group_by(_loops.c.status)
    if flow_name is not None:
        query = query.where(_loops.c.flow_name == flow_name)
    counts: Counter[str] = Counter()
    # One query for each partial index; with both conditions in one, every row would be read.
    for condition in ("ended_ms IS NULL", "ended_ms IS NOT NULL AND live_name IS NOT NULL"):
        for status, count in connection.execute(query.where(text(condition))):
            counts[status] += count
    return dict(counts)


def _parse_input(content: str) -> Any:
    try:
        return parse_json(content)
    except JsonFault as fault:
        raise InvalidRequest(f"InputContent is not valid JSON: {fault}.") from None


def _same_loop_exists(connection: Connection, name: str, wanted: tuple[str | None, str, str]) -> bool:
    row = connection.execute(
        select(_loops.c.flow_name, _loops.c.input_content, _loops.c.data_attributes).where(
            _loops.c.live_name == name
        )
    ).one_or_none()
    if row is None:
        return False
    if tuple(row) == wanted:
        return True
    raise LoopConflict(
        "Your request has the same name as another active human loop but has different input data. "
        "You cannot start two human loops with the same name and different input data."
    )


def _flow_for_start(desk: Desk, connection: Connection, flow_arn: str) -> tuple[AnyRow, str, str]:
    flows, uis, templates = schema.flow_definitions, schema.human_task_uis, schema.templates
    name = desk.config.arns.name_of(arns.FLOW_DEFINITION, flow_arn)
    live = select(flows).where(flows.c.live_name == name)
    flow = connection.execute(live).one_or_none() if name is not None else None
    if flow is None:
        raise InvalidRequest(f"The flow definition {flow_arn} does not exist.")
    if flow.status != "Active":
        raise InvalidRequest(
            f"The flow definition {flow_arn} has the status {flow.status}: it takes no new loops."
        )
    template = connection.execute(
        select(templates.c.sha256, templates.c.content)
        .join(uis, uis.c.template_sha256 == templates.c.sha256)
        .where(uis.c.name == flow.human_task_ui)
    ).one_or_none()
    if template is None:
        raise InvalidRequest(
            f"The human task UI {flow.human_task_ui} of {flow_arn} was deleted: no loop can start."
        )
    return flow, template.sha256, template.content


def _check_flow_active(connection: Connection, flow_id: int, flow_arn: str) -> None:
    flows = schema.flow_definitions
    status = select(flows.c.status).where(flows.c.id == flow_id).with_for_update(read=True)
    if connection.scalar(status) != "Active":
        raise InvalidRequest(f"The flow definition {flow_arn} is being deleted: it takes no new loops.")


def _render_fault(desk: Desk, template: str, task_input: Any) -> str | None:
    try:
        desk.renderer.render(template, task_input)
    except RenderFailure as failure:
        return f"Task failed to render: [ {failure.code}: '{failure.message}' ]"[:_MAX_REASON_CHARACTERS]
    return None


def _new_loop(
    desk: Desk,
    name: str,
    flow: AnyRow,
    template_sha256: str,
    content: str,
    attributes: str,
    fault: str | None,
) -> dict[str, Any]:
    config = json.loads(flow.config)
    loop_config = config["HumanLoopConfig"]
    now_ms = desk.clock()
    lifetime = loop_config.get("TaskAvailabilityLifetimeInSeconds", DEFAULT_AVAILABILITY_SECONDS)
    return {
        "name": name,
        "live_name": name,
        "flow_id": flow.id,
        "flow_name": flow.name,
        "team_id": flow.team_id,
        "template_sha256": template_sha256,
        "input_content": content,
        "data_attributes": attributes,
        "output_uri": output_uri(config["OutputConfig"]["S3OutputPath"], flow.name, now_ms, name),
        "task_count": loop_config["TaskCount"],
        "open_slots": 0 if fault else loop_config["TaskCount"],
        "status": FAILED if fault else IN_PROGRESS,
        "failure_code": "ValidationError" if fault else None,
        "failure_reason": fault,
        "created_ms": now_ms,
        "available_until_ms": now_ms + lifetime * 1000,
        "ended_ms": now_ms if fault else None,
    }


def _summary(row: AnyRow, flow_arn: str) -> dict[str, Any]:
    summary = {
        "HumanLoopName": row.name,
        "HumanLoopStatus": row.status,
        "CreationTime": as_datetime(row.sort_key),
        "FlowDefinitionArn": flow_arn,
    }
    return summary | ({"FailureReason": row.failure_reason} if row.failure_reason else {})


def template_digest(content: str) -> str:
    """SHA-256 of a worker template: DescribeHumanTaskUi's ContentSha256."""
    return hashlib.sha256(content.encode("utf-8")).hexdigest()
