"""Types of setting values, each with its pattern or range."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from secondlook import names

RoleArn = Annotated[str, Field(pattern=f"^{names.ROLE_ARN}$", description="ARN of an IAM role")]
ResourceName = Annotated[str, Field(pattern=f"^{names.RESOURCE_NAME}$")]
FlowName = Annotated[str, Field(pattern=f"^{names.FLOW_NAME}$")]
InstanceType = Annotated[str, Field(pattern=f"^{names.INSTANCE_TYPE}$")]
BUILT_IN_POLICIES = ("uncertainty_sum", "top_score", "random")
"""The review policies of ``secondlook.review.policies``."""
ImportPath = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")]
Share = Annotated[float, Field(ge=0, le=1)]
# SageMaker API Reference, HumanLoopConfig, TaskKeywords.
TaskKeyword = Annotated[str, Field(max_length=30, pattern=r"^[A-Za-z0-9]+( [A-Za-z0-9]+)*$")]
# SageMaker allows 100 MB in flight (CreateTransformJob, MaxPayloadInMB), and an image may have 6 MB.
MOST_CONCURRENT_TRANSFORMS = 100 // 6
ConcurrentTransforms = Annotated[int, Field(ge=1, le=MOST_CONCURRENT_TRANSFORMS)]
