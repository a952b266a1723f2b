"""Who gets which task: real people over real HTTP."""

from __future__ import annotations

import json

import pytest

from tests.support.reviewer import Reviewer, box, boxes_answer


def test_work_comes_oldest_first(flow):
    loops = [flow.start() for _ in range(4)]
    person = flow.reviewer()
    seen = []
    while task := person.next():
        seen.append(task["loop"])
        person.answer(task)
    assert seen == loops


def test_asking_twice_gives_the_same_task(flow):
    flow.start()
    flow.start()
    person = flow.reviewer()
    assert person.next()["task"] == person.next()["task"]


def test_two_sessions_of_one_person_get_different_loops(flow):
    loops = {flow.start(), flow.start()}
    first = flow.reviewer("same-person")
    second = Reviewer(flow.site.url, "same-person")
    assert {first.next()["loop"], second.next()["loop"]} == loops
    assert Reviewer(flow.site.url, "same-person").next() is None


def test_a_task_goes_on_in_the_next_session_after_signing_out(flow):
    flow.start()
    person = flow.reviewer("leaver")
    task = person.next()
    assert person.call("/worker/sessions", method="DELETE")[0] == 204
    assert person.call("/worker/tasks/next")[0] == 401
    assert Reviewer(flow.site.url, "leaver").next()["task"] == task["task"]


def test_three_answers_come_from_three_people(make_flow):
    flow = make_flow(TaskCount=3)
    loop = flow.start()
    people = [flow.reviewer() for _ in range(4)]
    tasks = [person.next() for person in people]
    assert [task is not None for task in tasks] == [True, True, True, False]
    for person, task in zip(people[:3], tasks[:3], strict=True):
        assert flow.status(loop) == "InProgress"
        person.answer(task, [box(left=people.index(person))])
        assert person.next() is None
    flow.ended(loop)
    answers = flow.output(loop)["humanAnswers"]
    lefts = [answer["answerContent"]["annotatedResult"]["boundingBoxes"][0]["left"] for answer in answers]
    assert lefts == [0, 1, 2]
    assert len({answer["workerId"] for answer in answers}) == 3


def test_a_person_sees_only_the_loops_of_their_teams(flow, make_flow):
    other = make_flow()
    flow.start()
    loop = other.start()
    person = flow.reviewer()
    person.answer(person.next())
    assert person.next() is None
    other.site.add_worker(other.team, person.name)
    assert person.next()["loop"] == loop


def test_a_declined_task_goes_to_others_only(flow):
    loop = flow.start()
    first, second = flow.reviewer(), flow.reviewer()
    task = first.next()
    assert second.next() is None
    assert first.decline(task) == (200, {"loop": loop, "status": "InProgress"})
    assert first.decline(task)[0] == 200
    assert first.next() is None
    status, body = first.answer(task)
    assert status == 409
    assert "was declined" in body["error"]
    assert second.next()["loop"] == loop


def test_the_same_answer_twice_is_one_answer(flow):
    loop, person = flow.start(), flow.reviewer()
    task = person.next()
    first = person.answer(task, [box()])
    flow.ended(loop)
    stands = {"loop": loop, "correctable_until": None}
    assert person.answer(task, [box()]) == (200, stands | {"status": "Completed"})
    assert first == (200, stands | {"status": "InProgress"})
    status, body = person.answer(task, [box(left=11)])
    assert status == 409
    assert "the first answer counts" in body["error"]
    assert len(flow.output(loop)["humanAnswers"]) == 1


def test_nobody_can_touch_another_persons_task(flow):
    flow.start()
    owner, other = flow.reviewer(), flow.reviewer()
    task = owner.next()
    for action in ("answer", "decline", "heartbeat"):
        body = {"answerContent": boxes_answer([])}
        status, answer = other.call(f"/worker/tasks/{task['task']}/{action}", body)
        assert (status, answer) == (404, {"error": f"You have no task {task['task']}."})


def test_a_heartbeat_keeps_the_task_no_longer_than_its_limit(make_flow):
    flow = make_flow(TaskTimeLimitInSeconds=30)
    flow.start()
    person = flow.reviewer()
    task = person.next()
    status, body = person.call(f"/worker/tasks/{task['task']}/heartbeat")
    assert status == 200
    assert body["lease_expires"] == task["lease_expires"]


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        ({}, 'must have an object "annotatedResult"'),
        ([], "must be an object"),
        ("text", "must be an object"),
        ({"other": {}}, 'must have an object "annotatedResult"'),
        ({"annotatedResult": {}}, '"boundingBoxes"'),
        ({"annotatedResult": {"boundingBoxes": []}}, '"inputImageProperties"'),
        (boxes_answer([{}]), 'a number "left"'),
        (boxes_answer(["x"]), "Box 0"),
        (boxes_answer([box(), box(left="1")]), "Box 1"),
        (boxes_answer([box(top=True)]), 'a number "top"'),
        (boxes_answer([box(width=-1)]), "negative"),
        (boxes_answer([box(label="cat")]), "none of the template's labels"),
        (boxes_answer([box(label=1)]), 'a text "label"'),
        (boxes_answer([box()] * 1001), "more than the 1,000"),
        (boxes_answer([]) | {"comment": "x" * 1_048_576}, "more than the 1048576"),
        (
            {"annotatedResult": {"boundingBoxes": [], "inputImageProperties": {"height": 0, "width": 1}}},
            "positive number",
        ),
    ],
)
def test_an_answer_that_does_not_fit_the_template_is_one_sentence(flow, answer, part: str):
    loop, person = flow.start(), flow.reviewer()
    task = person.next()
    status, body = person.call(f"/worker/tasks/{task['task']}/answer", {"answerContent": answer})
    assert status == 400
    assert part in body["error"]
    assert body["error"].count(". ") == 0
    assert flow.status(loop) == "InProgress"
    assert person.answer(task)[0] == 200


@pytest.mark.parametrize(
    ("raw", "status", "part"),
    [
        (b"{", 400, "not valid JSON"),
        (b"[]", 400, "must be a JSON object"),
        (b"\xff", 400, "not valid"),
        (b'{"answerContent": {"a": NaN}}', 400, "NaN"),
        (b"[" * 200_000, 400, "not valid JSON"),
        (b"", 400, "answerContent"),
        (b'{"answerContent": "' + b"x" * 1_200_000 + b'"}', 413, "larger than"),
    ],
)
def test_a_body_that_is_no_answer_is_one_sentence(flow, raw: bytes, status: int, part: str):
    flow.start()
    person = flow.reviewer()
    got, body = person.call(f"/worker/tasks/{person.next()['task']}/answer", raw=raw)
    assert got == status
    assert part in body["error"]


def test_other_templates_take_other_answers(make_flow):
    flow = make_flow(template='<crowd-form><crowd-text-area name="note"></crowd-text-area></crowd-form>')
    loop, person = flow.start(), flow.reviewer()
    answer = {"note": "fine", "extra": {"x": [1, None]}}
    assert person.call(f"/worker/tasks/{person.next()['task']}/answer", {"answerContent": answer})[0] == 200
    flow.ended(loop)
    assert flow.output(loop)["humanAnswers"][0]["answerContent"] == answer


def test_hostile_labels_and_keys_reach_the_output_unchanged(flow):
    labels = ["<script>alert(1)</script>", "\"'>{{ x }}{% raw %}", "🩸 \u202eabc\u2028"]
    loop = flow.start(labels=labels, taskObject="s3://review-desk-tests/a \"b' <c> {{d}} 🩸.jpg")
    person = flow.reviewer()
    task = person.next()
    assert task["html"].count("<script") == 1
    assert person.answer(task, [box(label) for label in labels])[0] == 200
    flow.ended(loop)
    output = flow.output(loop)
    boxes = output["humanAnswers"][0]["answerContent"]["annotatedResult"]["boundingBoxes"]
    assert [drawn["label"] for drawn in boxes] == labels == output["inputContent"]["labels"]


def test_the_picture_can_be_read_with_the_link_in_the_page(flow):
    import html
    import re
    import urllib.request

    flow.start()
    page = flow.reviewer().next()["html"]
    link = html.unescape(re.search(r'src="(http://127[^"]+)"', page)[1])
    with urllib.request.urlopen(link) as response:
        assert response.read() == b"pixels"


def test_without_a_session_nothing_is_shown(site):
    for token in ("", "wrong", "a" * 10_000):
        person = Reviewer(site.url, "anyone", token=token)
        status, body = person.call("/worker/tasks/next")
        assert status == 401
        assert set(body) == {"error"}


@pytest.mark.parametrize("body", [{}, {"name": 1, "password": "x"}, {"name": "a"}])
def test_a_sign_in_without_name_or_password_is_one_sentence(site, body):
    person = Reviewer(site.url, "anyone", token="")
    status, answer = person.call("/worker/sessions", body)
    assert status == 400
    assert "must have a text" in answer["error"]


def test_guessing_passwords_is_slowed_down_and_says_nothing(flow):
    flow.site.add_worker(flow.team, "victim")
    guesser = Reviewer(flow.site.url, "anyone", token="")
    answers = [
        guesser.call("/worker/sessions", {"name": "victim", "password": f"guess {number}"})
        for number in range(9)
    ]
    assert [status for status, _ in answers] == [401] * 8 + [429]
    assert answers[0][1] == {"error": "Name and password do not fit."}
    unknown = guesser.call("/worker/sessions", {"name": "nobody", "password": "guess"})
    assert unknown == answers[0]
    assert json.dumps(answers[8][1]).count("seconds") == 1
