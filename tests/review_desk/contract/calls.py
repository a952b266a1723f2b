"""Small words that the contract's cases share."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import select, update

from include.review_desk.storage import schema
from tests.support.desk import BUCKET, Flow

PREFIX = "arn:aws:sagemaker:us-east-1:111122223333"
OTHER_ROLE = "arn:aws:iam::999999999999:role/somebody-elses"


def error_of(call: Any, **params: Any) -> tuple[str, str, int]:
    """Code, message and HTTP status of the error that this call must be."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return response["Error"]["Code"], response["Error"]["Message"], status


def start(flow: Flow, name: str, content: str, **more: Any) -> dict[str, Any]:
    return flow.a2i.start_human_loop(
        HumanLoopName=name, FlowDefinitionArn=flow.arn, HumanLoopInput={"InputContent": content}, **more
    )


def answered(flow: Flow, **members: Any) -> str:
    """A loop that one person has answered and S3 has taken."""
    loop, person = flow.start(**members), flow.reviewer()
    task = person.next()
    assert person.answer(task)[0] == 200
    assert flow.ended(loop)["HumanLoopStatus"] == "Completed"
    return loop


def stopped(flow: Flow) -> str:
    loop = flow.start()
    flow.a2i.stop_human_loop(HumanLoopName=loop)
    return loop


def failed(flow: Flow) -> str:
    """A loop whose input the template cannot show."""
    return flow.start(taskObject=" ")


def end_time_limit(flow: Flow, task: dict[str, Any]) -> None:
    """Let the task's time limit be over, without waiting for it."""
    table = schema.assignments
    with flow.site.database.write() as connection:
        connection.execute(
            update(table).where(table.c.task == task["task"]).values(limit_ms=1, lease_expires_ms=1)
        )
        assert connection.scalar(select(table.c.id).where(table.c.task == task["task"])) is not None


def output_exists(flow: Flow, loop: str) -> bool:
    prefix = f"reviews/a2i/{flow.name}/"
    found = flow.site.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return any(f"/{loop}/output.json" in item["Key"] for item in found.get("Contents", []))
