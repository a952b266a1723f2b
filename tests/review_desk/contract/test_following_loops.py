"""DescribeHumanLoop and ListHumanLoops."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.desk import BUCKET

from .calls import PREFIX, answered, error_of, failed, stopped

HOUR = timedelta(hours=1)


def names(flow, **filters) -> list[str]:
    found = flow.a2i.list_human_loops(FlowDefinitionArn=flow.arn, **filters)["HumanLoopSummaries"]
    return [summary["HumanLoopName"] for summary in found]


def test_a_loop_in_progress_names_its_output_already(flow):
    loop = flow.start()
    found = flow.a2i.describe_human_loop(HumanLoopName=loop)
    when = found["CreationTime"].astimezone(UTC)
    assert abs(when - datetime.now(UTC)) < HOUR
    uri = f"s3://{BUCKET}/reviews/a2i/{flow.name}/{when:%Y/%m/%d/%H/%M/%S}/{loop}/output.json"
    del found["ResponseMetadata"]
    assert found == {
        "CreationTime": found["CreationTime"],
        "HumanLoopStatus": "InProgress",
        "HumanLoopName": loop,
        "HumanLoopArn": f"{PREFIX}:human-loop/{loop}",
        "FlowDefinitionArn": flow.arn,
        "HumanLoopOutput": {"OutputS3Uri": uri},
    }


def test_a_failed_loop_has_a_code_and_a_reason_and_no_output(flow):
    found = flow.a2i.describe_human_loop(HumanLoopName=failed(flow))
    assert {"FailureCode", "FailureReason"} <= set(found)
    assert "HumanLoopOutput" not in found


@pytest.mark.parametrize("end", [answered, stopped])
def test_an_ended_loop_names_its_output_and_no_failure(flow, end):
    found = flow.a2i.describe_human_loop(HumanLoopName=end(flow))
    assert found["HumanLoopOutput"]["OutputS3Uri"].endswith("/output.json")
    assert not {"FailureCode", "FailureReason"} & set(found)


@pytest.mark.parametrize("operation", ["describe_human_loop", "stop_human_loop", "delete_human_loop"])
def test_an_unknown_loop_is_not_found(flow, operation: str):
    code, message, status = error_of(getattr(flow.a2i, operation), HumanLoopName="no-such-loop")
    assert (code, status) == ("ResourceNotFoundException", 404)
    assert "no-such-loop" in message


@pytest.mark.parametrize("operation", ["describe_human_loop", "stop_human_loop", "delete_human_loop"])
def test_a_name_that_no_loop_can_have_is_a_validation_error(flow, operation: str):
    assert error_of(getattr(flow.a2i, operation), HumanLoopName="No_Loop")[::2] == (
        "ValidationException",
        400,
    )


def test_loops_are_listed_newest_first_unless_asked_otherwise(flow):
    started = [flow.start() for _ in range(4)]
    assert names(flow) == names(flow, SortOrder="Descending") == started[::-1]
    assert names(flow, SortOrder="Ascending") == started


def test_only_loops_of_the_flow_definition_are_listed(flow, make_flow):
    loop = flow.start()
    make_flow().start()
    assert names(flow) == [loop]


def test_a_summary_says_what_became_of_a_loop_but_not_where_its_output_is(flow):
    bad, good = failed(flow), flow.start()
    summaries = {
        summary["HumanLoopName"]: summary
        for summary in flow.a2i.list_human_loops(FlowDefinitionArn=flow.arn)["HumanLoopSummaries"]
    }
    assert set(summaries[good]) == {"HumanLoopName", "HumanLoopStatus", "CreationTime", "FlowDefinitionArn"}
    described = flow.a2i.describe_human_loop(HumanLoopName=bad)
    assert summaries[bad]["FailureReason"] == described["FailureReason"]
    assert summaries[bad]["CreationTime"] == described["CreationTime"]


def test_the_paginator_walks_all_pages(flow):
    started = [flow.start() for _ in range(5)]
    pages = flow.a2i.get_paginator("list_human_loops").paginate(
        FlowDefinitionArn=flow.arn, PaginationConfig={"PageSize": 2}
    )
    found = [[summary["HumanLoopName"] for summary in page["HumanLoopSummaries"]] for page in pages]
    assert found == [started[4:2:-1], started[2:0:-1], started[:1]]


def test_a_page_holds_a_hundred_unless_asked_otherwise(flow):
    started = [flow.start() for _ in range(101)]
    first = flow.a2i.list_human_loops(FlowDefinitionArn=flow.arn, SortOrder="Ascending")
    assert len(first["HumanLoopSummaries"]) == 100
    assert names(flow, SortOrder="Ascending", NextToken=first["NextToken"]) == started[100:]


def test_the_last_page_has_no_token(flow):
    for _ in range(2):
        flow.start()
    assert "NextToken" not in flow.a2i.list_human_loops(FlowDefinitionArn=flow.arn, MaxResults=2)


@pytest.mark.parametrize("size", [0, 101, -1])
def test_a_page_size_beyond_the_model_is_refused(unchecked, flow, size: int):
    call = unchecked("sagemaker-a2i-runtime").list_human_loops
    code, message, _ = error_of(call, FlowDefinitionArn=flow.arn, MaxResults=size)
    assert (code, f"Value '{size}' at 'maxResults'" in message) == ("ValidationException", True)


def test_loops_started_between_two_pages_hide_and_repeat_none(flow):
    started = [flow.start() for _ in range(4)]
    first = flow.a2i.list_human_loops(FlowDefinitionArn=flow.arn, MaxResults=2)
    flow.start()
    flow.a2i.stop_human_loop(HumanLoopName=started[3])
    flow.a2i.delete_human_loop(HumanLoopName=started[3])
    assert names(flow, MaxResults=2, NextToken=first["NextToken"]) == started[1::-1]


def test_a_page_token_belongs_to_its_filters(flow):
    for _ in range(2):
        flow.start()
    call = flow.a2i.list_human_loops
    token = call(FlowDefinitionArn=flow.arn, MaxResults=1)["NextToken"]
    for change in (
        {"NextToken": token, "SortOrder": "Ascending"},
        {"NextToken": "x"},
        {"NextToken": token[:-4]},
    ):
        code, message, _ = error_of(call, FlowDefinitionArn=flow.arn, **change)
        assert (code, "NextToken" in message) == ("ValidationException", True)


def test_creation_time_filters_include_their_beginning_and_leave_out_their_end(flow):
    first, second = flow.start(), flow.start()
    when = flow.a2i.describe_human_loop(HumanLoopName=second)["CreationTime"]
    assert second in names(flow, CreationTimeAfter=when)
    assert second not in names(flow, CreationTimeBefore=when)
    assert names(flow, CreationTimeAfter=when - HOUR, CreationTimeBefore=when + HOUR) == [second, first]
    assert names(flow, CreationTimeAfter=when + HOUR) == names(flow, CreationTimeBefore=when - HOUR) == []


def test_an_unknown_flow_definition_is_not_found_when_listing(flow):
    code, message, status = error_of(flow.a2i.list_human_loops, FlowDefinitionArn=flow.arn + "-other")
    assert (code, status) == ("ResourceNotFoundException", 404)
    assert flow.arn + "-other" in message


def test_a_deleted_loop_is_not_listed(flow):
    loop = stopped(flow)
    flow.a2i.delete_human_loop(HumanLoopName=loop)
    assert names(flow) == []
