"""What time does, by a clock that the test turns: leases, limits, lifetimes, sessions."""

from __future__ import annotations

import json
import os

import pytest
from sqlalchemy import func, select

from include.review_desk.aws_api import loops
from include.review_desk.errors import DeskSetupError, NotSignedIn, TaskGone, TooManyAttempts
from include.review_desk.loops import lifecycle
from include.review_desk.people import sessions, workers
from include.review_desk.people.limits import SignInLimiter, SignInLimits
from include.review_desk.storage import schema
from include.review_desk.storage.opening import open_database
from include.review_desk.work import housekeeping, outbox, submission, tasks
from tests.review_desk.in_process import clock, desk, person, sign_in, start, status
from tests.support.reviewer import PASSWORD, box, boxes_answer

__all__ = ["clock", "desk", "person"]


def test_a_task_not_answered_in_time_goes_back_to_everybody(desk, clock, person):
    start(desk)
    task = tasks.next_task(desk, person)
    clock.forward(99.9)
    housekeeping.sweep(desk)
    other = sign_in(desk, "bob")
    assert tasks.next_task(desk, other) is None
    clock.forward(0.1)
    with pytest.raises(TaskGone, match="ran out of time"):
        submission.answer(desk, person, task.task, boxes_answer([]))
    housekeeping.sweep(desk)
    again = tasks.next_task(desk, person)
    assert again.loop == "loop"
    assert again.task != task.task
    assert tasks.next_task(desk, other) is None


def test_a_client_that_falls_silent_gives_its_task_back_early(desk, clock, person):
    start(desk, TaskTimeLimitInSeconds=3600, TaskAvailabilityLifetimeInSeconds=5000)
    task = tasks.next_task(desk, person)
    for _ in range(5):
        clock.forward(170)
        tasks.heartbeat(desk, person, task.task)
        housekeeping.sweep(desk)
    clock.forward(180)
    housekeeping.sweep(desk)
    with pytest.raises(TaskGone):
        tasks.heartbeat(desk, person, task.task)
    assert tasks.next_task(desk, sign_in(desk, "bob")).loop == "loop"


def test_a_heartbeat_never_outlasts_the_time_limit(desk, clock, person):
    start(desk)
    task = tasks.next_task(desk, person)
    clock.forward(90)
    assert tasks.heartbeat(desk, person, task.task) == task.lease_expires_ms == clock() + 10_000


def test_a_loop_expires_with_its_lifetime_unless_somebody_works_on_it(desk, clock, person):
    start(desk, "idle")
    task_loop = start(desk, "busy")
    tasks.decline(desk, person, tasks.next_task(desk, person).task, "no")
    clock.forward(999)
    task = tasks.next_task(desk, person)
    assert task.loop == task_loop
    clock.forward(1)
    assert (status(desk, "idle"), status(desk, "busy")) == ("Failed", "InProgress")
    assert loops.describe(desk, "idle")["FailureCode"] == "Expired"
    assert tasks.next_task(desk, sign_in(desk, "bob")) is None
    clock.forward(98)
    assert submission.answer(desk, person, task.task, {"note": "in time"}).loop == "busy"
    outbox.deliver_due(desk)
    # The bucket is there: the answer given after the lifetime, within the limit, counts.
    assert status(desk, "busy") == "Completed"


def test_a_loop_whose_last_worker_leaves_after_its_lifetime_expires(desk, clock, person):
    start(desk, TaskAvailabilityLifetimeInSeconds=10)
    tasks.next_task(desk, person)
    clock.forward(50)
    assert status(desk) == "InProgress"
    clock.forward(50)
    assert status(desk) == "Failed"


def test_an_expired_loop_with_part_of_its_answers_says_so(desk, clock, person):
    start(desk, TaskCount=2)
    submission.answer(desk, person, tasks.next_task(desk, person).task, {"a": 1})
    clock.forward(1000)
    assert status(desk) == "Failed"
    reason = loops.describe(desk, "loop")["FailureReason"]
    assert reason == "The task expired: 1 of 2 answers were submitted within 1000 seconds."


def test_stopping_ends_with_the_time_limit_of_who_works_on_it(desk, clock, person):
    start(desk)
    tasks.next_task(desk, person)
    lifecycle.stop(desk, "loop")
    assert status(desk) == "Stopping"
    clock.forward(100)
    assert status(desk) == "Stopped"
    assert tasks.next_task(desk, person) is None


def test_an_answer_while_stopping_is_written_though_others_are_missing(desk, clock, person):
    start(desk, TaskCount=3)
    first, second = tasks.next_task(desk, person), sign_in(desk, "bob")
    submission.answer(desk, second, tasks.next_task(desk, second).task, {"a": "bob"})
    lifecycle.stop(desk, "loop")
    clock.forward(1.25)
    submission.answer(desk, person, first.task, {"a": "ada"})
    assert status(desk) == "Stopped"
    with desk.database.read() as connection:
        document = outbox.output_document(desk, connection, 1)
    assert [answer["answerContent"]["a"] for answer in document["humanAnswers"]] == ["bob", "ada"]
    assert document["humanAnswers"][1]["timeSpentInSeconds"] == 1.25


def test_output_is_the_same_to_the_byte_whenever_it_is_made(desk, clock, person):
    start(desk)
    submission.answer(desk, person, tasks.next_task(desk, person).task, {"b": 1, "a": [box()]})
    with desk.database.read() as connection:
        first = json.dumps(outbox.output_document(desk, connection, 1))
        clock.forward(1e6)
        assert json.dumps(outbox.output_document(desk, connection, 1)) == first


def test_a_session_ends(desk, clock):
    session = workers.sign_in(
        desk, SignInLimiter(), name=sign_in(desk, "ada").name, password=PASSWORD, address="here"
    )
    for _ in range(11):
        clock.forward(3600)
        assert sessions.authenticate(desk, session.token).name == "ada"
    clock.forward(3599)
    assert sessions.authenticate(desk, session.token).name == "ada"
    clock.forward(1)
    with pytest.raises(NotSignedIn):
        sessions.authenticate(desk, session.token)


def test_a_session_that_is_left_idle_ends_whatever_its_pages_ask_by_themselves(desk, clock):
    person = sign_in(desk, "ada")
    limiter = SignInLimiter()
    tokens = [
        workers.sign_in(desk, limiter, name="ada", password=PASSWORD, address="here").token for _ in range(2)
    ]
    for _ in range(4):
        clock.forward(3599)
        for token in tokens:
            sessions.authenticate(desk, token, active=token == tokens[0])
    opened = sessions.open_sessions(desk, sessions.authenticate(desk, tokens[0]))
    assert sorted(session.expires_ms - clock() for session in opened) == [4_000, 4_000, 14_400_000]
    clock.forward(4)
    with pytest.raises(NotSignedIn, match="left idle"):
        sessions.authenticate(desk, tokens[1], active=False)
    here = sessions.authenticate(desk, tokens[0])
    assert len(sessions.open_sessions(desk, here)) == 1
    workers.sign_in(desk, limiter, name=person.name, password=PASSWORD, address="here")
    with desk.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.sessions)) == 2


def test_the_sign_in_limit_passes_and_hits_only_one_address(desk, clock, person):
    limiter = SignInLimiter()
    guess = {"name": "ada", "password": "wrong", "address": "there"}
    for _ in range(8):
        with pytest.raises(NotSignedIn):
            workers.sign_in(desk, limiter, **guess)
    with pytest.raises(TooManyAttempts) as caught:
        workers.sign_in(desk, limiter, **guess | {"password": PASSWORD})
    assert caught.value.retry_after_seconds == 300
    assert workers.sign_in(desk, limiter, **guess | {"password": PASSWORD, "address": "here"})
    clock.forward(300)
    assert workers.sign_in(desk, limiter, **guess | {"password": PASSWORD})


def test_neither_passwords_nor_tokens_can_be_read_from_the_database(desk, person, tmp_path):
    session = workers.sign_in(desk, SignInLimiter(), name="ada", password=PASSWORD, address="here")
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"$argon2id$" in stored
    assert PASSWORD.encode() not in stored
    assert session.token.encode() not in stored


def test_deleted_loops_are_forgotten_after_thirty_days(desk, clock, person):
    start(desk)
    submission.answer(desk, person, tasks.next_task(desk, person).task, {"a": 1})
    assert status(desk) == "Completed"
    lifecycle.delete(desk, "loop")
    clock.forward(31 * 24 * 3600)
    housekeeping.purge(desk)
    with desk.database.read() as connection:
        assert connection.exec_driver_sql("select count(*) from assignments").scalar() == 0
        assert connection.exec_driver_sql("select count(*) from human_loops").scalar() == 0


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("nonsense", "not readable"),
        ("mysql://host/db", "must be SQLite"),
        ("sqlite://", "in memory"),
        ("sqlite:////no/such/folder/desk.db", "does not exist"),
        ("sqlite:////dev/null", "cannot be opened"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_sentence(url: str, part: str):
    with pytest.raises(DeskSetupError, match=part):
        open_database(url)


def test_a_device_keeps_its_mode_when_it_is_named_as_the_database():
    before = os.stat("/dev/null").st_mode
    with pytest.raises(DeskSetupError):
        open_database("sqlite:////dev/null")
    assert os.stat("/dev/null").st_mode == before


def test_an_ipv6_network_guesses_as_one_and_ipv4_addresses_apart():
    limiter = SignInLimiter(SignInLimits(per_name=2, per_address=3, reserve=0))
    for last in (1, 2):
        limiter.begin("ada", f"2001:db8::{last}", 0)
    with pytest.raises(TooManyAttempts):
        limiter.begin("ada", "2001:db8::ffff:1:2", 0)
    limiter.begin("ada", "2001:db8:0:1::1", 0)
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        limiter.begin("ada", address, 0)
    limiter.begin("ada", "::ffff:192.0.2.1", 0)
    with pytest.raises(TooManyAttempts):
        limiter.begin("ada", "192.0.2.1", 0)
