"""What one person may hold, and what becomes of it when they leave the team."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete

from include.review_desk.clock import system_clock
from include.review_desk.errors import MissingTask
from include.review_desk.people import accounts, leaving
from include.review_desk.storage import schema
from include.review_desk.work import assignment, housekeeping, standing, submission, tasks
from include.review_desk.work.assignment import MAX_HELD
from tests.review_desk.in_process import clock, desk, person, sign_in, start
from tests.support.reviewer import Reviewer
from tests.support.servers import wait_for

__all__ = ["clock", "desk", "person"]


def leave(desk, worker) -> None:
    """As the database shows a person who was taken out of all teams a moment ago."""
    members = schema.team_members
    with desk.database.write() as connection:
        connection.execute(delete(members).where(members.c.worker_id == worker.id))


def test_a_person_holds_few_tasks_however_many_sessions_ask_at_once(both_sites):
    flow = both_sites.make_flow()
    for _ in range(12):
        flow.start()
    name = flow.reviewer().name
    sessions = [Reviewer(both_sites.url, name) for _ in range(12)]
    with ThreadPoolExecutor(12) as pool:
        given = [task["task"] for task in pool.map(Reviewer.next, sessions)]
    assert len(set(given)) == MAX_HELD
    other = flow.reviewer()
    assert other.next()["task"] not in given
    answered = sessions[0].next()
    assert sessions[0].answer(answered)[0] == 200
    assert sessions[0].next()["task"] != answered["task"], "the next one is given as before"


@pytest.mark.parametrize("way", ["team", "account"])
def test_no_task_is_given_to_who_leaves_at_that_moment(both_sites, way: str):
    flow = both_sites.make_flow()
    for _ in range(4):
        flow.start()
    name = flow.reviewer().name
    sessions = [Reviewer(both_sites.url, name) for _ in range(8)]

    def leave() -> None:
        database, now_ms = both_sites.database, system_clock()
        if way == "team":
            leaving.remove_from_team(database, now_ms, team=flow.team, name=name)
        else:
            accounts.remove_worker(database, now_ms, name)

    with ThreadPoolExecutor(9) as pool:
        asking = [pool.submit(person.call, "/worker/tasks/next") for person in sessions]
        pool.submit(leave).result()
        assert {answer.result()[0] for answer in asking} <= {200, 204, 401, 404, 409}
    others = [flow.reviewer() for _ in range(4)]
    given = {wait_for(person.next)["loop"] for person in others}
    assert len(given) == 4, "what was held at that moment is on offer again"


def test_a_fourth_screen_shows_the_task_that_was_taken_first(desk, clock, person):
    for number in range(MAX_HELD + 1):
        start(desk, f"loop-{number}")
    first = tasks.next_task(desk, person)
    for _ in range(MAX_HELD - 1):
        clock.forward(1)
        assert tasks.next_task(desk, sign_in(desk, "ada")).task != first.task
    last = sign_in(desk, "ada")
    assert tasks.next_task(desk, last).task == first.task
    submission.answer(desk, last, first.task, {"a": 1})
    assert tasks.next_task(desk, last).loop == f"loop-{MAX_HELD}"


def test_who_was_taken_out_of_the_team_sees_nothing_of_its_images(desk, person):
    start(desk, "held")
    start(desk, "answered", TaskCount=2)
    held = tasks.next_task(desk, person).task
    other = sign_in(desk, "ada")
    answered = tasks.next_task(desk, other).task
    submission.answer(desk, other, answered, {"a": 1}, correctable=True)
    leave(desk, person)
    with pytest.raises(MissingTask):
        tasks.render_task(desk, person, held)
    for look in (tasks.own_task, tasks.heartbeat, tasks.pause, tasks.resume, tasks.hand_back):
        with pytest.raises(MissingTask):
            look(desk, person, held)
    for task in (held, answered):
        with pytest.raises(MissingTask):
            submission.answer(desk, person, task, {"a": 2})
    with pytest.raises(MissingTask):
        submission.correct(desk, person, answered, {"a": 2})
    with pytest.raises(MissingTask):
        tasks.render_ahead(desk, person, "held")
    assert tasks.next_task(desk, person) is None
    assert assignment.ahead(desk, person) is None
    assert standing.latest_answers(desk, person) == []


def test_a_frame_shows_no_image_to_who_has_left(site, flow):
    flow.start()
    reviewer = flow.reviewer()
    task = reviewer.next()
    members, workers = schema.team_members, schema.workers
    cookie = {"Cookie": f"desk_session={reviewer.token}"}
    assert "X-Amz-Signature" in site.get(f"/frames/{task['task']}", **cookie)[1]
    with site.database.write() as connection:
        connection.execute(
            delete(members).where(
                members.c.worker_id.in_(
                    workers.select().with_only_columns(workers.c.id).where(workers.c.name == reviewer.name)
                )
            )
        )
    status, page, _ = site.get(f"/frames/{task['task']}", **cookie)
    assert (status, "X-Amz-Signature" in page) == (404, False)
    assert reviewer.call(f"/worker/tasks/{task['task']}", method="GET")[0] == 404


def test_time_that_ends_by_leaving_is_not_held_against_the_person(desk, clock, person):
    start(desk)
    tasks.next_task(desk, person)
    stayer = sign_in(desk, "bob")
    leave(desk, person)
    clock.forward(100)
    housekeeping.sweep(desk)
    with desk.database.read() as connection:
        assert connection.scalar(
            schema.assignments.select().with_only_columns(schema.assignments.c.state)
        ) == ("returned")
    assert tasks.next_task(desk, stayer).loop == "loop"
