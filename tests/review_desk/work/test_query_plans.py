"""That no question asked for each task or by each page reads a whole table: SQLite says how it would look."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from include.review_desk.work import assignment, standing, statistics, submission, tasks
from tests.review_desk.in_process import clock, desk, person, start

__all__ = ["clock", "desk", "person"]

LARGE = ("human_loops", "assignments", "outbox", "sessions", "templates")


@pytest.fixture
def asked(desk, person, clock) -> list[tuple[str, Any]]:
    """The SELECTs of one person's work and of the pages around it."""
    for number in range(3):
        start(desk, f"loop-{number}", TaskCount=2)
    clock.forward(100)
    statements: list[tuple[str, Any]] = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        statements.append((statement, parameters))

    event.listen(desk.database.engine, "before_cursor_execute", note)
    try:
        with desk.database.read() as connection:
            (team_id,) = assignment.team_ids(connection, person)
        task = tasks.next_task(desk, person).task
        assignment.ahead(desk, person)
        tasks.heartbeat(desk, person, task)
        submission.answer(desk, person, task, {"a": 1}, correctable=True)
        submission.correct(desk, person, task, {"a": 2})
        tasks.next_task(desk, person)
        standing.queue(desk, person)
        standing.latest_answers(desk, person)
        statistics.team_work(desk, team_id, 14)
    finally:
        event.remove(desk.database.engine, "before_cursor_execute", note)
    return [entry for entry in statements if entry[0].startswith(("SELECT", "UPDATE"))]


def test_every_look_at_a_large_table_has_an_index(desk, asked):
    assert len(asked) > 30
    with desk.database.read() as connection:
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            for step in (str(row[3]) for row in plan):
                assert not step.startswith(tuple(f"SCAN {table}" for table in LARGE)), (statement, step)


def test_the_queue_is_in_order_without_sorting(desk, asked):
    queues = [entry for entry in asked if "open_slots > 0" in entry[0] and "ORDER BY" in entry[0]]
    assert len(queues) > 3
    with desk.database.read() as connection:
        for statement, parameters in queues:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            steps = " ".join(str(row[3]) for row in plan)
            assert "human_loops_queue" in steps
            assert "TEMP B-TREE" not in steps, (statement, steps)
