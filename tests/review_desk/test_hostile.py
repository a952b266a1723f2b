"""A thousand hostile requests: each is refused in one sentence, none is a 500, and nothing changes.

Refused means a 4xx that says why, as JSON or on a page; a page that needs a session may send to the sign-in
page instead (303). What uvicorn itself cannot read as HTTP it answers with a bare 400; that is counted apart.
501, "known but not done here", counts for operations of other services only, and none is asked for.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from include.review_desk.clock import system_clock
from include.review_desk.context import Desk, DeskConfig
from include.review_desk.storage import schema
from include.review_desk.storage.object_store import S3Store
from include.review_desk.storage.opening import open_database
from include.review_desk.worker_templates.rendering import Renderer
from tests.review_desk.hostile import models, protocol
from tests.review_desk.hostile import people as hostile_people
from tests.support.aws import REGION
from tests.support.desk import ACCESS_KEY, BUCKET, SECRET_KEY, Site
from tests.support.hostile import sending
from tests.support.hostile.sending import Answer, Attacker
from tests.support.hostile.signing import Request, runtime, sign
from tests.support.reviewer import box
from tests.support.servers import wait_for

SEED = 20_261_122


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def victim(request: pytest.FixtureRequest, tmp_path_factory, desk_s3):
    """A desk of its own, so that nothing else changes it meanwhile."""
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_server").create_database()
    site = Site(tmp_path_factory.mktemp(f"hostile-{request.param}"), desk_s3, url)
    try:
        site.desk.start()
        yield site
    finally:
        site.close()


@pytest.fixture(scope="module")
def people(victim: Site) -> hostile_people.People:
    flow, theirs = victim.make_flow(TaskCount=2), victim.make_flow()
    ada, eve = flow.reviewer("ada"), theirs.reviewer("eve")
    answered = flow.start()
    first = ada.next()
    assert ada.answer(first, [box()])[0] == 200
    flow.start("held")
    held = ada.next()
    waiting = flow.start()
    theirs.start()
    names = models.Names(flow.team, flow.ui, flow.name, "held")
    own = eve.next()
    assert (first["loop"], held["loop"]) == (answered, "held")
    return hostile_people.People(
        names, ada.token, held["task"], first["task"], eve.token, own["task"], waiting
    )


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The route table of a desk in this process."""
    store = S3Store(region=REGION, access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY)
    database = open_database(f"sqlite:///{tmp_path_factory.mktemp('routes')}/desk.db")
    desk = Desk(DeskConfig(), database, system_clock, Renderer(store.presign_get), store)
    yield hostile_people.pages_of(desk)
    database.close()


def everything(site: Site) -> dict[str, Any]:
    """The database but for its counters, its notes of last use and of what was tried, and what lies in S3."""
    ignored = {("api_keys", "last_used_ms")}
    found: dict[str, Any] = {}
    with site.database.read() as connection:
        for table in schema.metadata.sorted_tables:
            if table.name in ("operation_counts", "audit_trail"):
                continue
            columns = [column for column in table.columns if (table.name, column.name) not in ignored]
            found[table.name] = sorted(map(repr, connection.execute(select(*columns)).all()))
        flows = set(connection.scalars(select(schema.flow_definitions.c.name)))
    objects = site.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
    found["S3"] = sorted(
        (item["Key"], item["ETag"]) for item in objects if not is_of_another_desk(item["Key"], flows)
    )
    return found


def is_of_another_desk(key: str, flows: set[str]) -> bool:
    """An output.json of a flow that is not ours: other tests' desks share the bucket, and may write late."""
    output = re.fullmatch(r"reviews/a2i/([^/]+)/.+/output\.json", key)
    return output is not None and output[1] not in flows


def public_pages(attacker: Attacker, pages: list[hostile_people.Page], flow: str) -> set[str]:
    """Routes that anybody may read."""
    found = set()
    for page in pages:
        request = Request("public", page.method, page.at(name=flow, sha256="x", token="x"))
        if page.method == "GET" and attacker.send(request).status == 200:
            found.add(page.path)
    assert not [path for path in found if path.startswith(("/worker", "/frames", "/overview", "/answers"))]
    return found


def all_requests(people, pages, folders, public) -> Iterator[Request]:
    names = people.names
    yield from protocol.broken_documents(names)
    yield from protocol.wrong_addresses(names)
    yield from protocol.bad_signatures(names)
    yield from hostile_people.strangers(pages, people, public)
    yield from hostile_people.without_csrf(pages, people)
    yield from hostile_people.other_peoples_tasks(pages, people)
    yield from hostile_people.bad_answers(people)
    yield from hostile_people.lost(pages, folders, people)
    yield from models.fuzzed(names, SEED, 500)


def is_refused(request: Request, answer: Answer) -> bool:
    if answer.status == 303:
        return answer.location.startswith("/sign-in") and not request.path.startswith("/worker")
    said = request.method == "HEAD" or " " in answer.sentence
    return 400 <= answer.status < 500 and said


def test_a_thousand_hostile_requests_are_refused_and_change_nothing(victim, people, pages):
    routes, folders = pages
    attacker = Attacker(victim.port)
    try:
        public = public_pages(attacker, routes, people.names.flow)
        before = everything(victim)
        wrong, counts, started = [], Counter(), time.monotonic()
        for request in all_requests(people, routes, folders, public):
            answer = attacker.send(request)
            by_uvicorn = b"Invalid HTTP request" in answer.body
            counts["no HTTP for uvicorn" if by_uvicorn else request.kind, answer.status] += 1
            if not is_refused(request, answer):
                what = f"{request.kind}: {request.method} {request.path[:90]} {request.body[:200]!r}"
                headers = {name: value[:60] for name, value in request.headers.items()}
                wrong.append(f"{what} {headers} -> {answer.status} {answer.sentence[:200]!r}")
    finally:
        attacker.close()
    print(f"{counts.total()} requests in {time.monotonic() - started:.1f} s", sorted(counts.items()))
    assert not wrong, f"{len(wrong)} were not refused:\n" + "\n".join(wrong[:40])
    assert counts.total() >= 1000
    assert everything(victim) == before


def test_what_is_hardly_http_is_refused_and_changes_nothing(victim, people):
    before, statuses = everything(victim), Counter()
    for raw in sending.RAW:
        answer = sending.send_raw(victim.port, raw)
        lines = re.findall(rb"HTTP/1\.1 (\d{3})", answer)
        by_uvicorn = b"Invalid HTTP request" in answer
        statuses[lines[0].decode() if lines else "closed", "uvicorn" if by_uvicorn else "desk"] += 1
        assert not [line for line in lines if line[:1] in b"5"], (raw[:100], answer[:300])
        assert all(line[:1] == b"4" or line == b"303" for line in lines), (raw[:100], answer[:300])
    print(sorted(statuses.items()))
    assert everything(victim) == before


def test_a_body_beyond_every_limit_is_refused(victim, people):
    attacker, before = Attacker(victim.port), everything(victim)
    huge = b'{"HumanLoopName": "' + b"x" * (40 * 1024 * 1024) + b'"}'
    start = sign(runtime("huge", "POST", "/human-loops", huge))
    answer = attacker.send(start)
    attacker.close()
    assert (answer.status, " bytes, more than " in answer.sentence) == (413, True)
    assert everything(victim) == before


def test_the_desk_is_well_afterwards(victim, people):
    """Whoever was attacked goes on as if nothing had been."""
    assert wait_for(lambda: victim.get("/healthz")[0] == 200)
    ada = Request(
        "good",
        "POST",
        f"/worker/tasks/{people.victims_task}/heartbeat",
        b"{}",
        {"Authorization": f"Bearer {people.victim_token}"},
    )
    attacker = Attacker(victim.port)
    assert attacker.send(ada).status == 200
    attacker.close()
    log = victim.desk.log.read_text("utf-8", "replace")
    assert "Traceback" not in log, log[log.index("Traceback") - 300 :][:3000]
