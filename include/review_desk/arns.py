"""Amazon Resource Names of the desk's resources, from names and back."""

from __future__ import annotations

from dataclasses import dataclass

HUMAN_LOOP = "human-loop"
FLOW_DEFINITION = "flow-definition"
HUMAN_TASK_UI = "human-task-ui"
WORKTEAM = "workteam/private-crowd"
WORKFORCE = "workforce/private-crowd"

TAGGABLE = (FLOW_DEFINITION, HUMAN_TASK_UI, WORKTEAM)


@dataclass(frozen=True)
class Arns:
    """ARNs in one Region of one account."""

    region: str
    account_id: str

    def make(self, kind: str, name: str) -> str:
        """For example ``arn:aws:sagemaker:us-east-1:111122223333:human-loop/<name>``."""
        return f"{self._prefix}{kind}/{name}"

    def name_of(self, kind: str, arn: str) -> str | None:
        """The name in ``arn`` if it is of this kind, Region and account, else None."""
        prefix = f"{self._prefix}{kind}/"
        name = arn.removeprefix(prefix)
        return name if arn.startswith(prefix) and name and "/" not in name else None

    def resource_of(self, arn: str) -> tuple[str, str] | None:
        """Kind and name of a resource that can carry tags, or None."""
        for kind in TAGGABLE:
            name = self.name_of(kind, arn)
            if name is not None:
                return kind, name
        return None

    @property
    def _prefix(self) -> str:
        return f"arn:aws:sagemaker:{self.region}:{self.account_id}:"
