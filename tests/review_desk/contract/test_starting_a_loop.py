"""StartHumanLoop: what it takes, what it refuses, and whose name is whose."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.desk import input_content, unique
from tests.support.reviewer import box

from .calls import PREFIX, answered, error_of, failed, start, stopped


def listed(flow) -> list[str]:
    found = flow.a2i.list_human_loops(FlowDefinitionArn=flow.arn)
    return [summary["HumanLoopName"] for summary in found["HumanLoopSummaries"]]


def test_starting_a_loop_answers_its_arn(flow):
    name = unique("loop")
    assert start(flow, name, input_content())["HumanLoopArn"] == f"{PREFIX}:human-loop/{name}"


def test_the_same_name_and_input_is_the_same_loop_and_one_task(flow):
    name, person = unique("loop"), flow.reviewer()
    arns = {start(flow, name, input_content())["HumanLoopArn"] for _ in range(3)}
    assert (len(arns), listed(flow)) == (1, [name])
    person.answer(person.next())
    assert person.next() is None


@pytest.mark.parametrize("end", [answered, stopped, failed])
def test_the_same_name_and_input_is_the_same_loop_whatever_became_of_it(flow, end):
    name = end(flow)
    status = flow.status(name)
    start(flow, name, input_content(taskObject=" ") if end is failed else input_content())
    assert (flow.status(name), listed(flow)) == (status, [name])
    assert flow.reviewer().next() is None


def test_many_who_start_one_name_at_once_start_one_loop(flow):
    name, person = unique("loop"), flow.reviewer()
    with ThreadPoolExecutor(8) as pool:
        arns = set(pool.map(lambda _: start(flow, name, input_content())["HumanLoopArn"], range(24)))
    assert (len(arns), listed(flow)) == (1, [name])
    person.answer(person.next())
    assert person.next() is None


def test_of_many_inputs_under_one_name_at_once_one_wins(flow):
    name = unique("loop")

    def one(number: int) -> str:
        try:
            return start(flow, name, input_content(number=number))["HumanLoopArn"]
        except flow.a2i.exceptions.ConflictException:
            return "conflict"

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(16)))
    assert found.count("conflict") == 15
    assert listed(flow) == [name]


def test_the_same_name_with_other_input_is_a_conflict_in_the_words_of_aws(flow):
    name = flow.start()
    assert error_of(start, flow=flow, name=name, content=input_content(labels=["other"])) == (
        "ConflictException",
        "Your request has the same name as another active human loop but has different input data. "
        "You cannot start two human loops with the same name and different input data.",
        409,
    )


def test_a_conflict_is_an_exception_class_of_the_client(flow):
    name = flow.start()
    with pytest.raises(flow.a2i.exceptions.ConflictException):
        start(flow, name, input_content(labels=["other"]))


@pytest.mark.parametrize("end", [answered, stopped, failed])
def test_the_name_of_an_ended_loop_is_taken_until_it_is_deleted(flow, end):
    name = end(flow)
    assert error_of(start, flow=flow, name=name, content='{"other": 1}')[0] == "ConflictException"
    flow.a2i.delete_human_loop(HumanLoopName=name)
    start(flow, name, input_content(labels=["other"]))
    assert flow.status(name) == "InProgress"


def test_the_same_name_for_another_flow_definition_is_a_conflict(flow, make_flow):
    name = flow.start()
    assert error_of(start, flow=make_flow(), name=name, content=input_content())[0] == "ConflictException"


def test_the_same_name_with_other_data_attributes_is_a_conflict(flow):
    name, attributes = flow.start(), {"ContentClassifiers": ["FreeOfAdultContent"]}
    code, _, _ = error_of(start, flow=flow, name=name, content=input_content(), DataAttributes=attributes)
    assert code == "ConflictException"


def test_input_that_differs_in_a_space_is_other_input(flow):
    name = flow.start()
    assert error_of(start, flow=flow, name=name, content=input_content() + " ")[0] == "ConflictException"


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "{'a': 1}", "NaN", '{"a": Infinity}', '{"a": 1e999}', '"\\ud800"', "[" * 100_000),
        '{"a": "\\u0000"}',
    ],
)
def test_input_that_is_no_json_is_refused(flow, content: str):
    code, message, status = error_of(start, flow=flow, name=unique("loop"), content=content)
    assert (code, status) == ("ValidationException", 400)
    assert "InputContent is not valid JSON" in message


def test_input_may_be_any_json_that_the_template_can_show(make_flow):
    flow = make_flow(template="{{ task.input }}")
    for content in ('"text"', "[1, 2]", "1.5", "null", '{"emoji": "\N{MICROSCOPE} \\ud83d\\ude00"}'):
        name = unique("loop")
        start(flow, name, content)
        assert flow.status(name) == "InProgress"


@pytest.mark.parametrize("name", ["Upper", "a_b", "-a", "a-", "a" * 64, "a b", "ü"])
def test_names_that_a2i_refuses_are_refused(flow, name: str):
    code, message, _ = error_of(start, flow=flow, name=name, content="{}")
    assert code == "ValidationException"
    assert "at 'humanLoopName' failed to satisfy constraint" in message


def test_names_that_a2i_takes_are_taken(flow):
    tail = unique("x")
    for name in (tail, "0" + tail, f"a--{tail}", tail.ljust(63, "0")):
        assert start(flow, name, input_content())["HumanLoopArn"].endswith(name)


@pytest.mark.parametrize(
    ("removed", "member"),
    [
        ("HumanLoopName", "humanLoopName"),
        ("FlowDefinitionArn", "flowDefinitionArn"),
        ("HumanLoopInput", "humanLoopInput"),
    ],
)
def test_what_is_required_is_missed_in_the_words_of_aws(unchecked, flow, removed: str, member: str):
    params = {
        "HumanLoopName": unique("loop"),
        "FlowDefinitionArn": flow.arn,
        "HumanLoopInput": {"InputContent": "{}"},
    }
    del params[removed]
    assert error_of(unchecked("sagemaker-a2i-runtime").start_human_loop, **params) == (
        "ValidationException",
        f"1 validation error detected: Value null at '{member}' failed to satisfy constraint: "
        "Member must not be null",
        400,
    )


def test_all_faults_are_told_at_once(unchecked, flow):
    client = unchecked("sagemaker-a2i-runtime")
    _, message, _ = error_of(
        client.start_human_loop, HumanLoopName=1, FlowDefinitionArn=flow.arn, HumanLoopInput={}
    )
    assert message.startswith("2 validation errors detected: Value '1' at 'humanLoopName'")
    assert "Value null at 'humanLoopInput.inputContent'" in message


def test_content_classifiers_are_those_that_a2i_knows(unchecked, flow):
    both = ["FreeOfPersonallyIdentifiableInformation", "FreeOfAdultContent"]
    start(flow, unique("loop"), input_content(), DataAttributes={"ContentClassifiers": both})
    params = {
        "HumanLoopName": unique("loop"),
        "FlowDefinitionArn": flow.arn,
        "HumanLoopInput": {"InputContent": "{}"},
        "DataAttributes": {"ContentClassifiers": ["FreeOfCats"]},
    }
    code, message, _ = error_of(unchecked("sagemaker-a2i-runtime").start_human_loop, **params)
    assert code == "ValidationException"
    assert "Member must satisfy enum value set: [FreeOf" in message


def refused_flow_definition(flow, arn: str) -> None:
    code, message, status = error_of(
        flow.a2i.start_human_loop,
        HumanLoopName=unique("loop"),
        FlowDefinitionArn=arn,
        HumanLoopInput={"InputContent": input_content()},
    )
    assert (code, status) == ("ValidationException", 400)
    assert arn in message


def test_an_unknown_flow_definition_is_a_validation_error(flow):
    refused_flow_definition(flow, f"{PREFIX}:flow-definition/no-flow")


def test_a_flow_definition_of_another_account_is_unknown_also_when_one_was_deleted(sagemaker, make_flow):
    gone, flow = make_flow(), make_flow()
    sagemaker.delete_flow_definition(FlowDefinitionName=gone.name)
    elsewhere = flow.arn.replace("111122223333", "999999999999")
    refused_flow_definition(flow, elsewhere)
    refused_flow_definition(flow, gone.arn)
    found = error_of(flow.a2i.list_human_loops, FlowDefinitionArn=elsewhere)
    assert found[::2] == ("ResourceNotFoundException", 404)


@pytest.mark.parametrize("filler", ["x", "\N{CJK UNIFIED IDEOGRAPH-4E2D}"], ids=["ascii", "chinese"])
def test_input_of_three_mebibytes_is_taken_and_reaches_the_person(make_flow, filler: str):
    flow = make_flow(template="short")
    room = 3_145_728 - len('{"a": ""}')
    name, content = unique("loop"), '{"a": "' + filler * room + '"}'
    assert len(content) == 3_145_728
    start(flow, name, content)
    assert flow.reviewer().next()["input"] == {"a": filler * room}


def test_input_of_one_character_more_is_refused(flow):
    code, message, _ = error_of(start, flow=flow, name=unique("loop"), content='"' + "x" * 3_145_727 + '"')
    assert code == "ValidationException"
    assert message.endswith("Member must have length less than or equal to 3145728")


def test_a_template_that_does_not_render_makes_a_failed_loop(flow):
    found = flow.a2i.describe_human_loop(HumanLoopName=failed(flow))
    assert (found["HumanLoopStatus"], found["FailureCode"]) == ("Failed", "ValidationError")
    assert found["FailureReason"] == (
        "Task failed to render: [ InvalidParameters: "
        '\'"grant_read_access" input is not a valid S3 URI: " ".\' ]'
    )
    assert flow.reviewer().next() is None


def test_a_deleted_template_starts_no_new_loop_but_loops_under_way_go_on(sagemaker, flow):
    loop = flow.start()
    sagemaker.delete_human_task_ui(HumanTaskUiName=flow.ui)
    code, message, _ = error_of(start, flow=flow, name=unique("loop"), content=input_content())
    assert (code, f"{flow.ui} of {flow.arn} was deleted" in message) == ("ValidationException", True)
    person = flow.reviewer()
    assert person.answer(person.next(), [box()])[0] == 200
    assert flow.ended(loop)["HumanLoopStatus"] == "Completed"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"aws_secret_access_key": "wrong"}, "InvalidSignatureException"),
        ({"aws_access_key_id": "AKIANOBODY"}, "UnrecognizedClientException"),
        ({"region_name": "eu-west-1"}, "InvalidSignatureException"),
    ],
)
def test_a_stranger_is_refused_with_403(desk, flow, change: dict, code: str):
    stranger = desk.client("sagemaker-a2i-runtime", **change)
    assert error_of(stranger.list_human_loops, FlowDefinitionArn=flow.arn)[::2] == (code, 403)
