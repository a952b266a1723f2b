"""Cleaning up deletes what nobody needs, and nothing else."""

from __future__ import annotations

from typing import Any

from secondlook.operators.cleanup import CleanupOperator
from tests.support.aws import STUB_IMAGE


def test_only_what_nobody_needs_is_deleted(new_project: Any, context: dict[str, Any]) -> None:
    project, neighbour = new_project(), new_project()
    neighbour.serve_with_stub()
    neighbours = neighbour.deploy().execute(context)
    deployed = [
        project.deploy(
            model=name, artifact=project.upload_artifact(f"{name}.tar.gz"), image=STUB_IMAGE
        ).execute(context)
        for name in ("one", "two")
    ]
    old, current = (result["endpoint_config"] for result in deployed)

    report = CleanupOperator(task_id="cleanup", min_age_hours=0, **project.place).execute(context)
    assert report == {"deleted": False, "models": 1, "endpoint_configs": 1}
    assert project.sagemaker.describe_endpoint_config(EndpointConfigName=old)

    young = CleanupOperator(task_id="cleanup", only_report=False, **project.place).execute(context)
    assert young == {"deleted": True, "models": 0, "endpoint_configs": 0}

    cleanup = CleanupOperator(task_id="cleanup", only_report=False, min_age_hours=0, **project.place)
    assert cleanup.execute(context) == {"deleted": True, "models": 1, "endpoint_configs": 1}
    configs = {
        config["EndpointConfigName"]
        for page in project.sagemaker.get_paginator("list_endpoint_configs").paginate()
        for config in page["EndpointConfigs"]
    }
    assert old not in configs
    assert {current, neighbours["endpoint_config"]} <= configs
    assert cleanup.execute(context) == {"deleted": True, "models": 0, "endpoint_configs": 0}


def test_resources_with_other_names_are_not_looked_at(
    project: Any, context: dict[str, Any], api_calls: list[tuple[str, dict[str, Any]]]
) -> None:
    """An account may hold thousands of them, and permissions may end at the project's own names."""
    tags = [
        {"Key": "managed-by", "Value": "second-look"},
        {"Key": "second-look:place", "Value": project.layout.uri(project.prefix)},
    ]
    others = {f"theirs-{project.endpoint}", f"my-second-look-{project.endpoint}"}
    unused = f"second-look-{project.endpoint}"
    for name in (*others, unused):
        project.sagemaker.create_model(
            ModelName=name,
            PrimaryContainer={"Image": STUB_IMAGE},
            ExecutionRoleArn=project.role_arn,
            Tags=tags,
        )
    cleanup = CleanupOperator(task_id="cleanup", only_report=False, min_age_hours=0, **project.place)
    assert cleanup.execute(context) == {"deleted": True, "models": 1, "endpoint_configs": 0}
    looked_at = {call["ResourceArn"].rpartition("/")[2] for name, call in api_calls if name == "ListTags"}
    assert unused in looked_at
    assert not looked_at & others
    assert {call["ModelName"] for name, call in api_calls if name == "DescribeModel"} <= {unused}
