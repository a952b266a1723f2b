"""What the portal asks of the desk, over HTTP: look ahead, pause, hand back, correct, count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.reviewer import box, boxes_answer

if TYPE_CHECKING:
    from tests.support.desk import Flow, Site
    from tests.support.reviewer import Reviewer


@pytest.fixture
def flow(both_sites: Site) -> Flow:
    """A flow definition on SQLite, then on PostgreSQL."""
    return both_sites.make_flow()


def call(person: Reviewer, task: dict[str, Any], action: str, body: Any = None, method: str = "POST"):
    return person.call(f"/worker/tasks/{task['task']}/{action}", body, method)


def answer(person: Reviewer, task: dict[str, Any], *boxes: dict[str, Any], **members: Any):
    return call(person, task, "answer", {"answerContent": boxes_answer(list(boxes))} | members)


def correct(person: Reviewer, task: dict[str, Any], *boxes: dict[str, Any]):
    return call(person, task, "answer", {"answerContent": boxes_answer(list(boxes))}, "PUT")


def look(person: Reviewer, task: dict[str, Any]) -> dict[str, Any]:
    status, body = person.call(f"/worker/tasks/{task['task']}", method="GET")
    assert status == 200, body
    return body


def test_the_page_asks_for_a_task_without_its_html(flow: Flow):
    loop = flow.start()
    person = flow.reviewer()
    status, task = person.call("/worker/tasks/next", {"view": "frame"})
    assert status == 200
    assert (task["loop"], task["flow"], task["frame"]) == (loop, flow.name, f"/frames/{task['task']}")
    assert (task["title"], task["state"], task["paused"]) == ("Check the boxes", "working", False)
    assert task["lease_expires"] == task["limit"] > task["accepted"]
    assert not {"html", "input"} & set(task)
    assert look(person, task) == task | {"answerContent": None, "correctable_until": None}
    assert {"html", "input"} < set(person.next())
    assert person.call("/worker/tasks/next", {"view": "all"})[0] == 400


def test_looking_ahead_names_the_next_loop_and_claims_nothing(flow: Flow):
    first, second = flow.start(), flow.start()
    person, other = flow.reviewer(), flow.reviewer()
    task = person.next()
    assert task["loop"] == first
    ahead = person.call("/worker/tasks/ahead")
    assert ahead == (200, {"loop": second, "frame": f"/frames/ahead/{second}"})
    assert person.call("/worker/tasks/ahead") == ahead
    taken = other.next()
    assert taken["loop"] == second
    assert person.call("/worker/tasks/ahead") == (204, None)
    call(other, taken, "return")
    assert person.call("/worker/tasks/ahead") == ahead
    answer(person, task)
    assert person.next()["loop"] == second


def test_a_pause_is_kept_until_the_person_goes_on(flow: Flow):
    flow.start()
    person = flow.reviewer()
    task = person.next()
    status, lease = call(person, task, "heartbeat")
    assert (status, lease["paused"]) == (200, False)
    assert lease["lease_expires"] < task["limit"]
    paused = (200, {"lease_expires": task["limit"], "paused": True})
    assert call(person, task, "pause") == paused
    assert call(person, task, "pause") == paused
    assert person.next()["paused"] is True
    assert call(person, task, "resume") == (200, {"lease_expires": task["limit"], "paused": False})
    assert look(person, task)["paused"] is False
    call(person, task, "pause")
    call(person, task, "heartbeat")
    assert look(person, task)["paused"] is False
    call(person, task, "pause")
    assert answer(person, task)[0] == 200
    status, body = call(person, task, "pause")
    assert status == 409
    assert "was answered already" in body["error"]


def test_a_task_handed_back_may_be_taken_again_by_anybody(flow: Flow):
    loop = flow.start()
    person, other = flow.reviewer(), flow.reviewer()
    task = person.next()
    assert call(person, task, "return") == (200, {"loop": loop, "status": "InProgress"})
    assert call(person, task, "return")[0] == 200
    status, body = answer(person, task)
    assert status == 409
    assert "was handed back" in body["error"]
    taken = other.next()
    assert taken["loop"] == loop
    call(other, taken, "return")
    again = person.next()
    assert again["loop"] == loop
    assert again["task"] != task["task"]


def test_an_answer_can_be_corrected_until_its_output_is_written(flow: Flow):
    loop, person = flow.start(), flow.reviewer()
    task = person.next()
    status, body = correct(person, task, box())
    assert status == 409
    assert "no answer yet" in body["error"]
    status, given = answer(person, task, box(), correctable=True)
    assert (status, given["status"]) == (200, "InProgress")
    assert task["accepted"] < given["correctable_until"] < task["limit"]
    status, corrected = correct(person, task, box(left=12))
    assert status == 200
    assert corrected["correctable_until"] >= given["correctable_until"]
    assert correct(person, task, box(left=12))[0] == 200
    shown = look(person, task)
    assert shown["state"] == "answered"
    assert shown["answerContent"] == boxes_answer([box(left=12)])
    assert correct(person, task, box("cat"))[0] == 400
    assert flow.status(loop) == "InProgress"
    status, body = person.call("/worker/answers", method="GET")
    assert status == 200
    (mine,) = body["answers"]
    assert (mine["task"], mine["loop"], mine["corrections"]) == (task["task"], loop, 1)
    assert mine["correctable_until"] == corrected["correctable_until"]


def test_an_answer_that_has_been_written_stands(flow: Flow):
    loop, person = flow.start(), flow.reviewer()
    task = person.next()
    status, given = answer(person, task, box())
    assert (status, given["correctable_until"]) == (200, None)
    flow.ended(loop)
    status, body = correct(person, task, box(left=12))
    assert status == 409
    assert body["error"] == f"The time to correct the task {task['task']} is over: its answer is final."
    assert correct(person, task, box())[0] == 200
    assert look(person, task)["answerContent"] == boxes_answer([box()])


@pytest.mark.parametrize("value", [1, "yes", None])
def test_correctable_is_true_or_false(flow: Flow, value: Any):
    flow.start()
    person = flow.reviewer()
    assert answer(person, person.next(), correctable=value)[0] == 400


def test_the_queue_counts_what_this_person_could_take(both_sites: Site):
    flow = both_sites.make_flow(TaskCount=2)
    person, other = flow.reviewer(), flow.reviewer()
    empty = {
        "waiting": 0,
        "more": False,
        "mine": 0,
        "answered_today": 0,
        "typical_seconds": None,
        "flows": [],
    }
    assert person.call("/worker/queue", method="GET") == (200, empty)
    for _ in range(3):
        flow.start()
    task = person.next()
    status, queue = person.call("/worker/queue", method="GET")
    assert status == 200
    assert queue == empty | {
        "waiting": 2,
        "mine": 1,
        "flows": [{"flow": flow.name, "title": "Check the boxes", "waiting": 2}],
    }
    answer(person, task)
    _status, queue = other.call("/worker/queue", method="GET")
    assert (queue["waiting"], queue["mine"], queue["answered_today"]) == (3, 0, 0)
    assert 0 < queue["typical_seconds"] < 3600
    _status, queue = person.call("/worker/queue", method="GET")
    assert (queue["waiting"], queue["mine"], queue["answered_today"]) == (2, 0, 1)


@pytest.mark.parametrize(
    ("action", "method"),
    [("", "GET"), ("/answer", "PUT"), ("/pause", "POST"), ("/resume", "POST"), ("/return", "POST")],
)
def test_other_peoples_tasks_do_not_exist(flow: Flow, action: str, method: str):
    flow.start()
    owner, other = flow.reviewer(), flow.reviewer()
    task = owner.next()
    body = {"answerContent": boxes_answer([])}
    for key in (task["task"], "no-such-task", "a" * 5000):
        status, answer = other.call(f"/worker/tasks/{key}{action}", body, method)
        assert status == 404
        assert answer["error"].count(".") == 1
    assert look(owner, task) == look(owner, task) | {"state": "working", "paused": False}
