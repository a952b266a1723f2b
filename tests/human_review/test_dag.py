"""The review_workflow DAG: its wiring, and what it does with a deployment's settings."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from airflow.serialization.serialized_objects import DagSerialization

from tests.support.review_project import LABELS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def dag():
    path = ROOT / "dags" / "review_workflow.py"
    spec = importlib.util.spec_from_file_location("review_workflow_dag", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.dag


def test_it_is_wired_and_serialisable(dag):
    serialised = DagSerialization.to_dict(dag)
    assert serialised == DagSerialization.to_dict(dag)
    assert dag.get_task("choose").downstream_task_ids == {"create", "remove"}
    assert dag.params["action"] == "create"
    assert dag.tags
    assert all(task.retries >= 2 for task in dag.tasks)


@pytest.mark.parametrize("action", ["create", "remove"])
def test_the_branch_is_the_action(dag, action):
    assert dag.get_task("choose").python_callable(action) == action


def test_create_and_remove_follow_the_settings(dag, project, context, monkeypatch):
    settings = {
        "bucket": project.bucket,
        "prefix": project.prefix,
        "flow_definition": project.flow,
        "flow_role_arn": project.role_arn,
        "workteam_name": project.team,
        "labels": LABELS,
        "review": {"task_title": "Check the cells", "task_count": 2},
    }
    monkeypatch.setenv("AIRFLOW_VAR_SECONDLOOK_SETTINGS", json.dumps(settings))
    context = {**context, "params": {"action": "create", "force": False}}

    create = dag.get_task("create")
    create.render_template_fields(context)
    result = create.execute(context)
    flow = project.control.describe_flow_definition(FlowDefinitionName=project.flow)
    assert flow["FlowDefinitionArn"] == result["flow_definition_arn"]
    assert flow["HumanLoopConfig"]["TaskTitle"] == "Check the cells"
    assert flow["HumanLoopConfig"]["TaskCount"] == 2

    remove = dag.get_task("remove")
    remove.render_template_fields(context)
    assert remove.execute(context) == {"flow_definition": project.flow, "removed": True}
