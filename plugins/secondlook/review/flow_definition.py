"""What the review workflow's flow definition is made of, as the settings describe it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondlook.names import MANAGED_BY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secondlook.settings import ReviewSettings


@dataclass(frozen=True)
class FlowDefinition:
    """What a flow definition is made of; it cannot be changed later, only replaced under another name.

    Attributes
    ----------
    task_count
        Reviewers per image, 1 to 3.
    availability_seconds
        How long a task is offered before its loop fails as expired.
    time_limit_seconds
        How long one reviewer may hold a task.
    output_uri
        S3 folder that answers are written into.
    """

    name: str
    role_arn: str
    workteam_arn: str
    human_task_ui_arn: str
    title: str
    description: str
    keywords: tuple[str, ...]
    task_count: int
    availability_seconds: int
    time_limit_seconds: int
    output_uri: str

    @classmethod
    def of(
        cls, review: ReviewSettings, name: str, role_arn: str, workteam_arn: str, ui_arn: str, output_uri: str
    ) -> FlowDefinition:
        """Return the flow definition that the settings describe."""
        return cls(
            name=name,
            role_arn=role_arn,
            workteam_arn=workteam_arn,
            human_task_ui_arn=ui_arn,
            title=review.task_title,
            description=review.task_description,
            keywords=review.task_keywords,
            task_count=review.task_count,
            availability_seconds=review.task_availability_seconds,
            time_limit_seconds=review.task_time_limit_seconds,
            output_uri=output_uri,
        )

    def request(self) -> dict[str, Any]:
        """Return the parameters of CreateFlowDefinition."""
        return {
            "FlowDefinitionName": self.name,
            "RoleArn": self.role_arn,
            "HumanLoopConfig": {
                "WorkteamArn": self.workteam_arn,
                "HumanTaskUiArn": self.human_task_ui_arn,
                "TaskTitle": self.title,
                "TaskDescription": self.description,
                "TaskCount": self.task_count,
                "TaskAvailabilityLifetimeInSeconds": self.availability_seconds,
                "TaskTimeLimitInSeconds": self.time_limit_seconds,
                "TaskKeywords": list(self.keywords),
            },
            "OutputConfig": {"S3OutputPath": self.output_uri},
            "Tags": [MANAGED_BY],
        }

    def differences(self, described: Mapping[str, Any]) -> list[str]:
        """Say what an existing flow definition has otherwise, one phrase each."""
        wanted = _comparable(self.request())
        existing = _comparable(described)
        return [
            f"{key} is {existing.get(key)!r} instead of {value!r}"
            for key, value in wanted.items()
            if existing.get(key) != value
        ]


def _comparable(flow: Mapping[str, Any]) -> dict[str, Any]:
    # Services add defaults of their own to what they describe, so only what we set is compared.
    return {
        "RoleArn": flow.get("RoleArn"),
        **flow.get("HumanLoopConfig", {}),
        "S3OutputPath": str(flow.get("OutputConfig", {}).get("S3OutputPath", "")).rstrip("/"),
    }


@dataclass(frozen=True)
class ActiveFlow:
    """A flow definition that loops can be started on; ``task_count`` people answer each.

    ``output`` is the S3 address below which the service writes the answers; empty when it names none.
    """

    arn: str
    task_count: int
    output: str = ""
