"""Nothing acknowledged is ever lost: kill -9 of the desk at any moment, S3 away, PostgreSQL crashing."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import select, update

from include.review_desk.storage import schema
from tests.support.desk import BUCKET, Site, flow_request, input_content, s3_client, unique
from tests.support.postgres import PostgresServer, postgres_binaries
from tests.support.reviewer import box
from tests.support.servers import free_port, wait_for


def queue(site) -> dict:
    return json.loads(site.get("/_status")[1])["queue"]


def test_a_kill_right_after_the_answer_loses_nothing(any_flow):
    flow = any_flow
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


def test_s3_away_loses_nothing_and_completes_nothing(any_flow):
    flow = any_flow
    site, person = flow.site, flow.reviewer()
    loops = [flow.start() for _ in range(3)]
    # Answers of the tests before may still be held for correction.
    wait_for(lambda: queue(site)["outputs_not_written"] == 0)
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


def test_a_bucket_that_refuses_holds_up_nobody_else(any_flow):
    flow, site = any_flow, any_flow.site
    request = flow_request(unique("lost"), flow.team, flow.ui)
    bucket = unique("later")
    request["OutputConfig"]["S3OutputPath"] = f"s3://{bucket}"
    lost_arn = site.client("sagemaker").create_flow_definition(**request)["FlowDefinitionArn"]
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


def test_killing_the_desk_again_and_again_loses_no_acknowledged_answer(any_flow):
    flow, desk = any_flow, any_flow.site.desk
    loops = [flow.start() for _ in range(40)]
    people = [flow.reviewer() for _ in range(4)]
    acknowledged: list[str] = []

    def work(person) -> None:
        while task := patiently(desk, person.next):
            status, body = patiently(desk, lambda: person.answer(task, [box()]))
            assert status == 200, body
            acknowledged.append(task["loop"])

    vanished = flow.reviewer()
    abandoned = vanished.next()
    with ThreadPoolExecutor(4) as crowd:
        working = [crowd.submit(work, person) for person in people]
        for moment in sorted(random.sample(range(1, 36), 2)):
            wait_for(lambda moment=moment: len(acknowledged) >= moment)
            desk.stop(signal.SIGKILL)
            let_time_run_out(flow.site, abandoned["task"])
            desk.start()
        for done in working:
            done.result()
    # Whoever came to an empty queue before the abandoned loop was given back has gone home.
    work(people[0])
    assert sorted(acknowledged) == sorted(loops)
    for loop in loops:
        assert flow.ended(loop)["HumanLoopStatus"] == "Completed"
        assert len(flow.output(loop)["humanAnswers"]) == 1
    assert vanished.answer(abandoned)[0] == 409


def let_time_run_out(site: Site, task: str) -> None:
    """As if the task's time limit had passed while the desk was down."""
    assignments = schema.assignments
    with site.database.write() as connection:
        connection.execute(update(assignments).where(assignments.c.task == task).values(lease_expires_ms=0))


class DeadlyS3(ThreadingHTTPServer):
    """Passes requests on to S3. Once armed it kills the desk when S3 has taken an object."""

    daemon_threads = True

    def __init__(self, s3_port: int) -> None:
        super().__init__(("127.0.0.1", free_port()), PassOn)
        self.s3_port = s3_port
        self.port = self.server_address[1]
        self.bodies: list[bytes] = []
        self.kill = None
        threading.Thread(target=self.serve_forever, daemon=True).start()


class PassOn(BaseHTTPRequestHandler):
    server: DeadlyS3
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        connection = http.client.HTTPConnection("127.0.0.1", self.server.s3_port, timeout=30)
        connection.request("PUT", self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        self.server.bodies.append(body)
        if kill := self.server.kill:
            self.server.kill = None
            kill()
            self.close_connection = True
            return
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture(params=["sqlite", "postgresql"])
def deadly_site(request: pytest.FixtureRequest, tmp_path, desk_s3):
    """A desk of its own whose way to S3 is in the test's hand."""
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_server").create_database()
    s3 = DeadlyS3(desk_s3.port)
    site = Site(tmp_path, s3, url)
    try:
        site.desk.start()
        yield site
    finally:
        site.close()
        s3.shutdown()
        s3.server_close()


def test_a_kill_between_the_yes_of_s3_and_the_note_writes_the_same_bytes_again(deadly_site, desk_s3):
    site, s3 = deadly_site, deadly_site.s3_server
    flow = site.make_flow()
    loop, person = flow.start(), flow.reviewer()
    s3.kill = lambda: site.desk.stop(signal.SIGKILL)
    task = person.next()
    # The desk may die before its answer has left it; the answer was committed before S3 heard of it.
    with contextlib.suppress(OSError, http.client.HTTPException):
        assert person.answer(task, [box()])[0] == 200
    site.desk.process.wait(30)
    assert len(s3.bodies) == 1
    loops = schema.human_loops
    with site.database.read() as connection:
        assert connection.scalar(select(loops.c.status).where(loops.c.name == loop)) == "InProgress"
    site.desk.start()
    assert flow.ended(loop)["HumanLoopStatus"] == "Completed"
    assert len(s3.bodies) == 2
    assert s3.bodies[0] == s3.bodies[1]
    assert json.loads(s3.bodies[0])["humanAnswers"][0]["answerContent"]["annotatedResult"]["boundingBoxes"]
    assert person.answer(task, [box()])[0] == 200
    uri = flow.a2i.describe_human_loop(HumanLoopName=loop)["HumanLoopOutput"]["OutputS3Uri"]
    stored = s3_client(desk_s3.port).get_object(Bucket=BUCKET, Key=uri.removeprefix(f"s3://{BUCKET}/"))
    assert stored["Body"].read() == s3.bodies[0]


@pytest.fixture
def fragile_postgres():
    """A PostgreSQL server that may crash; as in service, it waits for its disk."""
    server = PostgresServer(postgres_binaries(), free_port(), fsync=True)
    try:
        server.start()
        yield server
    finally:
        server.remove()


def test_a_crash_of_postgresql_under_the_desk_loses_nothing(fragile_postgres, desk_s3, tmp_path):
    site = Site(tmp_path, desk_s3, fragile_postgres.create_database())
    try:
        site.desk.start()
        flow = site.make_flow()
        loops, person = [flow.start(), flow.start()], flow.reviewer()
        assert person.answer(person.next(), [box()])[0] == 200
        task = person.next()
        fragile_postgres.crash()
        assert person.answer(task, [box()])[0] == 500
        assert site.get("/healthz")[0] == 503
        fragile_postgres.start()
        wait_for(lambda: person.answer(task, [box()])[0] == 200)
        for loop in loops:
            wait_for(lambda loop=loop: person_sees(flow, loop) == "Completed")
            assert len(flow.output(loop)["humanAnswers"]) == 1
    finally:
        site.close()


def person_sees(flow, loop: str) -> str | None:
    """The loop's status; None while the desk gets its connections back."""
    try:
        return flow.status(loop)
    except flow.a2i.exceptions.ClientError:
        return None


def patiently(desk, request):
    """What a good client does: repeat the request, unchanged, until there is an answer."""
    while True:
        try:
            return request()
        except (OSError, ValueError, http.client.HTTPException):
            wait_for(desk.is_up, 40)
