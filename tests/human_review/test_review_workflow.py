"""Setting up human review and taking it down."""

from __future__ import annotations

import pytest

from secondlook.failures.exceptions import ReviewSetupError, SettingsError
from secondlook.names import human_task_ui_name
from secondlook.runtime.arguments import ArgumentError
from secondlook.worker_template import read_template


def test_create_sets_up_what_the_night_needs_and_may_run_again(project, context):
    first = project.create().execute(context)
    again = project.create().execute(context)

    assert again == first
    flow = project.control.describe_flow_definition(FlowDefinitionName=project.flow)
    assert flow["FlowDefinitionStatus"] == "Active"
    assert flow["FlowDefinitionArn"] == first["flow_definition_arn"]
    assert flow["HumanLoopConfig"]["HumanTaskUiArn"] == first["human_task_ui_arn"]
    assert flow["OutputConfig"]["S3OutputPath"] == f"s3://{project.bucket}/cells/reviews/a2i"
    assert context["ti"].xcoms["_link_ReviewLink"].endswith(f"/flows/{project.flow}")


def test_a_changed_flow_definition_is_refused_with_what_differs(project, context):
    project.create().execute(context)
    with pytest.raises(ReviewSetupError, match=r"TaskCount is 1 instead of 3.*set another name"):
        project.create(task_count=3).execute(context)


def test_a_missing_work_team_is_a_sentence(project, context):
    with pytest.raises(
        ReviewSetupError, match=r"work team nobody was not found in region us-east-1 .*create it"
    ):
        project.create(workteam_name="nobody").execute(context)
    assert not any(
        flow["FlowDefinitionName"] == project.flow
        for flow in project.control.list_flow_definitions()["FlowDefinitionSummaries"]
    )


def test_a_broken_template_fails_before_anything_is_created(project, context, tmp_path):
    template = tmp_path / "broken.liquid.html"
    template.write_text("<crowd-form>{{ task.input.taskobject | grant_read_access }}</crowd-form>")
    with pytest.raises(ReviewSetupError, match=r"does not render .*grant_read_access.*not a valid S3 URI"):
        project.create(worker_template=str(template)).execute(context)
    with pytest.raises(project.control.exceptions.ResourceNotFound):
        project.control.describe_flow_definition(FlowDefinitionName=project.flow)


def test_a_template_that_nobody_could_submit_is_warned_of_in_log_and_result(
    project, context, tmp_path, capsys
):
    template = tmp_path / "refused.liquid.html"
    template.write_text(
        "<script src='https://cdn.example.org/uuid.js'></script><crowd-form><crowd-input></crowd-input>"
        "<crowd-mystery src='{{ task.input.taskObject | grant_read_access }}'></crowd-mystery></crowd-form>"
    )
    warnings = project.create(worker_template=str(template)).execute(context)["warnings"]
    script, unnamed, unknown = warnings
    assert script.startswith("The script https://cdn.example.org/uuid.js is not loaded")
    assert unnamed == "<crowd-input> has no name: what people enter there would be lost."
    assert unknown.startswith("<crowd-mystery> is not known to the Review Desk")
    said = capsys.readouterr().out
    for warning in warnings:
        assert f"Reviewers could not submit answers: {warning}" in said


def test_the_projects_own_template_needs_no_warning(project, context):
    assert project.create().execute(context)["warnings"] == []


def test_a_missing_template_is_a_sentence(project, context):
    with pytest.raises(SettingsError, match=r"worker template none\.html cannot be read"):
        project.create(worker_template="none.html").execute(context)


def test_a_worker_template_of_somebody_else_is_refused(project, context):
    name = human_task_ui_name(project.flow, read_template())
    project.control.create_human_task_ui(
        HumanTaskUiName=name, UiTemplate={"Content": "<p>something else</p>"}
    )
    with pytest.raises(ReviewSetupError, match="has another content than the file"):
        project.create().execute(context)


def test_a_missing_bucket_is_a_sentence(project, context):
    with pytest.raises(ReviewSetupError, match="bucket no-such-bucket does not exist"):
        project.create(bucket="no-such-bucket").execute(context)


def test_a_wrong_role_is_refused_with_the_services_words(project, context):
    with pytest.raises(ReviewSetupError, match=r"Cannot .* in region us-east-1 .*\(Validation.*"):
        project.create(flow_role_arn="arn:aws:iam::999999999999:role/of-another-account").execute(context)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"flow_definition_name": "Upper_Case"}, "flow_definition_name = 'Upper_Case'"),
        ({"flow_role_arn": "my-role"}, "flow_role_arn = 'my-role'"),
        ({"task_count": 4}, "review cannot be used: task_count = 4"),
        ({"task_time_limit_seconds": 5}, "task_time_limit_seconds = 5"),
        ({"labels": "RBC"}, "labels must be a list"),
        ({"labels": []}, "labels must be a list"),
        ({"task_keywords": ["a"] * 6}, "task_keywords has too many entries"),
        ({"task_keywords": ["no_underscore"]}, "task_keywords.0 = 'no_underscore'"),
        ({"task_description": "two\nlines"}, "task_description"),
    ],
)
def test_wrong_arguments_fail_while_the_dag_is_parsed(project, arguments, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        project.create(**arguments)


def test_remove_takes_down_and_create_can_follow(project, context):
    project.create().execute(context)
    flow = project.control.describe_flow_definition(FlowDefinitionName=project.flow)
    ui_name = flow["HumanLoopConfig"]["HumanTaskUiArn"].rpartition("/")[2]
    assert project.remove().execute(context)["removed"] is True
    assert project.remove().execute(context)["removed"] is False
    with pytest.raises(project.control.exceptions.ResourceNotFound):
        project.control.describe_human_task_ui(HumanTaskUiName=ui_name)
    project.create(task_count=2).execute(context)


def test_remove_refuses_while_people_are_at_work_unless_forced(ready, context):
    ready.score([ready.prediction("a", 0.4), ready.prediction("b", 0.5)])
    ready.launch().execute(context)
    with pytest.raises(ReviewSetupError, match=f"2 human loops are open on the flow definition {ready.flow}"):
        ready.remove().execute(context)
    assert ready.remove(force=True).execute(context)["removed"] is True


@pytest.mark.parametrize("origins", [["*"], ["https://desk.example.org", "null"]])
def test_a_bucket_without_cors_is_a_warning(project, context, capsys, origins):
    project.create().execute(context)
    assert "no CORS rule" in capsys.readouterr().out
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": origins}
    project.s3.put_bucket_cors(Bucket=project.bucket, CORSConfiguration={"CORSRules": [rule]})
    project.create().execute(context)
    assert "CORS" not in capsys.readouterr().out


def test_the_longest_flow_definition_name_still_gives_a_template_name():
    assert len(human_task_ui_name("a" * 49 + "-" + "b" * 13, "<p></p>")) <= 63
