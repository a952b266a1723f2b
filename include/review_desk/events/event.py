"""The event that Amazon A2I sends to EventBridge when a human loop has ended, member by member.

Source: SageMaker Developer Guide, "Use Amazon EventBridge in Amazon Augmented AI". A2I sends it for the
statuses Completed, Failed and Stopped only.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select

from include.review_desk import arns
from include.review_desk.clock import as_datetime, as_iso
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from include.review_desk.context import Desk, DeskConfig
    from include.review_desk.storage.database import AnyRow

DETAIL_TYPE = "SageMaker A2I HumanLoop Status Change"

_loops = schema.human_loops


def record_end(desk: Desk, connection: Connection, loop_id: int) -> None:
    """Note for every destination that this loop has ended.

    Call it in the transaction that ended the loop: then there is an event if and only if the loop ended.
    """
    if not desk.destinations:
        return
    loop = connection.execute(select(_loops).where(_loops.c.id == loop_id)).one()
    body = event_body(desk.config, loop)
    now_ms = desk.clock()
    for destination in desk.destinations:
        connection.execute(
            insert(schema.events).values(
                destination=destination.name,
                loop_id=loop_id,
                body=body,
                attempts=0,
                next_attempt_ms=now_ms,
                created_ms=now_ms,
            )
        )


def event_body(config: DeskConfig, loop: AnyRow) -> str:
    """The event for a loop that has ended, as JSON on one line with EventBridge's order of members.

    ``id`` is new at each call: make the body once and send it as often as needed.
    """
    loop_arn = config.arns.make(arns.HUMAN_LOOP, loop.name)
    output = None if loop.failure_code else {"outputS3Uri": loop.output_uri}
    event: dict[str, Any] = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": DETAIL_TYPE,
        "source": "aws.sagemaker",
        "account": config.account_id,
        "time": f"{as_datetime(loop.ended_ms):%Y-%m-%dT%H:%M:%SZ}",
        "region": config.region,
        "resources": [loop_arn],
        "detail": {
            "creationTime": as_iso(loop.created_ms),
            "failureCode": loop.failure_code,
            "failureReason": loop.failure_reason,
            "flowDefinitionArn": config.arns.make(arns.FLOW_DEFINITION, loop.flow_name),
            "humanLoopArn": loop_arn,
            "humanLoopName": loop.name,
            "humanLoopOutput": output,
            "humanLoopStatus": loop.status,
        },
    }
    # ASCII, because a failure's reason may quote input with characters that SQS refuses.
    return json.dumps(event, separators=(",", ":"))
