"""What people do at the worker API, and output.json as A2I documents it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest

from tests.support.desk import BUCKET, input_content
from tests.support.reviewer import box, boxes_answer

from .calls import end_time_limit, output_exists

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def output_object(flow, loop: str):
    uri = flow.a2i.describe_human_loop(HumanLoopName=loop)["HumanLoopOutput"]["OutputS3Uri"]
    return flow.site.client("s3").get_object(Bucket=BUCKET, Key=uri.removeprefix(f"s3://{BUCKET}/"))


def complete(flow, loop: str, answer: dict) -> dict:
    """One person gives ``answer`` as it is; returns output.json."""
    person = flow.reviewer()
    task = person.next()
    assert task["loop"] == loop
    status, body = person.call(f"/worker/tasks/{task['task']}/answer", {"answerContent": answer})
    assert status == 200, body
    assert flow.ended(loop)["HumanLoopStatus"] == "Completed"
    return flow.output(loop)


def test_a_person_is_given_the_input_the_title_and_the_page(flow):
    loop = flow.start(initialValue=[box()])
    task = flow.reviewer().next()
    assert task["input"] == json.loads(input_content(initialValue=[box()]))
    assert (task["loop"], task["flow"], task["title"]) == (loop, flow.name, "Check the boxes")
    assert task["description"] == "Correct, add or remove boxes."
    assert "<crowd-bounding-box" in task["html"]


def test_an_answered_loop_completes_with_the_documented_output(flow):
    loop = flow.start(imageEtag="abc", initialValue=[box()])
    output = complete(flow, loop, boxes_answer([box("WBC")]))
    [answer] = output.pop("humanAnswers")
    assert output == {
        "flowDefinitionArn": flow.arn,
        "humanLoopName": loop,
        "inputContent": json.loads(input_content(imageEtag="abc", initialValue=[box()])),
    }
    assert set(answer) == {
        "acceptanceTime",
        "answerContent",
        "submissionTime",
        "timeSpentInSeconds",
        "workerId",
        "workerMetadata",
    }
    assert answer["answerContent"] == boxes_answer([box("WBC")])


def test_times_in_the_output_are_utc_to_the_millisecond(flow):
    output = complete(flow, flow.start(), boxes_answer([]))
    [answer] = output["humanAnswers"]
    accepted, submitted = answer["acceptanceTime"], answer["submissionTime"]
    assert MOMENT.fullmatch(accepted)
    assert MOMENT.fullmatch(submitted)
    spent = datetime.fromisoformat(submitted) - datetime.fromisoformat(accepted)
    assert answer["timeSpentInSeconds"] == pytest.approx(spent.total_seconds())
    assert isinstance(answer["timeSpentInSeconds"], float)


def test_the_output_names_the_worker_only_by_ids(flow):
    loop, person = flow.start(), flow.reviewer("Full Name " + flow.name[-6:])
    person.answer(person.next())
    flow.ended(loop)
    [answer] = flow.output(loop)["humanAnswers"]
    assert re.fullmatch(r"[0-9a-f]{16}", answer["workerId"])
    identity = answer["workerMetadata"]["identityData"]
    assert set(identity) == {"identityProviderType", "issuer", "sub"}
    assert identity["identityProviderType"] in ("Cognito", "Oidc")
    assert identity["issuer"] == flow.site.url
    assert "Full Name" not in json.dumps(answer)


def test_a_person_has_one_worker_id_in_all_outputs(flow):
    first, second, person = flow.start(), flow.start(), flow.reviewer()
    for _ in range(2):
        assert person.answer(person.next())[0] == 200
    ids = set()
    for loop in (first, second):
        flow.ended(loop)
        ids.add(flow.output(loop)["humanAnswers"][0]["workerId"])
    assert len(ids) == 1


def test_the_output_lies_under_flow_and_time_of_creation(flow):
    loop = flow.start()
    complete(flow, loop, boxes_answer([]))
    created = flow.a2i.describe_human_loop(HumanLoopName=loop)["CreationTime"].astimezone(UTC)
    found = flow.site.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"reviews/a2i/{flow.name}/")
    assert [item["Key"] for item in found["Contents"]] == [
        f"reviews/a2i/{flow.name}/{created:%Y/%m/%d/%H/%M/%S}/{loop}/output.json"
    ]


def test_the_output_is_json_in_utf8(flow):
    text = '\N{MICROSCOPE} \N{HEBREW LETTER ALEF} <script> {{ x }} "quotes"'
    loop = flow.start(note=text)
    complete(flow, loop, boxes_answer([]) | {"comment": text})
    found = output_object(flow, loop)
    assert found["ContentType"] == "application/json"
    output = json.loads(found["Body"].read().decode("utf-8"))
    assert output["inputContent"]["note"] == text
    assert output["humanAnswers"][0]["answerContent"]["comment"] == text


def test_other_named_inputs_of_the_template_are_further_members_of_the_answer(make_flow):
    flow = make_flow(template='<crowd-form><crowd-checkbox name="c"></crowd-checkbox></crowd-form>')
    loop = flow.start()
    output = complete(flow, loop, {"c": {"on": True}, "notes": "a b"})
    assert output["humanAnswers"][0]["answerContent"] == {"c": {"on": True}, "notes": "a b"}


def test_nothing_to_label_is_an_answer(flow):
    output = complete(flow, flow.start(), boxes_answer([]))
    assert output["humanAnswers"][0]["answerContent"]["annotatedResult"]["boundingBoxes"] == []


def test_numbers_come_out_as_they_were_given(flow):
    given = boxes_answer([box(left=0.1, top=1e-7, width=30, height=12345678901234567890)])
    output = complete(flow, flow.start(), given)
    assert output["humanAnswers"][0]["answerContent"] == given


@pytest.mark.parametrize("count", [2, 3])
def test_task_count_people_answer_each_loop_and_only_then_it_completes(make_flow, count: int):
    flow = make_flow(TaskCount=count)
    loop, people = flow.start(), [flow.reviewer() for _ in range(count)]
    tasks = [person.next() for person in people]
    assert {task["loop"] for task in tasks} == {loop}
    for number, (person, task) in enumerate(zip(people, tasks, strict=True)):
        assert (flow.status(loop), output_exists(flow, loop)) == ("InProgress", False)
        assert person.answer(task, [box(left=number)])[0] == 200
        assert person.next() is None
    assert flow.ended(loop)["HumanLoopStatus"] == "Completed"
    answers = flow.output(loop)["humanAnswers"]
    lefts = [answer["answerContent"]["annotatedResult"]["boundingBoxes"][0]["left"] for answer in answers]
    assert lefts == list(range(count))
    assert len({answer["workerId"] for answer in answers}) == count


def test_a_loop_is_given_to_no_more_people_than_task_count(make_flow):
    flow = make_flow(TaskCount=2)
    flow.start()
    given = [flow.reviewer().next() for _ in range(3)]
    assert [task is not None for task in given] == [True, True, False]


def test_the_oldest_loop_comes_first(flow):
    started, person = [flow.start() for _ in range(3)], flow.reviewer()
    given = []
    for _ in started:
        task = person.next()
        given.append(task["loop"])
        person.answer(task)
    assert given == started


def test_people_of_other_teams_are_not_given_the_loop(flow, make_flow):
    flow.start()
    assert make_flow().reviewer().next() is None


def test_a_declined_task_goes_to_somebody_else(flow):
    loop, person = flow.start(), flow.reviewer()
    assert person.decline(person.next())[0] == 200
    assert person.next() is None
    assert flow.reviewer().next()["loop"] == loop


def test_a_task_that_ran_out_of_time_is_refused_and_offered_again(flow):
    loop, person = flow.start(), flow.reviewer()
    task = person.next()
    end_time_limit(flow, task)
    status, body = person.answer(task)
    assert (status, "ran out of time" in body["error"]) == (409, True)
    other = flow.reviewer()
    again = other.next()
    while again is None:
        again = other.next()
    assert (again["loop"], flow.status(loop)) == (loop, "InProgress")


def test_an_answer_given_twice_counts_once(flow):
    loop, person = flow.start(), flow.reviewer()
    task = person.next()
    first = person.answer(task, [box()])
    assert first[0] == 200
    flow.ended(loop)
    assert person.answer(task, [box()])[0] == 200
    assert person.answer(task, [])[0] == 409
    assert flow.output(loop)["humanAnswers"][0]["answerContent"] == boxes_answer([box()])
    assert len(flow.output(loop)["humanAnswers"]) == 1
