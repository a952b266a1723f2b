"""Nothing acknowledged is ever lost: kill -9, S3 away, twenty people at once."""

from __future__ import annotations

import http.client
import json
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from .conftest import box, flow_request, input_content, unique, wait_for


def queue(site) -> dict:
    return json.loads(site.get("/_status")[1])["queue"]


def test_a_kill_right_after_the_answer_loses_nothing(flow):
    loop, next_loop = flow.start(), flow.start()
    person = flow.reviewer()
    assert person.answer(person.next(), [box(left=5)])[0] == 200
    task = person.next()
    flow.site.desk.stop(signal.SIGKILL)
    flow.site.desk.start()
    assert flow.ended(loop)["HumanLoopStatus"] == "Completed"
    assert len(flow.output(loop)["humanAnswers"]) == 1
    assert person.next()["task"] == task["task"]
    assert person.answer(task)[0] == 200
    flow.ended(next_loop)


def test_s3_away_loses_nothing_and_completes_nothing(flow):
    site, person = flow.site, flow.reviewer()
    loops = [flow.start() for _ in range(3)]
    site.s3_server.stop(signal.SIGKILL)
    try:
        for _ in loops:
            assert person.answer(person.next(), [box()])[0] == 200
        wait_for(lambda: queue(site)["last_output_error"])
        assert queue(site)["outputs_not_written"] == 3
        assert {flow.status(loop) for loop in loops} == {"InProgress"}
        assert "Waiting for S3" in site.get(f"/loops/{loops[0]}")[1]
        site.desk.stop(signal.SIGKILL)
        site.desk.start()
    finally:
        site.s3_server.start()
    for loop in loops:
        assert flow.ended(loop)["HumanLoopStatus"] == "Completed"
        assert len(flow.output(loop)["humanAnswers"]) == 1
    assert queue(site)["outputs_not_written"] == 0


def test_a_bucket_that_is_missing_holds_up_nobody_else(site, sagemaker, make_flow):
    flow = make_flow()
    request = flow_request(unique("lost"), flow.team, flow.ui)
    bucket = unique("later")
    request["OutputConfig"]["S3OutputPath"] = f"s3://{bucket}"
    lost_arn = sagemaker.create_flow_definition(**request)["FlowDefinitionArn"]
    person = flow.reviewer()
    lost_loop = unique("loop")
    flow.a2i.start_human_loop(
        HumanLoopName=lost_loop, FlowDefinitionArn=lost_arn, HumanLoopInput={"InputContent": input_content()}
    )
    person.answer(person.next())
    wait_for(lambda: queue(site)["last_output_error"] == "NoSuchBucket")
    loop = flow.start()
    person.answer(person.next())
    assert flow.ended(loop)["HumanLoopStatus"] == "Completed"
    assert flow.status(lost_loop) == "InProgress"
    site.client("s3").create_bucket(Bucket=bucket)
    assert flow.ended(lost_loop, 30)["HumanLoopStatus"] == "Completed"


def test_twenty_people_at_once_answer_each_loop_exactly_once(make_flow):
    single, triple = make_flow(), make_flow(TaskCount=3)
    names = [f"crowd-{number}" for number in range(20)]
    for name in names:
        single.site.add_worker(single.team, name)
        single.site.add_worker(triple.team, name)
    with ThreadPoolExecutor(8) as starters:
        once = list(starters.map(lambda _: single.start(), range(48)))
        thrice = list(starters.map(lambda _: triple.start(), range(12)))
    given: Counter[str] = Counter()
    pairs: set[tuple[str, str]] = set()
    lock = threading.Lock()

    def work(name: str) -> None:
        person = single.reviewer(name)
        while task := person.next():
            with lock:
                given[task["loop"]] += 1
                assert (task["loop"], name) not in pairs
                pairs.add((task["loop"], name))
            status, body = person.answer(task, [box()])
            assert status == 200, body

    with ThreadPoolExecutor(20) as crowd:
        list(crowd.map(work, names))
    assert given == Counter(dict.fromkeys(once, 1) | dict.fromkeys(thrice, 3))
    for flow, loops, count in ((single, once, 1), (triple, thrice, 3)):
        for loop in loops:
            assert flow.ended(loop)["HumanLoopStatus"] == "Completed"
            answers = flow.output(loop)["humanAnswers"]
            assert len({answer["workerId"] for answer in answers}) == len(answers) == count


def test_killing_the_desk_while_people_work_loses_no_acknowledged_answer(flow):
    loops = [flow.start() for _ in range(40)]
    people = [flow.reviewer() for _ in range(4)]
    acknowledged: set[str] = set()
    halfway = threading.Event()

    def work(person) -> None:
        while task := patiently(flow.site.desk, person.next):
            status, body = patiently(flow.site.desk, lambda: person.answer(task, [box()]))
            assert status == 200, body
            acknowledged.add(task["loop"])
            if len(acknowledged) >= 10:
                halfway.set()

    with ThreadPoolExecutor(4) as crowd:
        working = [crowd.submit(work, person) for person in people]
        assert halfway.wait(60)
        flow.site.desk.stop(signal.SIGKILL)
        flow.site.desk.start()
        for done in working:
            done.result()
    assert acknowledged == set(loops)
    for loop in loops:
        assert flow.ended(loop)["HumanLoopStatus"] == "Completed"
        assert len(flow.output(loop)["humanAnswers"]) == 1


def patiently(desk, request):
    """What a good client does: repeat the request, unchanged, until there is an answer."""
    while True:
        try:
            return request()
        except (OSError, ValueError, http.client.HTTPException):
            wait_for(desk.is_up, 40)
