"""Pauses and corrections by a clock that the test turns, with S3 behind them."""

from __future__ import annotations

import pytest

from include.review_desk.clock import as_iso
from include.review_desk.context import Desk
from include.review_desk.errors import MissingTask, TaskGone
from include.review_desk.storage.object_store import S3Store
from include.review_desk.work import assignment, housekeeping, outbox, standing, submission, tasks
from tests.review_desk.in_process import clock, desk, person, sign_in, start, status
from tests.support.aws import REGION
from tests.support.desk import ACCESS_KEY, SECRET_KEY
from tests.support.servers import free_port

__all__ = ["clock", "desk", "person"]


def taken(desk, person) -> str:
    task = tasks.next_task(desk, person)
    assert task is not None
    return task.task


def document(desk, loop_id: int = 1):
    with desk.database.read() as connection:
        return outbox.output_document(desk, connection, loop_id)["humanAnswers"]


def test_pauses_are_no_time_spent(desk, clock, person):
    start(desk)
    task = taken(desk, person)
    clock.forward(5)
    tasks.pause(desk, person, task)
    clock.forward(20)
    tasks.resume(desk, person, task)
    clock.forward(2.5)
    tasks.pause(desk, person, task)
    clock.forward(30)
    submission.answer(desk, person, task, {"a": 1})
    assert document(desk)[0]["timeSpentInSeconds"] == 7.5
    assert document(desk)[0]["submissionTime"] == as_iso(clock())
    assert standing.queue(desk, person).typical_seconds == 7.5
    assert standing.latest_answers(desk, person)[0].seconds == 7.5


def test_a_paused_task_outlasts_silence_but_not_its_limit(desk, clock, person):
    start(desk, TaskTimeLimitInSeconds=600)
    task = taken(desk, person)
    tasks.heartbeat(desk, person, task)
    tasks.pause(desk, person, task)
    clock.forward(599)
    housekeeping.sweep(desk)
    assert tasks.next_task(desk, person).paused
    clock.forward(1)
    housekeeping.sweep(desk)
    with pytest.raises(TaskGone, match="ran out of time"):
        tasks.resume(desk, person, task)
    again = tasks.next_task(desk, sign_in(desk, "bob"))
    assert (again.loop, again.paused) == ("loop", False)


def test_a_correctable_answer_is_held_back_and_a_correction_holds_anew(desk, clock, person):
    start(desk)
    task = taken(desk, person)
    given = submission.answer(desk, person, task, {"a": 1}, correctable=True)
    assert given.correctable_until_ms == clock() + 30_000
    clock.forward(29)
    outbox.forget_claims(desk)
    assert status(desk) == "InProgress"
    corrected = submission.correct(desk, person, task, {"a": 2})
    submitted = clock()
    assert corrected.correctable_until_ms == submitted + 30_000
    clock.forward(29.9)
    assert status(desk) == "InProgress"
    clock.forward(0.1)
    with pytest.raises(TaskGone, match="its answer is final"):
        submission.correct(desk, person, task, {"a": 3})
    assert status(desk) == "Completed"
    (written,) = document(desk)
    assert written["answerContent"] == {"a": 2}
    assert written["submissionTime"] == as_iso(submitted)
    assert written["timeSpentInSeconds"] == 0
    assert submission.correct(desk, person, task, {"a": 2}).status == "Completed"


def test_no_answer_is_held_beyond_its_time_limit(desk, clock, person):
    start(desk)
    task = taken(desk, person)
    clock.forward(85)
    submission.answer(desk, person, task, {"a": 1}, correctable=True)
    clock.forward(14)
    assert submission.correct(desk, person, task, {"a": 2}).correctable_until_ms == clock() + 1000
    clock.forward(1)
    with pytest.raises(TaskGone):
        submission.correct(desk, person, task, {"a": 3})
    assert status(desk) == "Completed"


def test_no_answer_is_held_beyond_the_loops_availability(desk, clock, person):
    start(desk, TaskAvailabilityLifetimeInSeconds=40)
    task = taken(desk, person)
    clock.forward(25)
    given = submission.answer(desk, person, task, {"a": 1}, correctable=True)
    assert given.correctable_until_ms == clock() + 15_000
    clock.forward(15)
    assert status(desk) == "Completed"


def test_an_answer_after_the_availability_is_written_at_once(desk, clock, person):
    start(desk, TaskAvailabilityLifetimeInSeconds=40)
    task = taken(desk, person)
    clock.forward(50)
    assert submission.answer(desk, person, task, {"a": 1}, correctable=True).correctable_until_ms is None
    assert status(desk) == "Completed"


def test_while_other_answers_are_missing_an_answer_can_be_corrected(desk, clock, person):
    start(desk, TaskCount=2)
    other = sign_in(desk, "bob")
    task = taken(desk, person)
    given = submission.answer(desk, person, task, {"a": "ada"})
    assert given.correctable_until_ms == clock() + 100_000
    clock.forward(60)
    submission.correct(desk, person, task, {"a": "ada, better"})
    submission.answer(desk, other, taken(desk, other), {"a": "bob"})
    # The correction is 0 seconds old: it holds the other's answer back, too.
    assert status(desk) == "InProgress"
    clock.forward(30)
    assert status(desk) == "Completed"
    assert [answer["answerContent"]["a"] for answer in document(desk)] == ["ada, better", "bob"]
    with pytest.raises(TaskGone):
        submission.correct(desk, person, task, {"a": "too late"})


def test_what_s3_was_offered_stands_even_if_it_was_away(desk, clock, person):
    start(desk)
    task = taken(desk, person)
    submission.answer(desk, person, task, {"a": 1}, correctable=True)
    keys = {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}
    away = S3Store(region=REGION, endpoint_url=f"http://127.0.0.1:{free_port()}", **keys)
    clock.forward(30)
    assert outbox.deliver_due(Desk(desk.config, desk.database, desk.clock, desk.renderer, away)) == 0
    with pytest.raises(TaskGone):
        submission.correct(desk, person, task, {"a": 2})
    clock.forward(60)
    assert status(desk) == "Completed"
    assert document(desk)[0]["answerContent"] == {"a": 1}


def test_a_page_loaded_ahead_is_the_page_of_the_task(desk, person):
    start(desk, "first")
    start(desk, "second")
    task = taken(desk, person)
    assert assignment.ahead(desk, person) == "second"
    ahead = tasks.render_ahead(desk, person, "second")
    with pytest.raises(MissingTask):
        tasks.render_ahead(desk, person, "first")
    with pytest.raises(MissingTask):
        tasks.render_ahead(desk, sign_in(desk, "eve", team="others"), "second")
    tasks.decline(desk, person, task, "no")
    assert tasks.render_task(desk, person, taken(desk, person)) == ahead
    with pytest.raises(TaskGone, match="was declined"):
        tasks.render_task(desk, person, task)
