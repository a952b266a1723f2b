"""Human task UIs, flow definitions, work teams and tags, as unmodified boto3 sees them."""

from __future__ import annotations

import hashlib
import json
import urllib.request

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from .conftest import BUCKET, ROLE, TEMPLATE, box, flow_request, input_content, unique, wait_for

OTHER_ROLE = "arn:aws:iam::999999999999:role/somebody-elses"
PREFIX = "arn:aws:sagemaker:us-east-1:111122223333"


def error_of(call, **params) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    return (
        response["Error"]["Code"],
        response["Error"]["Message"],
        response["ResponseMetadata"]["HTTPStatusCode"],
    )


def test_a_template_keeps_its_name_and_its_content(sagemaker):
    name = unique("ui")
    arn = sagemaker.create_human_task_ui(HumanTaskUiName=name, UiTemplate={"Content": TEMPLATE})[
        "HumanTaskUiArn"
    ]
    assert arn == f"{PREFIX}:human-task-ui/{name}"
    found = sagemaker.describe_human_task_ui(HumanTaskUiName=name)
    assert found["HumanTaskUiStatus"] == "Active"
    assert found["UiTemplate"]["ContentSha256"] == hashlib.sha256(TEMPLATE.encode()).hexdigest()
    with urllib.request.urlopen(found["UiTemplate"]["Url"]) as response:
        assert response.read().decode() == TEMPLATE
        assert response.headers["Content-Type"].startswith("text/plain")


def test_a_template_name_is_taken_once(sagemaker):
    name = unique("ui")
    sagemaker.create_human_task_ui(HumanTaskUiName=name, UiTemplate={"Content": "a"})
    code, message, _ = error_of(
        sagemaker.create_human_task_ui, HumanTaskUiName=name, UiTemplate={"Content": "b"}
    )
    assert code == "ResourceInUse"
    assert name in message
    sagemaker.delete_human_task_ui(HumanTaskUiName=name)
    sagemaker.create_human_task_ui(HumanTaskUiName=name, UiTemplate={"Content": "b"})


def test_what_is_missing_is_not_found(sagemaker):
    assert error_of(sagemaker.describe_human_task_ui, HumanTaskUiName="no-ui")[0] == "ResourceNotFound"
    assert error_of(sagemaker.delete_human_task_ui, HumanTaskUiName="no-ui")[0] == "ResourceNotFound"
    assert error_of(sagemaker.describe_flow_definition, FlowDefinitionName="no")[0] == "ResourceNotFound"
    assert error_of(sagemaker.delete_flow_definition, FlowDefinitionName="no")[0] == "ResourceNotFound"
    code, message, _ = error_of(sagemaker.describe_workteam, WorkteamName="no-team")
    assert code == "ResourceNotFound"
    assert "no-team" in message


def test_lists_come_in_pages_newest_first_and_can_be_turned(sagemaker):
    names = [unique("listed") for _ in range(5)]
    for name in names:
        sagemaker.create_human_task_ui(HumanTaskUiName=name, UiTemplate={"Content": "x"})
    pages = sagemaker.get_paginator("list_human_task_uis").paginate(PaginationConfig={"PageSize": 2})
    seen = [ui["HumanTaskUiName"] for page in pages for ui in page["HumanTaskUiSummaries"]]
    assert len(seen) == len(set(seen))
    assert [name for name in seen if name in names] == names[::-1]
    ascending = sagemaker.list_human_task_uis(SortOrder="Ascending", MaxResults=100)
    assert [
        ui["HumanTaskUiName"] for ui in ascending["HumanTaskUiSummaries"] if ui["HumanTaskUiName"] in names
    ] == names


def test_a_made_up_page_token_is_refused(sagemaker):
    code, message, _ = error_of(sagemaker.list_flow_definitions, NextToken="bm9uc2Vuc2U=")
    assert code == "ValidationException"
    assert "NextToken" in message


def test_a_flow_definition_comes_back_as_it_was_given(sagemaker, flow):
    found = sagemaker.describe_flow_definition(FlowDefinitionName=flow.name)
    given = flow_request(flow.name, flow.team, flow.ui)
    assert {key: found[key] for key in given} == given
    assert found["FlowDefinitionStatus"] == "Active"
    assert found["FlowDefinitionArn"] == f"{PREFIX}:flow-definition/{flow.name}"
    summaries = sagemaker.list_flow_definitions()["FlowDefinitionSummaries"]
    assert flow.name in [summary["FlowDefinitionName"] for summary in summaries]


def test_a_flow_definition_name_is_taken_once(sagemaker, flow):
    code, _, _ = error_of(sagemaker.create_flow_definition, **flow_request(flow.name, flow.team, flow.ui))
    assert code == "ResourceInUse"


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"RoleArn": OTHER_ROLE}, "Could not assume role"),
        ({"OutputConfig": {"S3OutputPath": "https://bucket/prefix"}}, "S3OutputPath"),
        ({"OutputConfig": {"S3OutputPath": "s3://Not_A_Bucket/prefix"}}, "S3OutputPath"),
        ({"HumanLoopConfig": {"HumanTaskUiArn": f"{PREFIX}:human-task-ui/no-ui"}}, "human task UI"),
        ({"HumanLoopConfig": {"WorkteamArn": f"{PREFIX}:workteam/private-crowd/no-team"}}, "work team"),
        (
            {"HumanLoopConfig": {"WorkteamArn": "arn:aws:sagemaker:eu-west-1:111122223333:workteam/x/y"}},
            "work team",
        ),
        ({"HumanLoopConfig": {"TaskCount": 4}}, "TaskCount"),
        ({"HumanLoopConfig": {"TaskTimeLimitInSeconds": 29}}, "TaskTimeLimitInSeconds"),
        ({"HumanLoopConfig": {"TaskAvailabilityLifetimeInSeconds": 10**12}}, "TaskAvailabilityLifetime"),
        ({"HumanLoopConfig": {"TaskDescription": "two\nlines"}}, "TaskDescription"),
        ({"FlowDefinitionName": "Upper-Case"}, "lowDefinitionName"),
        (
            {
                "HumanLoopActivationConfig": {
                    "HumanLoopActivationConditionsConfig": {"HumanLoopActivationConditions": "{}"}
                }
            },
            "HumanLoopActivationConfig",
        ),
    ],
)
def test_a_wrong_flow_definition_is_one_sentence(site, flow, change, part):
    request = flow_request(unique("wrong"), flow.team, flow.ui)
    config = request["HumanLoopConfig"] | change.get("HumanLoopConfig", {})
    client = site.client("sagemaker", config=Config(parameter_validation=False))
    code, message, status = error_of(
        client.create_flow_definition, **(request | change | {"HumanLoopConfig": config})
    )
    assert (code, status) == ("ValidationException", 400)
    assert part.lower() in message.lower()


def test_deleting_a_template_stops_new_loops_only(sagemaker, flow):
    loop = flow.start()
    sagemaker.delete_human_task_ui(HumanTaskUiName=flow.ui)
    with pytest.raises(ClientError, match="was deleted"):
        flow.start()
    person = flow.reviewer()
    assert person.answer(person.next(), [box()])[0] == 200
    assert flow.ended(loop)["HumanLoopStatus"] == "Completed"


def test_render_ui_template_shows_the_page_and_its_faults(site, sagemaker, flow):
    ui = f"{PREFIX}:human-task-ui/{flow.ui}"
    good = sagemaker.render_ui_template(HumanTaskUiArn=ui, Task={"Input": input_content()}, RoleArn=ROLE)
    assert good["Errors"] == []
    assert "crowd-bounding-box" in good["RenderedContent"]
    bad = sagemaker.render_ui_template(HumanTaskUiArn=ui, Task={"Input": "{}"}, RoleArn=ROLE)
    assert bad["RenderedContent"] == ""
    assert bad["Errors"] == [
        {"Code": "InvalidParameters", "Message": '"grant_read_access" input is not a valid S3 URI: "".'}
    ]
    syntax = sagemaker.render_ui_template(
        UiTemplate={"Content": "{{ x | nope }}"}, Task={"Input": "{}"}, RoleArn=ROLE
    )
    assert [error["Code"] for error in syntax["Errors"]] == ["TemplateSyntaxError"]
    no_json = sagemaker.render_ui_template(UiTemplate={"Content": "x"}, Task={"Input": "{]"}, RoleArn=ROLE)
    assert "not valid JSON" in no_json["Errors"][0]["Message"]


def test_render_ui_template_wants_one_template_and_a_role(sagemaker):
    task = {"Input": "{}"}
    assert error_of(sagemaker.render_ui_template, Task=task, RoleArn=ROLE)[0] == "ValidationException"
    missing = f"{PREFIX}:human-task-ui/no-ui"
    code, _, _ = error_of(sagemaker.render_ui_template, HumanTaskUiArn=missing, Task=task, RoleArn=ROLE)
    assert code == "ResourceNotFound"
    code, message, _ = error_of(
        sagemaker.render_ui_template, UiTemplate={"Content": "x"}, Task=task, RoleArn=OTHER_ROLE
    )
    assert (code, message.partition(":")[0]) == ("ValidationException", "Could not assume role arn")


def test_a_work_team_lives_and_dies(site, sagemaker):
    name = unique("team")
    members = [{"CognitoMemberDefinition": {"UserPool": "us-east-1_A", "UserGroup": "g", "ClientId": "c"}}]
    sagemaker.create_workteam(WorkteamName=name, Description="Night", MemberDefinitions=members)
    team = sagemaker.describe_workteam(WorkteamName=name)["Workteam"]
    assert team["WorkteamArn"] == f"{PREFIX}:workteam/private-crowd/{name}"
    assert team["SubDomain"] == f"127.0.0.1:{site.port}"
    assert team["MemberDefinitions"] == members
    again = {"WorkteamName": name, "Description": "x", "MemberDefinitions": members}
    assert error_of(sagemaker.create_workteam, **again)[0] == "ResourceInUse"
    changed = sagemaker.update_workteam(WorkteamName=name, Description="Day")["Workteam"]
    assert (changed["Description"], changed["MemberDefinitions"]) == ("Day", members)
    listed = sagemaker.list_workteams(NameContains=name, SortBy="Name", SortOrder="Ascending")["Workteams"]
    assert [team["WorkteamName"] for team in listed] == [name]
    assert sagemaker.delete_workteam(WorkteamName=name)["Success"] is True
    assert error_of(sagemaker.describe_workteam, WorkteamName=name)[0] == "ResourceNotFound"


def test_a_team_in_use_stays(sagemaker, flow):
    code, message, _ = error_of(sagemaker.delete_workteam, WorkteamName=flow.team)
    assert code == "ValidationException"
    assert flow.name in message


def test_there_is_one_private_workforce(site, sagemaker):
    [workforce] = sagemaker.list_workforces()["Workforces"]
    described = sagemaker.describe_workforce(WorkforceName=workforce["WorkforceName"])["Workforce"]
    assert described["Status"] == "Active"
    assert described["SubDomain"] == f"127.0.0.1:{site.port}"
    assert error_of(sagemaker.describe_workforce, WorkforceName="other")[0] == "ResourceNotFound"


def test_tags_are_kept_changed_and_removed(sagemaker, flow):
    tag = {"Key": "managed-by", "Value": "airflow"}
    assert sagemaker.add_tags(ResourceArn=flow.arn, Tags=[tag, {"Key": "b", "Value": ""}])["Tags"][1] == tag
    sagemaker.add_tags(ResourceArn=flow.arn, Tags=[{"Key": "b", "Value": "2"}])
    sagemaker.delete_tags(ResourceArn=flow.arn, TagKeys=["managed-by", "unknown"])
    assert sagemaker.list_tags(ResourceArn=flow.arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    missing = f"{PREFIX}:flow-definition/none"
    assert error_of(sagemaker.list_tags, ResourceArn=missing)[0] == "ResourceNotFound"
    many = [{"Key": str(number), "Value": ""} for number in range(50)]
    assert error_of(sagemaker.add_tags, ResourceArn=flow.arn, Tags=many)[0] == "ValidationException"


def test_tags_given_at_creation_go_with_the_resource(sagemaker, flow):
    name = unique("tagged")
    request = flow_request(name, flow.team, flow.ui) | {"Tags": [{"Key": "k", "Value": "v"}]}
    arn = sagemaker.create_flow_definition(**request)["FlowDefinitionArn"]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    sagemaker.delete_flow_definition(FlowDefinitionName=name)
    sagemaker.create_flow_definition(**flow_request(name, flow.team, flow.ui))
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []


def test_deleting_a_flow_definition_stops_what_nobody_started_and_waits_for_the_rest(sagemaker, flow):
    worked_on, untouched = flow.start(), flow.start()
    person = flow.reviewer()
    task = person.next()
    assert task["loop"] == worked_on
    sagemaker.delete_flow_definition(FlowDefinitionName=flow.name)
    found = sagemaker.describe_flow_definition(FlowDefinitionName=flow.name)
    assert found["FlowDefinitionStatus"] == "Deleting"
    assert error_of(sagemaker.delete_flow_definition, FlowDefinitionName=flow.name)[0] == "ResourceInUse"
    with pytest.raises(ClientError, match="does not exist"):
        flow.status(untouched)
    with pytest.raises(ClientError, match="takes no new loops"):
        flow.start()
    assert flow.status(worked_on) == "Stopping"
    assert person.answer(task, [box()])[0] == 200
    assert flow.ended(worked_on)["HumanLoopStatus"] == "Stopped"
    assert len(flow.output(worked_on)["humanAnswers"]) == 1

    def gone() -> bool:
        names = [
            flow["FlowDefinitionName"]
            for flow in sagemaker.list_flow_definitions()["FlowDefinitionSummaries"]
        ]
        return flow.name not in names

    wait_for(gone)
    sagemaker.create_flow_definition(**flow_request(flow.name, flow.team, flow.ui))


def test_an_operation_of_another_service_is_a_clear_501(sagemaker):
    _, message, status = error_of(sagemaker.list_training_jobs)
    assert status == 501
    assert "ListTrainingJobs" in message


def test_a_wrong_secret_opens_nothing(site):
    stranger = site.client("sagemaker", aws_secret_access_key="wrong")
    assert error_of(stranger.list_flow_definitions)[2] == 403


def test_operation_counts_and_bucket_name_are_visible_to_machines(site, sagemaker):
    before = json.loads(site.get("/_status")[1])["operations"].get("ListWorkteams", 0)
    sagemaker.list_workteams()
    status = json.loads(site.get("/_status")[1])
    assert status["operations"]["ListWorkteams"] == before + 1
    assert "sagemaker-a2i-runtime.StartHumanLoop" in status["implemented"]
    assert BUCKET not in site.get("/_status")[1]
