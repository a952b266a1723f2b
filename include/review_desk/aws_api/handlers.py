"""The AWS operations of the desk: which function answers each, what its errors are called."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from include.aws_protocol import Call, Handler, ServiceError
from include.review_desk.audit_trail.actors import act_as, signed_with
from include.review_desk.aws_api import flows, loops, tagging, task_uis, teams, workforce
from include.review_desk.aws_api.authorisation import authorise
from include.review_desk.errors import (
    AccessDenied,
    DeskError,
    InvalidRequest,
    JournalError,
    LimitExceeded,
    LoopConflict,
    MissingResource,
    NameInUse,
)
from include.review_desk.people.purposes import UNLIMITED, Purpose
from include.review_desk.worker_templates.engine import Crew

if TYPE_CHECKING:
    from include.review_desk.context import Desk

RUNTIME = "sagemaker-a2i-runtime"
CONTROL = "sagemaker"

Operation = Callable[..., dict[str, Any] | None]
"""``(desk, params)``, and ``purpose`` where it is named in _BY_PURPOSE."""

PurposeOf = Callable[[str], Purpose]
"""Access key id -> what the key was made for."""

_RUNTIME: dict[str, Operation] = {
    "StartHumanLoop": loops.start,
    "DescribeHumanLoop": lambda desk, params: loops.describe(desk, params["HumanLoopName"]),
    "ListHumanLoops": loops.list_loops,
    "StopHumanLoop": loops.stop,
    "DeleteHumanLoop": loops.delete,
}

_CONTROL: dict[str, Operation] = {
    "CreateHumanTaskUi": task_uis.create,
    "DescribeHumanTaskUi": lambda desk, params: task_uis.describe(desk, params["HumanTaskUiName"]),
    "ListHumanTaskUis": task_uis.list_uis,
    "DeleteHumanTaskUi": lambda desk, params: task_uis.delete_ui(desk, params["HumanTaskUiName"]),
    "RenderUiTemplate": task_uis.render,
    "CreateFlowDefinition": flows.create,
    "DescribeFlowDefinition": lambda desk, params: flows.describe(desk, params["FlowDefinitionName"]),
    "ListFlowDefinitions": flows.list_flows,
    "DeleteFlowDefinition": lambda desk, params: flows.delete_flow(desk, params["FlowDefinitionName"]),
    "CreateWorkteam": teams.create,
    "DescribeWorkteam": lambda desk, params: teams.describe(desk, params["WorkteamName"]),
    "ListWorkteams": teams.list_teams,
    "UpdateWorkteam": teams.update_team,
    "DeleteWorkteam": lambda desk, params: teams.delete_team(desk, params["WorkteamName"]),
    "CreateWorkforce": workforce.create,
    "DescribeWorkforce": lambda desk, params: workforce.describe(desk, params["WorkforceName"]),
    "ListWorkforces": workforce.list_workforces,
    "UpdateWorkforce": workforce.update,
    "DeleteWorkforce": lambda desk, params: workforce.delete(desk, params["WorkforceName"]),
    "DescribeSubscribedWorkteam": workforce.describe_subscribed,
    "ListSubscribedWorkteams": workforce.list_subscribed,
    "AddTags": tagging.add,
    "ListTags": tagging.list_tags,
    "DeleteTags": tagging.remove,
}

# What these do depends on the key further than whether it may call them.
_BY_PURPOSE = frozenset(
    {"StartHumanLoop", "RenderUiTemplate", "CreateFlowDefinition", "ListFlowDefinitions", "ListWorkteams"}
)

# They wait for a template that may take its time; other calls shall not.
_RENDERING = frozenset({"StartHumanLoop", "RenderUiTemplate"})

_CODES: dict[str, dict[type[DeskError], str]] = {
    RUNTIME: {
        InvalidRequest: "ValidationException",
        MissingResource: "ResourceNotFoundException",
        LoopConflict: "ConflictException",
    },
    CONTROL: {
        InvalidRequest: "ValidationException",
        MissingResource: "ResourceNotFound",
        NameInUse: "ResourceInUse",
        LimitExceeded: "ResourceLimitExceeded",
    },
}


def _unlimited(_access_key_id: str) -> Purpose:
    return UNLIMITED


def handlers(desk: Desk, purpose_of: PurposeOf = _unlimited) -> dict[tuple[str, str], Handler]:
    """Every operation the desk answers, for AwsApplication."""
    table: dict[tuple[str, str], Handler] = {}
    for service, operations in ((RUNTIME, _RUNTIME), (CONTROL, _CONTROL)):
        for name, operation in operations.items():
            table[service, name] = _handler(desk, service, operation, purpose_of)
    return table


def _handler(desk: Desk, service: str, operation: Operation, purpose_of: PurposeOf) -> Handler:
    codes = _CODES[service]

    def handle(call: Call) -> dict[str, Any]:
        try:
            with act_as(signed_with(call.access_key_id)):
                purpose = purpose_of(call.access_key_id)
                authorise(desk, purpose, call.operation, call.params)
                run = operation
                if call.operation in _BY_PURPOSE:
                    run = functools.partial(operation, purpose=purpose)
                return run(desk, call.params) or {}
        except AccessDenied as error:
            raise ServiceError("AccessDeniedException", error.message, 403) from None
        except JournalError:
            # The desk's fault, not the request's: InternalServerException or InternalFailure.
            raise
        except DeskError as error:
            # Whatever else the caller can do something about was wrong with the request.
            raise ServiceError(codes.get(type(error), "ValidationException"), error.message) from None

    async def in_thread(call: Call) -> dict[str, Any]:
        crew = Crew.PROGRAMS if call.operation in _RENDERING else None
        return await desk.rendering_threads.run(crew, handle, call)

    return in_thread
