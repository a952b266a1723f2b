"""Twenty people at once over real HTTP: each loop to as many people as it asks for, on both databases."""

from __future__ import annotations

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from include.review_desk.storage import schema
from tests.support.desk import BUCKET, flow_request, unique
from tests.support.reviewer import Reviewer, box
from tests.support.servers import wait_for

PEOPLE, ONCE, TWICE = 20, 450, 50


def second_flow(flow, **loop_config):
    """Another flow definition for the same team."""
    name = unique("flow")
    request = flow_request(name, flow.team, flow.ui, **loop_config)
    arn = flow.site.client("sagemaker").create_flow_definition(**request)["FlowDefinitionArn"]
    return type(flow)(flow.site, name, arn, flow.team, flow.ui, flow.a2i)


def start_loops(flow, count: int) -> list[str]:
    with ThreadPoolExecutor(8) as starters:
        return list(starters.map(lambda _: flow.start(), range(count)))


def outputs_not_written(site) -> int:
    return int(json.loads(site.get("/_status")[1])["queue"]["outputs_not_written"])


class Crowd:
    """What twenty people were given; every browser notes it before it answers."""

    def __init__(self, flow) -> None:
        self.flow = flow
        self.given: Counter[str] = Counter()
        self.pairs: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def work(self, browser: Reviewer) -> None:
        while task := self._next(browser):
            with self._lock:
                self.given[task["loop"]] += 1
                self.pairs[task["loop"], browser.name] += 1
            status, body = browser.answer(task, [box()])
            assert status == 200, body

    @staticmethod
    def _next(browser: Reviewer):
        # As the portal asks: the page itself comes in a frame of its own.
        status, task = browser.call("/worker/tasks/next", {"view": "frame"})
        assert status in (200, 204), task
        return task

    def browsers(self) -> list[Reviewer]:
        """One for each person, and a second one for every fourth."""
        names = [unique("crowd") for _ in range(PEOPLE)]
        for name in names:
            self.flow.site.add_worker(self.flow.team, name)
        with ThreadPoolExecutor(4) as doors:
            return list(doors.map(lambda name: Reviewer(self.flow.site.url, name), names + names[::4]))


# Some thousand requests and their commits to disk: a busy machine shall not fail for its slowness.
@pytest.mark.timeout(600)
def test_twenty_people_answer_five_hundred_loops_exactly_once(any_flow):
    single, double = any_flow, second_flow(any_flow, TaskCount=2)
    crowd = Crowd(single)
    browsers = crowd.browsers()
    once, twice = start_loops(single, ONCE), start_loops(double, TWICE)
    with ThreadPoolExecutor(len(browsers)) as rooms:
        list(rooms.map(crowd.work, browsers))
    assert crowd.given == Counter(dict.fromkeys(once, 1) | dict.fromkeys(twice, 2))
    assert set(crowd.pairs.values()) == {1}
    wait_for(lambda: outputs_not_written(single.site) == 0, 180)
    check_loops(single, once, people=1)
    check_loops(double, twice, people=2)


def check_loops(flow, names: list[str], *, people: int) -> None:
    """All completed, each with answers of so many people, each with its output.json and no other."""
    loops, assignments = schema.human_loops, schema.assignments
    with flow.site.database.read() as connection:
        rows = connection.execute(
            select(
                loops.c.name,
                loops.c.status,
                loops.c.output_uri,
                loops.c.open_slots,
                func.count(assignments.c.worker_id.distinct()).label("people"),
            )
            .join(assignments, assignments.c.loop_id == loops.c.id)
            .where(loops.c.flow_name == flow.name, assignments.c.state == "answered")
            .group_by(loops.c.id)
        ).all()
    assert {row.name for row in rows} == set(names)
    assert {(row.status, row.open_slots, row.people) for row in rows} == {("Completed", 0, people)}
    pages = flow.site.client("s3").get_paginator("list_objects_v2")
    found = [
        f"s3://{BUCKET}/{entry['Key']}"
        for page in pages.paginate(Bucket=BUCKET, Prefix=f"reviews/a2i/{flow.name}/")
        for entry in page["Contents"]
    ]
    assert Counter(found) == Counter(row.output_uri for row in rows)
    for name in names[:: len(names) // 10]:
        answers = flow.output(name)["humanAnswers"]
        assert len({answer["workerId"] for answer in answers}) == len(answers) == people
