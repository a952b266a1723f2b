"""Tags, and what the desk says of operations that it does not have."""

from __future__ import annotations

import json

import pytest

from tests.support.desk import BUCKET, flow_request, unique

from .calls import PREFIX, error_of

TAG = {"Key": "managed-by", "Value": "airflow"}


@pytest.fixture(params=["flow-definition", "human-task-ui", "workteam/private-crowd"])
def arn(request: pytest.FixtureRequest, flow) -> str:
    name = {"flow-definition": flow.name, "human-task-ui": flow.ui}.get(request.param, flow.team)
    return f"{PREFIX}:{request.param}/{name}"


def test_tags_are_added_changed_listed_and_removed(sagemaker, arn: str):
    added = sagemaker.add_tags(ResourceArn=arn, Tags=[TAG, {"Key": "b", "Value": ""}])["Tags"]
    assert added == [{"Key": "b", "Value": ""}, TAG]
    assert sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])["Tags"][1] == TAG
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["managed-by", "unknown"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]


def test_the_paginator_of_tags_finds_all_fifty(sagemaker, flow):
    many = [{"Key": f"key {number:02}", "Value": "\N{GREEK SMALL LETTER ALPHA}"} for number in range(50)]
    sagemaker.add_tags(ResourceArn=flow.arn, Tags=many)
    pages = sagemaker.get_paginator("list_tags").paginate(ResourceArn=flow.arn)
    assert [tag for page in pages for tag in page["Tags"]] == many


def test_the_fifty_first_tag_is_refused(sagemaker, flow):
    sagemaker.add_tags(ResourceArn=flow.arn, Tags=[TAG])
    many = [{"Key": str(number), "Value": ""} for number in range(50)]
    assert error_of(sagemaker.add_tags, ResourceArn=flow.arn, Tags=many)[0] == "ValidationException"
    assert sagemaker.list_tags(ResourceArn=flow.arn)["Tags"] == [TAG]


def test_a_key_given_twice_is_refused(sagemaker, flow):
    twice = [TAG, TAG | {"Value": "other"}]
    assert error_of(sagemaker.add_tags, ResourceArn=flow.arn, Tags=twice)[0] == "ValidationException"


@pytest.mark.parametrize(
    "tag", [{"Key": "a*", "Value": ""}, {"Key": "", "Value": ""}, {"Key": "a", "Value": "x" * 257}]
)
def test_tags_beyond_the_model_are_refused(unchecked, flow, tag: dict):
    call = unchecked("sagemaker").add_tags
    assert error_of(call, ResourceArn=flow.arn, Tags=[tag])[0] == "ValidationException"


@pytest.mark.parametrize("resource", ["flow-definition/none", "human-loop/x", "training-job/x"])
def test_what_does_not_exist_or_carries_no_tags_is_not_found(sagemaker, resource: str):
    arn = f"{PREFIX}:{resource}"
    assert error_of(sagemaker.list_tags, ResourceArn=arn)[0] == "ResourceNotFound"
    assert error_of(sagemaker.add_tags, ResourceArn=arn, Tags=[TAG])[0] == "ResourceNotFound"
    assert error_of(sagemaker.delete_tags, ResourceArn=arn, TagKeys=["a"])[0] == "ResourceNotFound"


def test_tags_given_at_creation_go_with_the_resource(sagemaker, flow):
    name = unique("tagged")
    request = flow_request(name, flow.team, flow.ui)
    arn = sagemaker.create_flow_definition(**request, Tags=[TAG])["FlowDefinitionArn"]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [TAG]
    sagemaker.delete_flow_definition(FlowDefinitionName=name)
    sagemaker.create_flow_definition(**request)
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []


def test_an_operation_that_the_desk_does_not_have_is_a_501_that_names_it(sagemaker):
    code, message, status = error_of(sagemaker.list_training_jobs)
    assert (code, status) == ("NotImplementedException", 501)
    assert "ListTrainingJobs" in message


def test_operations_are_counted_where_machines_can_read_it(desk, sagemaker):
    before = json.loads(desk.get("/_status")[1])["operations"].get("ListWorkteams", 0)
    sagemaker.list_workteams()
    text = desk.get("/_status")[1]
    assert json.loads(text)["operations"]["ListWorkteams"] == before + 1
    assert "sagemaker-a2i-runtime.StartHumanLoop" in json.loads(text)["implemented"]
    assert BUCKET not in text
