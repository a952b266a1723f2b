"""Airflow's access to the Review Desk of the demo: a key of its own, for what the DAGs do and no more."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.exceptions import ClientError

from include.demo.airflow_programs import airflow_environment
from include.demo.processes import Supervisor
from include.demo.services import desk_access, desk_program, give_airflow_access, is_ready
from include.demo.state import BUCKET, REGION, ROLE_ARN, TEAM, open_state


@pytest.mark.usefixtures("programs")
def test_airflow_has_a_key_for_its_team_and_bucket_that_stays_the_same(tmp_path):
    state = open_state(tmp_path / "state")
    give_airflow_access(state)
    first = desk_access(state)
    give_airflow_access(state)
    assert desk_access(state) == first
    assert state.desk_access_file.stat().st_mode & 0o077 == 0
    connection = json.loads(airflow_environment(state)["AIRFLOW_CONN_A2I_DEFAULT"])
    assert (connection["login"], connection["password"]) == first
    assert first[1] not in str(airflow_environment(state)["AIRFLOW_CONN_AWS_DEFAULT"])
    # With a new database comes a new key.
    for file in state.folder.glob("desk.db*"):
        file.unlink()
    give_airflow_access(state)
    assert desk_access(state) != first


@pytest.mark.usefixtures("programs")
def test_the_key_does_what_the_dags_need_and_nothing_for_another_team(tmp_path):
    state = open_state(tmp_path / "state")
    give_airflow_access(state)
    key_id, secret = desk_access(state)
    client = boto3.client(
        "sagemaker",
        endpoint_url=state.url("desk"),
        region_name=REGION,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
    )
    team = {
        "Description": "Reviewers",
        "MemberDefinitions": [{"OidcMemberDefinition": {"Groups": [TEAM]}}],
    }
    with Supervisor(state.logs) as supervisor:
        supervisor.start(desk_program(state))
        supervisor.wait_until("desk", lambda: is_ready(state, "desk", "/healthz"), 60)
        client.create_workteam(WorkteamName=TEAM, **team)
        rendered = client.render_ui_template(
            UiTemplate={"Content": "{{ task.input.taskObject | grant_read_access }}"},
            Task={"Input": json.dumps({"taskObject": f"s3://{BUCKET}/second-look/1.jpg"})},
            RoleArn=ROLE_ARN,
        )
        assert "X-Amz-Signature" in rendered["RenderedContent"]
        with pytest.raises(ClientError, match="AccessDeniedException"):
            client.create_workteam(WorkteamName="another-team", **team)
