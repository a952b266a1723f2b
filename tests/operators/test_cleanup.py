"""Cleaning up deletes what nobody needs, and nothing else."""

from __future__ import annotations

from typing import Any

from secondlook.operators.cleanup import CleanupOperator

STUB_IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/stub-algorithm:1"


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
