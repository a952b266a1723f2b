"""Human loops: their statuses, and describe, list, stop, delete. A name is free again once it is deleted."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, select, text, update

from include.review_desk.aws_api import arns, paging
from include.review_desk.clock import as_datetime
from include.review_desk.errors import InvalidRequest, MissingResource
from include.review_desk.events.event import record_end
from include.review_desk.storage import schema
from include.review_desk.storage.locks import lock_loop

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


def _summary(row: AnyRow, flow_arn: str) -> dict[str, Any]:
    summary = {
        "HumanLoopName": row.name,
        "HumanLoopStatus": row.status,
        "CreationTime": as_datetime(row.sort_key),
        "FlowDefinitionArn": flow_arn,
    }
    return summary | ({"FailureReason": row.failure_reason} if row.failure_reason else {})
