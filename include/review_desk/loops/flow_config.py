"""What a flow definition says about its loops: title and time limits, read from its stored configuration.

``config`` is JSON with HumanLoopConfig, OutputConfig and RoleArn, as CreateFlowDefinition took them.
"""

from __future__ import annotations

import json
from typing import Any

# Ten days, the most that Terraform's and Pulumi's AWS providers allow; the API model names no maximum.
MAX_SECONDS = 864_000
# AWS documents a default for the time limit, and none for the availability lifetime.
DEFAULT_TIME_LIMIT_SECONDS = 3_600
DEFAULT_AVAILABILITY_SECONDS = MAX_SECONDS


def title(config: str) -> str:
    """TaskTitle: what people see above a task."""
    return str(_loop_config(config)["TaskTitle"])


def description(config: str) -> str:
    """TaskDescription: what people see below the title."""
    return str(_loop_config(config)["TaskDescription"])


def time_limit_seconds(config: str) -> int:
    """How long a person has for one task."""
    return int(_loop_config(config).get("TaskTimeLimitInSeconds", DEFAULT_TIME_LIMIT_SECONDS))


def availability_seconds(config: str) -> int:
    """How long a loop can be taken after its start."""
    return given_availability_seconds(config) or DEFAULT_AVAILABILITY_SECONDS


def given_availability_seconds(config: str) -> int | None:
    """As ``availability_seconds``; None where the flow definition leaves it to the default."""
    seconds = _loop_config(config).get("TaskAvailabilityLifetimeInSeconds")
    return None if seconds is None else int(seconds)


def _loop_config(config: str) -> dict[str, Any]:
    loop_config: dict[str, Any] = json.loads(config)["HumanLoopConfig"]
    return loop_config
