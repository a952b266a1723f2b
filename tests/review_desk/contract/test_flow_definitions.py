"""Flow definitions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.desk import flow_request, unique

from .calls import OTHER_ROLE, PREFIX, error_of, start

HOUR = timedelta(hours=1)
FULL = {
    "TaskAvailabilityLifetimeInSeconds": 864_000,
    "TaskTimeLimitInSeconds": 30,
    "TaskKeywords": ["boxes", "night batch"],
    "TaskCount": 3,
}


def test_a_flow_definition_is_active_and_comes_back_as_it_was_given(sagemaker, flow):
    given = flow_request(unique("flow"), flow.team, flow.ui, **FULL)
    given["OutputConfig"]["KmsKeyId"] = "alias/results"
    name = given["FlowDefinitionName"]
    arn = sagemaker.create_flow_definition(**given)["FlowDefinitionArn"]
    assert arn == f"{PREFIX}:flow-definition/{name}"
    found = sagemaker.describe_flow_definition(FlowDefinitionName=name)
    assert abs(found.pop("CreationTime") - datetime.now(UTC)) < HOUR
    del found["ResponseMetadata"]
    assert found == given | {"FlowDefinitionArn": arn, "FlowDefinitionStatus": "Active"}


def test_the_name_of_a_flow_definition_is_taken_once(sagemaker, flow):
    code, message, status = error_of(
        sagemaker.create_flow_definition, **flow_request(flow.name, flow.team, flow.ui)
    )
    assert (code, status, flow.name in message) == ("ResourceInUse", 400, True)


def test_a_deleted_name_is_free_and_its_loops_are_not_the_new_ones(sagemaker, flow):
    flow.start()
    sagemaker.delete_flow_definition(FlowDefinitionName=flow.name)
    assert error_of(sagemaker.describe_flow_definition, FlowDefinitionName=flow.name)[0] == "ResourceNotFound"
    sagemaker.create_flow_definition(**flow_request(flow.name, flow.team, flow.ui))
    assert flow.a2i.list_human_loops(FlowDefinitionArn=flow.arn)["HumanLoopSummaries"] == []


def test_a_flow_definition_being_deleted_takes_no_loops_and_no_second_deletion(sagemaker, flow):
    flow.start()
    assert flow.reviewer().next() is not None
    sagemaker.delete_flow_definition(FlowDefinitionName=flow.name)
    assert error_of(sagemaker.delete_flow_definition, FlowDefinitionName=flow.name)[0] == "ResourceInUse"
    code, message, _ = error_of(start, flow=flow, name=unique("loop"), content="{}")
    assert (code, "takes no new loops" in message) == ("ValidationException", True)


@pytest.mark.parametrize("operation", ["describe_flow_definition", "delete_flow_definition"])
def test_an_unknown_flow_definition_is_not_found(sagemaker, operation: str):
    code, message, status = error_of(getattr(sagemaker, operation), FlowDefinitionName="no-flow")
    assert (code, status) == ("ResourceNotFound", 400)
    assert f"{PREFIX}:flow-definition/no-flow" in message


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"RoleArn": OTHER_ROLE}, "Could not assume role"),
        ({"OutputConfig": {"S3OutputPath": "https://bucket/prefix"}}, "S3OutputPath"),
        ({"OutputConfig": {"S3OutputPath": "s3://Not_A_Bucket/prefix"}}, "S3OutputPath"),
        ({"OutputConfig": {}}, "'outputConfig.s3OutputPath' failed to satisfy constraint"),
        ({"HumanLoopConfig": {"HumanTaskUiArn": f"{PREFIX}:human-task-ui/no-ui"}}, "human task UI"),
        ({"HumanLoopConfig": {"WorkteamArn": f"{PREFIX}:workteam/private-crowd/no-team"}}, "work team"),
        ({"HumanLoopConfig": {"WorkteamArn": f"{PREFIX.replace('us-', 'eu-')}:workteam/x/y"}}, "work team"),
        ({"HumanLoopConfig": {"WorkteamArn": f"{PREFIX}:workteam/public-crowd/default"}}, "work team"),
        ({"HumanLoopConfig": {"TaskCount": 0}}, "'humanLoopConfig.taskCount'"),
        ({"HumanLoopConfig": {"TaskCount": 4}}, "'humanLoopConfig.taskCount'"),
        ({"HumanLoopConfig": {"TaskTimeLimitInSeconds": 29}}, "greater than or equal to 30"),
        ({"HumanLoopConfig": {"TaskTimeLimitInSeconds": 864_001}}, "TaskTimeLimitInSeconds is 864001"),
        ({"HumanLoopConfig": {"TaskAvailabilityLifetimeInSeconds": 0}}, "greater than or equal to 1"),
        ({"HumanLoopConfig": {"TaskAvailabilityLifetimeInSeconds": 10**12}}, "TaskAvailabilityLifetime"),
        ({"HumanLoopConfig": {"TaskDescription": "two\nlines"}}, "'humanLoopConfig.taskDescription'"),
        ({"HumanLoopConfig": {"TaskTitle": "x" * 129}}, "'humanLoopConfig.taskTitle'"),
        ({"HumanLoopConfig": {"TaskKeywords": []}}, "'humanLoopConfig.taskKeywords'"),
        ({"HumanLoopConfig": {"TaskKeywords": ["a"] * 6}}, "'humanLoopConfig.taskKeywords'"),
        ({"HumanLoopConfig": {"TaskKeywords": ["no_underscore"]}}, "taskKeywords.1.member"),
        ({"HumanLoopConfig": {"PublicWorkforceTaskPrice": {}}}, "private teams"),
        ({"FlowDefinitionName": "Upper-Case"}, "'flowDefinitionName'"),
        ({"FlowDefinitionName": None}, "'flowDefinitionName' failed to satisfy constraint: Member must not"),
        ({"HumanLoopRequestSource": {
            "AwsManagedHumanLoopRequestSource": "AWS/Textract/AnalyzeDocument/Forms/V1"}},
         "HumanLoopRequestSource"),
        ({"HumanLoopActivationConfig": {
            "HumanLoopActivationConditionsConfig": {"HumanLoopActivationConditions": "{}"}}},
         "HumanLoopActivationConfig"),
    ],
)  # fmt: skip
def test_a_wrong_flow_definition_is_refused_in_one_sentence(unchecked, sagemaker, flow, change, part):
    request = flow_request(unique("wrong"), flow.team, flow.ui)
    config = request["HumanLoopConfig"] | change.get("HumanLoopConfig", {})
    request = {key: value for key, value in (request | change).items() if value is not None}
    request["HumanLoopConfig"] = config
    code, message, status = error_of(unchecked("sagemaker").create_flow_definition, **request)
    assert (code, status) == ("ValidationException", 400)
    assert part in message
    if request.get("FlowDefinitionName", "").startswith("wrong"):
        name = request["FlowDefinitionName"]
        assert error_of(sagemaker.describe_flow_definition, FlowDefinitionName=name)[0] == "ResourceNotFound"


def test_flow_definitions_are_listed_newest_first_in_pages_and_turned(sagemaker, make_flow):
    names = [make_flow().name for _ in range(3)]
    since = sagemaker.describe_flow_definition(FlowDefinitionName=names[0])["CreationTime"]
    pages = sagemaker.get_paginator("list_flow_definitions").paginate(
        CreationTimeAfter=since, PaginationConfig={"PageSize": 2}
    )
    found = [flow for page in pages for flow in page["FlowDefinitionSummaries"]]
    assert [flow["FlowDefinitionName"] for flow in found] == names[::-1]
    assert {flow["FlowDefinitionStatus"] for flow in found} == {"Active"}
    turned = sagemaker.list_flow_definitions(CreationTimeAfter=since, SortOrder="Ascending")
    assert [flow["FlowDefinitionName"] for flow in turned["FlowDefinitionSummaries"]] == names


def test_a_made_up_page_token_is_refused(sagemaker):
    code, message, _ = error_of(sagemaker.list_flow_definitions, NextToken="bm9uc2Vuc2U=")
    assert (code, "NextToken" in message) == ("ValidationException", True)
