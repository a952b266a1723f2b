"""The five operations of the A2I runtime, through boto3, and output.json as A2I writes it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from .conftest import BUCKET, box, boxes_answer, input_content, unique


def start(flow, name: str, content: str, **more):
    return flow.a2i.start_human_loop(
        HumanLoopName=name, FlowDefinitionArn=flow.arn, HumanLoopInput={"InputContent": content}, **more
    )


def error_of(call, *arguments, **params) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as caught:
        call(*arguments, **params)
    response = caught.value.response
    return (
        response["Error"]["Code"],
        response["Error"]["Message"],
        response["ResponseMetadata"]["HTTPStatusCode"],
    )


def test_a_loop_in_progress_names_its_output_already(flow):
    loop = flow.start()
    found = flow.a2i.describe_human_loop(HumanLoopName=loop)
    assert found["HumanLoopStatus"] == "InProgress"
    assert found["HumanLoopArn"] == f"arn:aws:sagemaker:us-east-1:111122223333:human-loop/{loop}"
    assert found["FlowDefinitionArn"] == flow.arn
    assert abs(found["CreationTime"] - datetime.now(UTC)) < timedelta(minutes=1)
    when = found["CreationTime"].astimezone(UTC).strftime("%Y/%m/%d/%H/%M/%S")
    uri = f"s3://{BUCKET}/reviews/a2i/{flow.name}/{when}/{loop}/output.json"
    assert found["HumanLoopOutput"] == {"OutputS3Uri": uri}


def test_an_answered_loop_completes_with_the_output_that_a2i_writes(flow):
    loop = flow.start(imageEtag="abc", initialValue=[box()])
    person = flow.reviewer()
    task = person.next()
    assert task["input"] == json.loads(input_content(imageEtag="abc", initialValue=[box()]))
    assert task["title"] == "Check the boxes"
    assert person.answer(task, [box("WBC")]) == (200, {"loop": loop, "status": "InProgress"})
    assert flow.ended(loop)["HumanLoopStatus"] == "Completed"
    output = flow.output(loop)
    [answer] = output.pop("humanAnswers")
    assert output == {"flowDefinitionArn": flow.arn, "humanLoopName": loop, "inputContent": task["input"]}
    assert answer["answerContent"] == boxes_answer([box("WBC")])
    for moment in (answer["acceptanceTime"], answer["submissionTime"]):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", moment)
    assert answer["timeSpentInSeconds"] >= 0
    assert re.fullmatch(r"[0-9a-f]{16}", answer["workerId"])
    assert set(answer["workerMetadata"]["identityData"]) == {"identityProviderType", "issuer", "sub"}
    assert person.name not in json.dumps(answer)


def test_the_same_name_and_input_is_the_same_loop_whatever_became_of_it(flow):
    name, person = unique("loop"), flow.reviewer()
    arns = {start(flow, name, input_content())["HumanLoopArn"] for _ in range(3)}
    person.answer(person.next(), [])
    flow.ended(name)
    arns.add(start(flow, name, input_content())["HumanLoopArn"])
    assert len(arns) == 1
    assert person.next() is None
    assert flow.status(name) == "Completed"


def test_the_same_name_with_other_input_is_a_conflict(flow, make_flow):
    name = flow.start()
    code, message, status = error_of(start, flow, name, input_content(labels=["other"]))
    assert (code, status) == ("ConflictException", 409)
    assert message.startswith("Your request has the same name as another active human loop")
    assert error_of(start, make_flow(), name, input_content())[0] == "ConflictException"
    with pytest.raises(flow.a2i.exceptions.ConflictException):
        start(flow, name, input_content(), DataAttributes={"ContentClassifiers": ["FreeOfAdultContent"]})


@pytest.mark.parametrize(
    "content",
    ["", "{", "{'a': 1}", "NaN", '{"a": Infinity}', '{"a": 1e999}', '"\\ud800"', "[" * 100_000, "1" * 5000],
)
def test_input_that_is_no_json_is_refused(flow, content: str):
    code, message, status = error_of(start, flow, unique("loop"), content)
    assert (code, status) == ("ValidationException", 400)
    assert "InputContent is not valid JSON" in message


@pytest.mark.parametrize("name", ["Upper", "a_b", "-a", "a" * 64, "a b", "ü"])
def test_names_that_a2i_refuses_are_refused(flow, name: str):
    assert error_of(start, flow, name, "{}")[0] == "ValidationException"


def test_an_unknown_flow_definition_is_a_validation_error(flow):
    arn = flow.arn + "-other"
    code, message, _ = error_of(
        flow.a2i.start_human_loop,
        HumanLoopName=unique("loop"),
        FlowDefinitionArn=arn,
        HumanLoopInput={"InputContent": "{}"},
    )
    assert code == "ValidationException"
    assert arn in message


def test_a_template_that_does_not_render_fails_the_loop_not_the_call(flow):
    loop = flow.start(taskObject="not an S3 URI")
    found = flow.a2i.describe_human_loop(HumanLoopName=loop)
    assert (found["HumanLoopStatus"], found["FailureCode"]) == ("Failed", "ValidationError")
    reason = '"grant_read_access" input is not a valid S3 URI: "not an S3 URI".'
    assert found["FailureReason"] == f"Task failed to render: [ InvalidParameters: '{reason}' ]"
    assert "HumanLoopOutput" not in found
    assert flow.reviewer().next() is None
    [summary] = flow.a2i.list_human_loops(FlowDefinitionArn=flow.arn)["HumanLoopSummaries"]
    assert summary["FailureReason"] == found["FailureReason"]


def test_a_loop_that_nobody_takes_expires(make_flow):
    flow = make_flow(TaskAvailabilityLifetimeInSeconds=1)
    found = flow.ended(flow.start())
    assert (found["HumanLoopStatus"], found["FailureCode"]) == ("Failed", "Expired")
    assert found["FailureReason"] == "The task expired: 0 of 1 answers were submitted within 1 seconds."
    assert flow.reviewer().next() is None


def test_loops_are_listed_newest_first_filtered_and_in_pages(flow, make_flow):
    names = [flow.start() for _ in range(5)]
    make_flow().start()
    pages = flow.a2i.get_paginator("list_human_loops").paginate(
        FlowDefinitionArn=flow.arn, PaginationConfig={"PageSize": 2}
    )
    sizes, seen = [], []
    for page in pages:
        sizes.append(len(page["HumanLoopSummaries"]))
        seen += [summary["HumanLoopName"] for summary in page["HumanLoopSummaries"]]
    assert (sizes, seen) == ([2, 2, 1], names[::-1])
    ascending = flow.a2i.list_human_loops(FlowDefinitionArn=flow.arn, SortOrder="Ascending")
    assert [summary["HumanLoopName"] for summary in ascending["HumanLoopSummaries"]] == names
    hour = timedelta(hours=1)
    for filters, count in (
        ({"CreationTimeAfter": datetime.now(UTC) - hour}, 5),
        ({"CreationTimeAfter": datetime.now(UTC) + hour}, 0),
        ({"CreationTimeBefore": datetime.now(UTC) - hour}, 0),
    ):
        assert (
            len(flow.a2i.list_human_loops(FlowDefinitionArn=flow.arn, **filters)["HumanLoopSummaries"])
            == count
        )


def test_a_page_token_belongs_to_its_filters(flow):
    for _ in range(2):
        flow.start()
    token = flow.a2i.list_human_loops(FlowDefinitionArn=flow.arn, MaxResults=1)["NextToken"]
    call = flow.a2i.list_human_loops
    assert (
        error_of(call, FlowDefinitionArn=flow.arn, NextToken=token, SortOrder="Ascending")[0]
        == "ValidationException"
    )
    assert error_of(call, FlowDefinitionArn=flow.arn, NextToken="x")[0] == "ValidationException"
    missing = flow.arn + "-other"
    assert error_of(call, FlowDefinitionArn=missing)[::2] == ("ResourceNotFoundException", 404)


def test_stopping_an_untouched_loop_takes_effect_at_once(flow):
    loop = flow.start()
    flow.a2i.stop_human_loop(HumanLoopName=loop)
    assert flow.status(loop) == "Stopped"
    flow.a2i.stop_human_loop(HumanLoopName=loop)
    assert flow.reviewer().next() is None


def test_stopping_a_loop_in_work_waits_for_the_person_and_keeps_the_answer(flow):
    loop, person = flow.start(), flow.reviewer()
    task = person.next()
    flow.a2i.stop_human_loop(HumanLoopName=loop)
    assert flow.status(loop) == "Stopping"
    assert flow.reviewer().next() is None
    assert person.answer(task, [box()])[0] == 200
    assert flow.ended(loop)["HumanLoopStatus"] == "Stopped"
    assert flow.output(loop)["humanAnswers"][0]["answerContent"] == boxes_answer([box()])


def test_stopping_a_loop_whose_worker_gives_up_stops_it(flow):
    loop, person = flow.start(), flow.reviewer()
    task = person.next()
    flow.a2i.stop_human_loop(HumanLoopName=loop)
    assert person.decline(task)[1] == {"loop": loop, "status": "Stopped"}


def test_an_ended_loop_cannot_be_stopped(flow):
    loop, person = flow.start(), flow.reviewer()
    person.answer(person.next(), [])
    flow.ended(loop)
    assert error_of(flow.a2i.stop_human_loop, HumanLoopName=loop)[0] == "ValidationException"


def test_only_ended_loops_can_be_deleted_and_their_output_stays(flow):
    loop, person = flow.start(), flow.reviewer()
    code, message, _ = error_of(flow.a2i.delete_human_loop, HumanLoopName=loop)
    assert code == "ValidationException"
    assert "InProgress" in message
    person.answer(person.next(), [])
    uri = flow.ended(loop)["HumanLoopOutput"]["OutputS3Uri"]
    flow.a2i.delete_human_loop(HumanLoopName=loop)
    assert error_of(flow.a2i.describe_human_loop, HumanLoopName=loop)[::2] == (
        "ResourceNotFoundException",
        404,
    )
    assert flow.a2i.list_human_loops(FlowDefinitionArn=flow.arn)["HumanLoopSummaries"] == []
    s3 = flow.site.client("s3")
    assert s3.head_object(Bucket=BUCKET, Key=uri.removeprefix(f"s3://{BUCKET}/"))["ContentLength"] > 0


def test_a_deleted_loops_name_is_free_again(flow):
    loop = flow.start()
    flow.a2i.stop_human_loop(HumanLoopName=loop)
    flow.a2i.delete_human_loop(HumanLoopName=loop)
    start(flow, loop, input_content(labels=["other"]))
    assert flow.status(loop) == "InProgress"


@pytest.mark.parametrize("operation", ["describe_human_loop", "stop_human_loop", "delete_human_loop"])
def test_an_unknown_loop_is_not_found(flow, operation: str):
    code, message, status = error_of(getattr(flow.a2i, operation), HumanLoopName="no-such-loop")
    assert (code, status) == ("ResourceNotFoundException", 404)
    assert "no-such-loop" in message


def test_three_mebibytes_of_input_are_taken(flow):
    filler = "x" * (3_145_728 - len(input_content(filler="")))
    loop = flow.start(filler=filler)
    task = flow.reviewer().next()
    assert task["loop"] == loop
    assert task["input"]["filler"] == filler
    too_much = input_content(filler=filler + "x")
    assert error_of(start, flow, unique("loop"), too_much)[0] == "ValidationException"
