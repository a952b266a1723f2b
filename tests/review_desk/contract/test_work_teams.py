"""Work teams, the one private workforce, and vendors' teams, of which there are none."""

from __future__ import annotations

import pytest

from tests.support.desk import unique

from .calls import PREFIX, error_of

OIDC = [{"OidcMemberDefinition": {"Groups": ["night", "day"]}}]
OIDC_CONFIG = {
    member: "https://login.example.com/"
    for member in (
        *("Issuer", "AuthorizationEndpoint", "TokenEndpoint"),
        *("UserInfoEndpoint", "LogoutEndpoint", "JwksUri"),
    )
} | {"ClientId": "desk", "ClientSecret": "not a secret"}  # fmt: skip


def cognito(group: str, pool: str = "us-east-1_A") -> dict:
    return {"CognitoMemberDefinition": {"UserPool": pool, "UserGroup": group, "ClientId": "c"}}


def create(sagemaker, name: str | None = None, **members) -> str:
    name = name or unique("team")
    request = {"Description": "Reviewers", "MemberDefinitions": OIDC} | members
    sagemaker.create_workteam(WorkteamName=name, **request)
    return name


def test_a_work_team_comes_back_as_it_was_given(desk, sagemaker):
    given = {
        "Description": "Night",
        "MemberDefinitions": [cognito("a"), cognito("b")],
        "NotificationConfiguration": {"NotificationTopicArn": "arn:aws:sns:us-east-1:111122223333:topic"},
        "WorkerAccessConfiguration": {"S3Presign": {"IamPolicyConstraints": {"SourceIp": "Disabled"}}},
    }
    name = create(sagemaker, WorkforceName="default", **given)
    team = sagemaker.describe_workteam(WorkteamName=name)["Workteam"]
    assert {key: team[key] for key in given} == given
    assert team["WorkteamArn"] == f"{PREFIX}:workteam/private-crowd/{name}"
    assert team["WorkforceArn"] == f"{PREFIX}:workforce/private-crowd/default"
    assert team["CreateDate"] == team["LastUpdatedDate"]


def test_sub_domain_is_where_people_review(desk, sagemaker):
    team = sagemaker.describe_workteam(WorkteamName=create(sagemaker))["Workteam"]
    assert team["SubDomain"] == f"127.0.0.1:{desk.port}"


def test_the_name_of_a_work_team_is_taken_once_and_free_after_deletion(sagemaker):
    name = create(sagemaker)
    again = {"WorkteamName": name, "Description": "x", "MemberDefinitions": OIDC}
    assert error_of(sagemaker.create_workteam, **again)[::2] == ("ResourceInUse", 400)
    assert sagemaker.delete_workteam(WorkteamName=name)["Success"] is True
    create(sagemaker, name)


@pytest.mark.parametrize("operation", ["describe_workteam", "delete_workteam", "update_workteam"])
def test_an_unknown_work_team_is_not_found(sagemaker, operation: str):
    code, message, _ = error_of(getattr(sagemaker, operation), WorkteamName="no-team")
    assert (code, "workteam/private-crowd/no-team" in message) == ("ResourceNotFound", True)


def test_updating_a_work_team_replaces_what_is_given(sagemaker):
    name = create(sagemaker)
    before = sagemaker.describe_workteam(WorkteamName=name)["Workteam"]
    after = sagemaker.update_workteam(WorkteamName=name, Description="Day")["Workteam"]
    assert after == before | {"Description": "Day", "LastUpdatedDate": after["LastUpdatedDate"]}
    after = sagemaker.update_workteam(WorkteamName=name, MemberDefinitions=[cognito("a")])["Workteam"]
    assert (after["MemberDefinitions"], after["Description"]) == ([cognito("a")], "Day")


@pytest.mark.parametrize(
    "members",
    [
        [cognito("a"), *OIDC],
        [cognito("a") | OIDC[0]],
        [cognito("a"), cognito("b", "us-east-1_B")],
        [{}],
        [],
        [cognito(str(number)) for number in range(11)],
    ],
)
def test_contradicting_member_definitions_are_refused(unchecked, sagemaker, members: list):
    name = unique("team")
    request = {"WorkteamName": name, "Description": "x", "MemberDefinitions": members}
    assert error_of(unchecked("sagemaker").create_workteam, **request)[0] == "ValidationException"
    assert error_of(sagemaker.describe_workteam, WorkteamName=name)[0] == "ResourceNotFound"


def test_a_work_team_that_a_flow_definition_uses_stays(sagemaker, flow):
    code, message, _ = error_of(sagemaker.delete_workteam, WorkteamName=flow.team)
    assert (code, flow.name in message) == ("ValidationException", True)
    sagemaker.delete_flow_definition(FlowDefinitionName=flow.name)
    assert sagemaker.delete_workteam(WorkteamName=flow.team)["Success"] is True


def test_work_teams_are_listed_oldest_first_by_part_of_their_name(sagemaker):
    part = unique("Part")
    names = [create(sagemaker, f"{letter}-{part}-x") for letter in "bac"]
    find = sagemaker.get_paginator("list_workteams").paginate

    def listed(**order) -> list[str]:
        pages = find(NameContains=part, PaginationConfig={"PageSize": 2}, **order)
        return [team["WorkteamName"] for page in pages for team in page["Workteams"]]

    assert listed() == names
    assert listed(SortOrder="Descending") == names[::-1]
    assert listed(SortBy="Name") == sorted(names)
    assert listed(SortBy="Name", SortOrder="Descending") == sorted(names, reverse=True)


def test_names_are_sorted_by_their_bytes(sagemaker):
    part = unique("sorted")
    names = [create(sagemaker, f"{start}-{part}") for start in ("a", "B", "0", "C", "b")]
    found = sagemaker.list_workteams(NameContains=part, SortBy="Name")["Workteams"]
    assert [team["WorkteamName"] for team in found] == sorted(names)


def test_a_work_team_of_another_workforce_is_refused(sagemaker):
    request = {"WorkteamName": unique("team"), "Description": "x", "MemberDefinitions": OIDC}
    code, message, _ = error_of(sagemaker.create_workteam, **request, WorkforceName="other")
    assert (code, "workforce other" in message) == ("ValidationException", True)


def test_there_is_one_private_workforce_from_the_start(desk, sagemaker):
    [workforce] = sagemaker.list_workforces()["Workforces"]
    assert (workforce["WorkforceName"], workforce["Status"]) == ("default", "Active")
    assert workforce["WorkforceArn"] == f"{PREFIX}:workforce/private-crowd/default"
    assert workforce["SubDomain"] == f"127.0.0.1:{desk.port}"
    found = sagemaker.describe_workforce(WorkforceName="default")["Workforce"]
    assert found["WorkforceArn"] == workforce["WorkforceArn"]
    assert sagemaker.list_workforces(NameContains="other")["Workforces"] == []


def test_a_second_workforce_cannot_be_created(sagemaker):
    assert error_of(sagemaker.create_workforce, WorkforceName="default")[0] == "ResourceInUse"
    code, message, _ = error_of(sagemaker.create_workforce, WorkforceName="other")
    assert (code, "default" in message) == ("ResourceLimitExceeded", True)
    assert len(sagemaker.list_workforces()["Workforces"]) == 1


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"SourceIpConfig": {"Cidrs": ["10.0.0.0/8"]}}, "SourceIpConfig is not applied"),
        ({"OidcConfig": OIDC_CONFIG}, "OidcConfig is not applied"),
        ({"WorkforceVpcConfig": {"VpcId": "vpc-1"}}, "WorkforceVpcConfig is not applied"),
        ({"IpAddressType": "dualstack"}, "IpAddressType is not applied"),
    ],
)
def test_a_change_of_the_workforce_that_would_not_act_is_refused(sagemaker, change: dict, part: str):
    code, message, _ = error_of(sagemaker.update_workforce, WorkforceName="default", **change)
    assert (code, part in message) == ("ValidationException", True)
    assert not set(change) & set(sagemaker.describe_workforce(WorkforceName="default")["Workforce"])


def test_updating_nothing_of_the_workforce_answers_it(sagemaker):
    assert sagemaker.update_workforce(WorkforceName="default")["Workforce"]["Status"] == "Active"


def test_the_workforce_with_its_teams_cannot_be_deleted(sagemaker):
    create(sagemaker)
    code, message, _ = error_of(sagemaker.delete_workforce, WorkforceName="default")
    assert (code, "work teams" in message) == ("ResourceInUse", True)


@pytest.mark.parametrize("operation", ["describe_workforce", "update_workforce", "delete_workforce"])
def test_an_unknown_workforce_is_not_found(sagemaker, operation: str):
    assert error_of(getattr(sagemaker, operation), WorkforceName="other")[0] == "ResourceNotFound"


def test_there_are_no_subscribed_work_teams(sagemaker):
    assert sagemaker.list_subscribed_workteams()["SubscribedWorkteams"] == []
    arn = f"{PREFIX}:workteam/private-crowd/{create(sagemaker)}"
    assert error_of(sagemaker.describe_subscribed_workteam, WorkteamArn=arn)[0] == "ResourceNotFound"
