"""Requests made from botocore's models: valid ones, and each with one thing wrong."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from include.aws_protocol.catalog import resolve_path, resolve_target
from tests.review_desk.hostile.signing import PREFIX, Request, rpc, runtime, sign
from tests.support.desk import ROLE, flow_request, input_content
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
    chance = random.Random(seed)
    pools = []
    for operation, params in valid_calls(names).items():
        pool = list(_changes(operation, params))
        chance.shuffle(pool)
        pools.append(pool)
    taken = []
    while len(taken) < count:
        pools = [pool for pool in pools if pool]
        assert pools, f"the models give only {len(taken)} requests"
        taken += [pool.pop() for pool in pools]
    return taken[:count]


def _changes(operation: str, params: dict[str, Any]) -> Iterator[Request]:
    path = _RUNTIME_PATHS.get(operation)
    found = resolve_path("POST", path) if path else resolve_target(f"SageMaker.{operation}")
    assert found is not None
    for kind, place, value in _hostile_values(found.model.input_shape, params, ()):
        changed = copy.deepcopy(params)
        holder: Any = changed
        for step in place[:-1]:
            holder = holder[step]
        if value is _REMOVED:
            del holder[place[-1]]
        else:
            holder[place[-1]] = value
        yield call(kind, operation, changed)


_REMOVED = object()
_WRONG_TYPES = {
    "structure": ("text", 1, [], True),
    "list": ("text", {}, 1, False),
    "string": (1, 1.5, True, [], {}, [["a"]]),
    "integer": ("1", 1.5, True, [1], {}),
    "timestamp": ("yesterday", [], {}, True, "0000-00-00T99:99:99Z", 10**400),
}


def _hostile_values(shape: Any, value: Any, place: tuple[Any, ...]) -> Iterator[tuple[str, Any, Any]]:
    if place:
        for wrong in _WRONG_TYPES[shape.type_name]:
            yield "wrong type", place, wrong
        yield from _beyond_limits(shape, value, place)
    if shape.type_name == "structure":
        yield "unknown member", (*place, "Bogus"), {"a": 1}
        for name, item in value.items():
            if name in shape.required_members:
                yield "missing member", (*place, name), _REMOVED
            yield from _hostile_values(shape.members[name], item, (*place, name))
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield from _hostile_values(shape.member, item, (*place, index))


def _beyond_limits(shape: Any, value: Any, place: tuple[Any, ...]) -> Iterator[tuple[str, Any, Any]]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if shape.type_name == "string":
        yield "NUL or surrogate", place, f"{value}\0"
        yield "NUL or surrogate", place, f"\ud800{value}"
        if shape.enum or shape.metadata.get("pattern") not in (None, r"[\S\s]+", ".+", ".*"):
            yield "enum or pattern", place, f"{value}\n\N{INVERTED EXCLAMATION MARK}"
        if high is not None and high < 10_000:
            yield "beyond the limit", place, "a" * (high + 1)
        if low:
            yield "beyond the limit", place, ""
    elif shape.type_name == "list":
        if high is not None:
            yield "beyond the limit", place, value * (high + 1)
        if low:
            yield "beyond the limit", place, []
    elif shape.type_name == "integer":
        for far in ([low - 1] if low is not None else []) + ([high + 1] if high is not None else []):
            yield "beyond the limit", place, far
        yield "beyond the limit", place, -(10**30)
