"""What people do in one moment, on both databases: held at the loop's row, then let go together."""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, text

from include.review_desk.aws_api import flows, loops, task_uis
from include.review_desk.context import Desk, DeskConfig
from include.review_desk.counts import OperationCounts
from include.review_desk.loops import lifecycle
from include.review_desk.people import sessions, teams, workers
from include.review_desk.storage import schema
from include.review_desk.storage.locks import lock_loop
from include.review_desk.storage.object_store import StoreUnavailable
from include.review_desk.storage.opening import open_database
from include.review_desk.work import housekeeping, outbox, submission, tasks
from include.review_desk.worker_templates.rendering import Renderer
from tests.support.desk import flow_request, unique
from tests.support.lanes import starts
from tests.support.reviewer import PASSWORD
from tests.support.servers import wait_for

ARN = "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/"
TEMPLATE = '<crowd-form><crowd-text-area name="note"></crowd-text-area></crowd-form>'
ANSWER = {"note": "seen"}


class Shelf:
    """Where output.json goes; ``away`` makes it refuse."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.away = False
        self.tries = 0

    def presign_get(self, bucket: str, key: str, lifetime_seconds: int) -> str:
        return f"https://{bucket}/{key}?{lifetime_seconds}"

    def put_json(self, bucket: str, key: str, body: bytes) -> None:
        self.tries += 1
        if self.away:
            raise StoreUnavailable("EndpointConnectionError", away=True)
        self.taken.append((key, body))


class TurnedClock:
    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
@starts("server")
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('races')}/desk.db"
    return request.getfixturevalue("postgres_server").create_database()


@pytest.fixture
def desk(url: str):
    database = open_database(url)
    store = Shelf()
    yield Desk(DeskConfig(), database, TurnedClock(), Renderer(store.presign_get), store)
    database.close()


class Night:
    """One flow, its loop, and people who hold a task of it."""

    def __init__(self, desk: Desk, people: int, **loop_config: int) -> None:
        self.desk = desk
        team, ui, flow = unique("team"), unique("ui"), unique("flow")
        names = [unique("person") for _ in range(people)]
        for name in names:
            workers.add_worker(desk.database, desk.clock(), team=team, name=name, password=PASSWORD)
        task_uis.create(desk, {"HumanTaskUiName": ui, "UiTemplate": {"Content": TEMPLATE}})
        flows.create(desk, flow_request(flow, team, ui, **loop_config))
        self.flow, self.loop = flow, unique("loop")
        start = {"HumanLoopName": self.loop, "HumanLoopInput": {"InputContent": "{}"}}
        loops.start(desk, start | {"FlowDefinitionArn": ARN + flow})
        self.people = [self._worker(name) for name in names]

    def _worker(self, name: str) -> sessions.Worker:
        """Signed in without the cost of a password."""
        table = schema.workers
        with self.desk.database.write() as connection:
            worker_id = connection.scalar(select(table.c.id).where(table.c.name == name))
            session = sessions.start_session(self.desk, connection, worker_id=worker_id, name=name)
        return sessions.authenticate(self.desk, session.token)

    def take(self) -> list[str]:
        return [tasks.next_task(self.desk, person).task for person in self.people]

    def at_once(self, *actions) -> list[Future]:
        """Start all actions while the loop's row is held, so that they go on in one moment."""
        table, database = schema.human_loops, self.desk.database
        with ThreadPoolExecutor(len(actions)) as rooms:
            if database.engine.dialect.name == "sqlite":
                return [rooms.submit(action) for action in actions]
            with database.write() as connection:
                loop_id = connection.scalar(select(table.c.id).where(table.c.name == self.loop))
                lock_loop(connection, loop_id)
                started = [rooms.submit(action) for action in actions]
                wait_for(lambda: self._waiting() == len(actions) or all(done.done() for done in started))
            return started

    def _waiting(self) -> int:
        """How many connections PostgreSQL holds at a lock."""
        held = text(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        with self.desk.database.read() as connection:
            return int(connection.scalar(held))

    def status(self) -> str:
        return str(loops.describe(self.desk, self.loop)["HumanLoopStatus"])

    def outputs(self) -> list[dict]:
        outbox.deliver_due(self.desk)
        taken = [body for key, body in self.desk.store.taken if f"/{self.loop}/" in key]
        return [json.loads(body) for body in taken]


def test_two_last_answers_write_one_output_with_both(desk):
    night = Night(desk, people=2, TaskCount=2)
    given = list(zip(night.people, night.take(), strict=True))
    for done in night.at_once(*(lambda p=p, t=t: submission.answer(desk, p, t, ANSWER) for p, t in given)):
        done.result()
    assert [len(output["humanAnswers"]) for output in night.outputs()] == [2]
    assert night.status() == "Completed"


def test_the_same_answer_sent_twice_at_once_is_one_answer(desk):
    night = Night(desk, people=1)
    [person], [task] = night.people, night.take()
    for done in night.at_once(*[lambda: submission.answer(desk, person, task, ANSWER)] * 3):
        assert done.result().loop == night.loop
    assert [len(output["humanAnswers"]) for output in night.outputs()] == [1]


def test_the_last_two_to_leave_a_stopping_loop_end_it(desk):
    night = Night(desk, people=2, TaskCount=2)
    (first, second), (answered, declined) = night.people, night.take()
    lifecycle.stop(desk, night.loop)
    assert night.status() == "Stopping"
    leaving = night.at_once(
        lambda: submission.answer(desk, first, answered, ANSWER),
        lambda: tasks.decline(desk, second, declined, ""),
    )
    for done in leaving:
        done.result()
    night.outputs()
    assert night.status() == "Stopped"


def test_stopping_while_the_last_answer_arrives_ends_the_loop_once(desk):
    night = Night(desk, people=1)
    [person], [task] = night.people, night.take()
    both = night.at_once(
        lambda: submission.answer(desk, person, task, ANSWER), lambda: lifecycle.stop(desk, night.loop)
    )
    for done in both:
        done.result()
    assert [len(output["humanAnswers"]) for output in night.outputs()] == [1]
    assert night.status() in ("Completed", "Stopped")


def test_an_answer_and_the_end_of_its_time_agree_on_one_of_the_two(desk):
    night = Night(desk, people=1, TaskTimeLimitInSeconds=60)
    [person], [task] = night.people, night.take()
    answering, _ = night.at_once(
        lambda: submission.answer(desk, person, task, ANSWER), lambda: _sweep_later(desk, seconds=61)
    )
    acknowledged = answering.exception() is None
    assert [len(output["humanAnswers"]) for output in night.outputs()] == [1] * acknowledged
    assert (tasks.next_task(desk, person) is None) == acknowledged


def _sweep_later(desk: Desk, *, seconds: int) -> None:
    desk.clock.now_ms += seconds * 1000
    housekeeping.sweep(desk)


def test_browsers_that_ask_at_once_never_share_a_copy(desk):
    night = Night(desk, people=1, TaskCount=3)
    [person] = night.people
    others = [night._worker(person.name) for _ in range(5)]
    asked = night.at_once(*(lambda w=w: tasks.next_task(desk, w) for w in [person, *others]))
    assert [done.result() is None for done in asked].count(False) == 1
    table = schema.assignments
    with desk.database.read() as connection:
        copies = select(func.count()).where(table.c.worker_id == person.id)
        assert connection.scalar(copies) == 1
    loop = schema.human_loops
    with desk.database.read() as connection:
        assert connection.scalar(select(loop.c.open_slots).where(loop.c.name == night.loop)) == 2


def test_two_processes_count_the_first_call_of_an_operation(desk):
    counters = [OperationCounts(desk.database) for _ in range(4)]
    before = counters[0].totals().get("DescribeHumanLoop", 0)
    for counter in counters:
        counter.add("DescribeHumanLoop")
    with ThreadPoolExecutor(4) as processes:
        list(processes.map(OperationCounts.flush, counters))
    assert counters[0].totals()["DescribeHumanLoop"] == before + 4


def test_an_hour_without_s3_loses_nothing_and_asks_it_seldom(desk):
    night = Night(desk, people=1)
    [person], [task] = night.people, night.take()
    submission.answer(desk, person, task, ANSWER)
    desk.store.away = True
    for _ in range(3600 // 15):
        desk.clock.now_ms += 15_000
        outbox.deliver_due(desk)
    assert night.status() == "InProgress"
    assert 3600 // 20 <= desk.store.tries <= 3600 // 15
    desk.store.away = False
    desk.clock.now_ms += 15_000
    [output] = night.outputs()
    assert len(output["humanAnswers"]) == 1
    assert night.status() == "Completed"


def test_a_team_and_a_person_made_by_many_at_once_are_one(url):
    """Each from a process of its own, as far as the database can tell."""
    team, name = unique("team"), unique("person")
    databases = [open_database(url) for _ in range(3)]

    def add(database, person: str) -> bool:
        return workers.add_worker(database, 1, team=team, name=person, password=PASSWORD)

    try:
        with ThreadPoolExecutor(2) as rooms:
            with databases[0].write() as connection:
                team_id = teams.ensure_team(connection, team, 1)
                if url.startswith("sqlite"):
                    started = []
                else:
                    started = [rooms.submit(add, database, unique("person")) for database in databases[1:]]
                    held = text(
                        "SELECT count(*) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
                    )
                    wait_for(lambda: connection.scalar(held) == 2)
            assert [done.result() for done in started] == [True] * len(started)
        with ThreadPoolExecutor(3) as rooms:
            assert sorted(rooms.map(lambda database: add(database, name), databases)) == [False, False, True]
        with databases[0].read() as connection:
            query = select(schema.workteams.c.id).where(schema.workteams.c.name == team)
            assert connection.scalars(query).all() == [team_id]
    finally:
        for database in databases:
            database.close()
