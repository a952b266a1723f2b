"""StopHumanLoop and DeleteHumanLoop in each state, and loops that end by themselves."""

from __future__ import annotations

import pytest

from tests.support.desk import BUCKET, input_content
from tests.support.reviewer import box, boxes_answer
from tests.support.servers import wait_for

from .calls import answered, end_time_limit, error_of, failed, output_exists, start, stopped


def stop(flow, loop: str) -> None:
    flow.a2i.stop_human_loop(HumanLoopName=loop)


def test_stopping_a_loop_that_nobody_has_begun_takes_effect_at_once(flow):
    loop = flow.start()
    stop(flow, loop)
    assert flow.status(loop) == "Stopped"
    assert flow.reviewer().next() is None


def test_stopping_a_loop_in_work_waits_for_the_person_and_writes_the_answer(flow):
    loop, person = flow.start(), flow.reviewer()
    task = person.next()
    stop(flow, loop)
    assert flow.status(loop) == "Stopping"
    assert flow.reviewer().next() is None
    assert person.answer(task, [box()])[0] == 200
    assert flow.ended(loop)["HumanLoopStatus"] == "Stopped"
    assert flow.output(loop)["humanAnswers"][0]["answerContent"] == boxes_answer([box()])


def test_a_loop_being_stopped_stops_when_the_person_declines(flow):
    loop, person = flow.start(), flow.reviewer()
    task = person.next()
    stop(flow, loop)
    assert person.decline(task)[1]["status"] == "Stopped"
    assert not output_exists(flow, loop)


def test_a_loop_being_stopped_stops_when_the_time_limit_passes(flow):
    loop, person = flow.start(), flow.reviewer()
    task = person.next()
    stop(flow, loop)
    end_time_limit(flow, task)
    assert flow.ended(loop)["HumanLoopStatus"] == "Stopped"
    assert person.answer(task)[0] == 409
    assert not output_exists(flow, loop)


def test_a_stopped_loop_with_part_of_its_answers_writes_no_output(make_flow):
    flow = make_flow(TaskCount=2)
    loop, person = flow.start(), flow.reviewer()
    assert person.answer(person.next())[0] == 200
    stop(flow, loop)
    assert flow.status(loop) == "Stopped"
    assert not output_exists(flow, loop)


def test_a_loop_stopped_while_the_second_person_works_writes_both_answers(make_flow):
    flow = make_flow(TaskCount=3)
    loop, people = flow.start(), [flow.reviewer(), flow.reviewer()]
    assert people[0].answer(people[0].next())[0] == 200
    task = people[1].next()
    stop(flow, loop)
    assert people[1].answer(task)[0] == 200
    assert flow.ended(loop)["HumanLoopStatus"] == "Stopped"
    assert len(flow.output(loop)["humanAnswers"]) == 2


def test_stopping_twice_is_as_stopping_once(flow):
    loop, person = flow.start(), flow.reviewer()
    task = person.next()
    for _ in range(2):
        stop(flow, loop)
    assert flow.status(loop) == "Stopping"
    person.decline(task)
    stop(flow, loop)
    assert flow.status(loop) == "Stopped"


@pytest.mark.parametrize(("end", "status"), [(answered, "Completed"), (failed, "Failed")])
def test_a_loop_that_has_ended_otherwise_cannot_be_stopped(flow, end, status: str):
    loop = end(flow)
    code, message, http_status = error_of(flow.a2i.stop_human_loop, HumanLoopName=loop)
    assert (code, http_status, status in message) == ("ValidationException", 400, True)
    assert flow.status(loop) == status


@pytest.mark.parametrize("end", [answered, stopped, failed])
def test_a_loop_that_has_ended_can_be_deleted_once(flow, end):
    loop = end(flow)
    flow.a2i.delete_human_loop(HumanLoopName=loop)
    for operation in ("describe_human_loop", "delete_human_loop", "stop_human_loop"):
        found = error_of(getattr(flow.a2i, operation), HumanLoopName=loop)
        assert found[::2] == ("ResourceNotFoundException", 404)


def test_a_loop_under_way_cannot_be_deleted(flow):
    loop = flow.start()
    code, message, _ = error_of(flow.a2i.delete_human_loop, HumanLoopName=loop)
    assert (code, "InProgress" in message) == ("ValidationException", True)
    assert flow.status(loop) == "InProgress"


def test_a_loop_being_stopped_cannot_be_deleted(flow):
    loop, person = flow.start(), flow.reviewer()
    assert person.next()["loop"] == loop
    stop(flow, loop)
    code, message, _ = error_of(flow.a2i.delete_human_loop, HumanLoopName=loop)
    assert (code, "Stopping" in message) == ("ValidationException", True)


def test_deleting_a_loop_leaves_its_output(flow):
    loop = answered(flow)
    uri = flow.a2i.describe_human_loop(HumanLoopName=loop)["HumanLoopOutput"]["OutputS3Uri"]
    flow.a2i.delete_human_loop(HumanLoopName=loop)
    key = uri.removeprefix(f"s3://{BUCKET}/")
    assert flow.site.client("s3").head_object(Bucket=BUCKET, Key=key)["ContentLength"] > 0


def test_a_deleted_name_begins_anew(flow):
    loop = stopped(flow)
    before = flow.a2i.describe_human_loop(HumanLoopName=loop)["CreationTime"]
    flow.a2i.delete_human_loop(HumanLoopName=loop)
    start(flow, loop, input_content(labels=["other"]))
    found = flow.a2i.describe_human_loop(HumanLoopName=loop)
    assert (found["HumanLoopStatus"], found["CreationTime"] > before) == ("InProgress", True)
    assert flow.reviewer().next()["input"]["labels"] == ["other"]


def test_loops_that_nobody_takes_expire_and_part_of_the_answers_is_not_written(make_flow):
    idle, half = make_flow(TaskAvailabilityLifetimeInSeconds=1), make_flow(
        TaskAvailabilityLifetimeInSeconds=2, TaskCount=2
    )  # fmt: skip
    untouched, person = idle.start(), half.reviewer()
    loop = half.start()
    assert person.answer(person.next())[0] == 200
    found = idle.ended(untouched)
    assert (found["HumanLoopStatus"], found["FailureCode"]) == ("Failed", "Expired")
    assert found["FailureReason"] == "The task expired: 0 of 1 answers were submitted within 1 seconds."
    found = half.ended(loop)
    assert (found["HumanLoopStatus"], found["FailureCode"]) == ("Failed", "Expired")
    assert found["FailureReason"] == "The task expired: 1 of 2 answers were submitted within 2 seconds."
    assert half.reviewer().next() is None
    assert not output_exists(half, loop)


def test_who_works_on_a_loop_when_it_expires_may_finish(make_flow):
    flow = make_flow(TaskAvailabilityLifetimeInSeconds=2)
    # The person is there first: making an account takes a good part of those two seconds.
    person = flow.reviewer()
    loop, other = flow.start(), flow.start()
    task = person.next()
    assert flow.ended(other)["FailureCode"] == "Expired"
    assert (task["loop"], flow.status(loop)) == (loop, "InProgress")
    assert person.answer(task)[0] == 200
    assert flow.ended(loop)["HumanLoopStatus"] == "Completed"


def test_a_flow_definition_deleted_under_work_stops_what_nobody_began_and_waits_for_the_rest(sagemaker, flow):
    worked_on, untouched = flow.start(), flow.start()
    person = flow.reviewer()
    task = person.next()
    assert task["loop"] == worked_on
    sagemaker.delete_flow_definition(FlowDefinitionName=flow.name)
    found = sagemaker.describe_flow_definition(FlowDefinitionName=flow.name)
    assert found["FlowDefinitionStatus"] == "Deleting"
    assert error_of(flow.a2i.describe_human_loop, HumanLoopName=untouched)[0] == "ResourceNotFoundException"
    assert flow.status(worked_on) == "Stopping"
    assert person.answer(task, [box()])[0] == 200
    assert flow.ended(worked_on)["HumanLoopStatus"] == "Stopped"
    assert len(flow.output(worked_on)["humanAnswers"]) == 1
    gone = {"FlowDefinitionName": flow.name}
    wait_for(lambda: gone["FlowDefinitionName"] not in flow_names(sagemaker))
    assert error_of(sagemaker.describe_flow_definition, **gone)[0] == "ResourceNotFound"


def flow_names(sagemaker) -> list[str]:
    found = sagemaker.list_flow_definitions(MaxResults=20)["FlowDefinitionSummaries"]
    return [flow["FlowDefinitionName"] for flow in found]
