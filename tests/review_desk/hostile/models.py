"""Requests made from botocore's models: valid ones, and each with one thing wrong."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from include.aws_protocol.catalog import resolve_path, resolve_target
from tests.support.desk import ROLE, flow_request, input_content
from tests.support.hostile.changes import changes, spread
from tests.support.hostile.signing import PREFIX, Request, rpc, runtime, sign
from tests.support.reviewer import box


@dataclass(frozen=True)
class Names:
    """What exists on the desk that is attacked."""

    team: str
    ui: str
    flow: str
    loop: str


def valid_calls(names: Names) -> dict[str, dict[str, Any]]:
    """For each operation with a body, parameters that would be taken: every change to them is hostile."""
    ui, team = f"{PREFIX}:human-task-ui/{names.ui}", f"{PREFIX}:workteam/private-crowd/{names.team}"
    flow, page = f"{PREFIX}:flow-definition/{names.flow}", {"MaxResults": 5, "SortOrder": "Ascending"}
    members = [{"OidcMemberDefinition": {"Groups": ["night"]}}]
    tags = [{"Key": "k", "Value": "v"}]
    config = {
        "TaskKeywords": ["boxes"],
        "TaskTimeLimitInSeconds": 60,
        "TaskAvailabilityLifetimeInSeconds": 60,
    }
    times = {"CreationTimeAfter": 1.0, "CreationTimeBefore": 2.0}
    return {
        "CreateHumanTaskUi": {"HumanTaskUiName": "new-ui", "UiTemplate": {"Content": "x"}, "Tags": tags},
        "DescribeHumanTaskUi": {"HumanTaskUiName": names.ui},
        "ListHumanTaskUis": page | times,
        "DeleteHumanTaskUi": {"HumanTaskUiName": names.ui},
        "RenderUiTemplate": {
            "UiTemplate": {"Content": "x"},
            "Task": {"Input": input_content()},
            "RoleArn": ROLE,
        },
        "CreateFlowDefinition": flow_request("new-flow", names.team, names.ui, **config) | {"Tags": tags},
        "DescribeFlowDefinition": {"FlowDefinitionName": names.flow},
        "ListFlowDefinitions": page | times,
        "DeleteFlowDefinition": {"FlowDefinitionName": names.flow},
        "CreateWorkteam": {
            "WorkteamName": "new-team",
            "WorkforceName": "default",
            "Description": "x",
            "MemberDefinitions": members,
            "Tags": tags,
        },
        "DescribeWorkteam": {"WorkteamName": names.team},
        "ListWorkteams": page | {"SortBy": "Name", "NameContains": "a"},
        "UpdateWorkteam": {"WorkteamName": names.team, "Description": "x", "MemberDefinitions": members},
        "DeleteWorkteam": {"WorkteamName": names.team},
        "CreateWorkforce": {"WorkforceName": "other", "Tags": tags},
        "DescribeWorkforce": {"WorkforceName": "default"},
        "ListWorkforces": page | {"SortBy": "Name", "NameContains": "d"},
        "UpdateWorkforce": {"WorkforceName": "default"},
        "DeleteWorkforce": {"WorkforceName": "default"},
        "DescribeSubscribedWorkteam": {"WorkteamArn": team},
        "ListSubscribedWorkteams": {"MaxResults": 5, "NameContains": "a"},
        "AddTags": {"ResourceArn": flow, "Tags": tags},
        "ListTags": {"ResourceArn": ui},
        "DeleteTags": {"ResourceArn": flow, "TagKeys": ["k"]},
        "StartHumanLoop": {
            "HumanLoopName": "new-loop",
            "FlowDefinitionArn": flow,
            "HumanLoopInput": {"InputContent": input_content(initialValue=[box()])},
            "DataAttributes": {"ContentClassifiers": ["FreeOfAdultContent"]},
        },
        "StopHumanLoop": {"HumanLoopName": names.loop},
    }


_RUNTIME_PATHS = {"StartHumanLoop": "/human-loops", "StopHumanLoop": "/human-loops/stop"}


def call(kind: str, operation: str, params: Any) -> Request:
    """One operation of either service, signed."""
    if operation in _RUNTIME_PATHS:
        return sign(runtime(kind, "POST", _RUNTIME_PATHS[operation], params))
    return sign(rpc(kind, operation, params))


def fuzzed(names: Names, seed: int, count: int) -> list[Request]:
    """``count`` requests that each differ from a valid one in one member, spread over all operations."""
    pools = [_changes(operation, params) for operation, params in valid_calls(names).items()]
    return spread(pools, random.Random(seed), count)


def _changes(operation: str, params: dict[str, Any]) -> Iterator[Request]:
    path = _RUNTIME_PATHS.get(operation)
    found = resolve_path("POST", path) if path else resolve_target(f"SageMaker.{operation}")
    assert found is not None
    for kind, changed in changes(found.model.input_shape, params):
        yield call(kind, operation, changed)
