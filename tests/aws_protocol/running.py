"""A server with a handful of handlers that keep what they are called with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config

from include.aws_protocol import Call, ServiceError

REGION = "us-east-1"
ACCOUNT_ID = "111122223333"
ACCESS_KEY_ID = "AKIDPROTOCOLTEST"
SECRET = "a secret / with + odd characters"
MOMENT = datetime(2026, 1, 31, 12, 30, 15, 250_000, tzinfo=UTC)


@dataclass
class Recorder:
    """What the handlers were called with, and what ``on_call`` was told."""

    calls: list[Call] = field(default_factory=list)
    statuses: list[tuple[str, int]] = field(default_factory=list)


@dataclass
class Server:
    url: str
    recorder: Recorder

    def client(
        self, service: str, *, secret: str = SECRET, key: str = ACCESS_KEY_ID, region: str = REGION
    ) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            # Faults must reach the server: boto3's own validation would hide the server's.
            config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
        )


def handlers(recorder: Recorder) -> dict[tuple[str, str], Any]:
    def describe_loop(call: Call) -> dict[str, Any]:
        recorder.calls.append(call)
        name = call.params["HumanLoopName"]
        if name == "missing":
            raise ServiceError("ResourceNotFoundException", f"No human loop is named {name}.")
        return {
            "HumanLoopName": name,
            "CreationTime": MOMENT,
            "HumanLoopStatus": "Stopped",
            "Secret": "unmodelled",
        }

    def list_loops(call: Call) -> dict[str, Any]:
        recorder.calls.append(call)
        return {"HumanLoopSummaries": [{"HumanLoopName": "a", "CreationTime": MOMENT}]}

    async def invoke(call: Call) -> dict[str, Any]:
        recorder.calls.append(call)
        if call.params["Body"] == b"fail":
            raise ServiceError(
                "ModelError", "Received 400", OriginalStatusCode=400, OriginalMessage="no image"
            )
        return {
            "Body": call.params["Body"][::-1],
            "ContentType": "image/x-test",
            "CustomAttributes": call.params.get("CustomAttributes", "one\nline"),
        }

    def echo_model(call: Call) -> dict[str, Any]:
        recorder.calls.append(call)
        if call.params["ModelName"] == "breaks":
            raise KeyError("a fault in the handler")
        return {
            "ModelArn": f"arn:aws:sagemaker:{call.region}:{call.account_id}:model/{call.params['ModelName']}"
        }

    def record(call: Call) -> dict[str, Any]:
        recorder.calls.append(call)
        return {"CreationTime": MOMENT, "ModelName": call.params.get("ModelName", "x")}

    return {
        ("sagemaker-a2i-runtime", "DescribeHumanLoop"): describe_loop,
        ("sagemaker-a2i-runtime", "ListHumanLoops"): list_loops,
        ("sagemaker-a2i-runtime", "StartHumanLoop"): record,
        ("sagemaker-a2i-runtime", "StopHumanLoop"): record,
        ("sagemaker-runtime", "InvokeEndpoint"): invoke,
        ("sagemaker", "CreateModel"): echo_model,
        ("sagemaker", "DescribeModel"): record,
        ("sagemaker", "ListModels"): record,
        ("sagemaker", "CreateTrainingJob"): record,
        ("logs", "GetLogEvents"): lambda call: {"events": [{"timestamp": 1, "message": "hello"}]},
    }
