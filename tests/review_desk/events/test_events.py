"""Ended loops are announced with Amazon A2I's event, at least once, whatever becomes of desk and receiver."""

from __future__ import annotations

import hashlib
import hmac
import re
import signal

from include.review_desk.events.delivery import KEEP_MS, drop_old
from include.review_desk.storage import schema
from tests.review_desk.events.receivers import SECRET
from tests.support.aws import ACCOUNT_ID, REGION
from tests.support.desk import BUCKET
from tests.support.reviewer import box
from tests.support.servers import wait_for

UNRENDERABLE = '<crowd-form>{{ "not s3" | grant_read_access }}</crowd-form>'
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def finish(flow):
    """Start a loop and answer it."""
    person = flow.reviewer()
    loop = flow.start()
    person.answer(person.next(), [box()])
    return loop


def test_a_completed_loop_is_announced_byte_for_byte_as_amazon_a2i_does(announcing_site, receiver, queue):
    flow = announcing_site.make_flow()
    loop = finish(flow)
    received = wait_for(lambda: receiver.of(loop))[0]
    described = flow.a2i.describe_human_loop(HumanLoopName=loop)
    event = received.event
    created = described["CreationTime"]
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:human-loop/{loop}"
    expected = (
        f'{{"version":"0","id":"{event["id"]}","detail-type":"SageMaker A2I HumanLoop Status Change",'
        f'"source":"aws.sagemaker","account":"{ACCOUNT_ID}","time":"{event["time"]}","region":"{REGION}",'
        f'"resources":["{arn}"],'
        f'"detail":{{"creationTime":"{created:%Y-%m-%dT%H:%M:%S}.{created.microsecond // 1000:03d}Z",'
        f'"failureCode":null,"failureReason":null,"flowDefinitionArn":"{flow.arn}","humanLoopArn":"{arn}",'
        f'"humanLoopName":"{loop}",'
        f'"humanLoopOutput":{{"outputS3Uri":"{described["HumanLoopOutput"]["OutputS3Uri"]}"}},'
        f'"humanLoopStatus":"Completed"}}}}'
    )
    assert received.body.decode() == expected
    assert UUID.fullmatch(event["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["time"])
    assert event["time"] >= f"{created:%Y-%m-%dT%H:%M:%SZ}"
    assert event["detail"]["humanLoopOutput"]["outputS3Uri"].startswith(f"s3://{BUCKET}/")
    assert wait_for(lambda: queue.of(loop)) == [event]
    assert received.headers["content-type"] == "application/json"
    signature = hmac.new(SECRET.encode(), received.body, hashlib.sha256).hexdigest()
    assert received.headers["x-review-desk-signature"] == f"sha256={signature}"


def test_failed_and_stopped_loops_are_announced_and_none_other(announcing_site, receiver):
    broken = announcing_site.make_flow(UNRENDERABLE)
    failed = broken.start()
    flow = announcing_site.make_flow()
    stopped, waiting = flow.start(), flow.start()
    flow.a2i.stop_human_loop(HumanLoopName=stopped)
    doomed = announcing_site.make_flow()
    removed = doomed.start()
    announcing_site.client("sagemaker").delete_flow_definition(FlowDefinitionName=doomed.name)
    expiring = announcing_site.make_flow(TaskAvailabilityLifetimeInSeconds=1)
    expired = expiring.start()

    details = {
        loop: wait_for(lambda loop=loop: receiver.of(loop))[0].event["detail"]
        for loop in (failed, stopped, removed, expired)
    }
    assert {loop: details[loop]["humanLoopStatus"] for loop in details} == {
        failed: "Failed",
        stopped: "Stopped",
        removed: "Stopped",
        expired: "Failed",
    }
    assert details[failed]["failureCode"] == "ValidationError"
    assert "grant_read_access" in details[failed]["failureReason"]
    assert details[failed]["humanLoopOutput"] is None
    assert details[expired]["failureCode"] == "Expired"
    assert details[stopped]["failureCode"] is None
    assert details[stopped]["humanLoopOutput"]["outputS3Uri"].endswith(f"/{stopped}/output.json")
    assert not receiver.of(waiting)
    ids = [received.event["id"] for received in receiver.received]
    assert len(ids) == len(set(ids)) == 4


def test_a_receiver_that_is_away_loses_nothing_and_does_not_delay_the_queue(announcing_site, receiver, queue):
    refusals = iter([500, 404, 302, 429])
    receiver.reply = lambda _received: next(refusals, 200)
    loop = finish(announcing_site.make_flow())
    (queued,) = wait_for(lambda: queue.of(loop))
    attempts = wait_for(lambda: len(receiver.of(loop)) >= 5 and receiver.of(loop))
    assert len({attempt.body for attempt in attempts}) == 1
    assert attempts[0].event == queued
    wait_for(lambda: not _rows(announcing_site))
    assert len(receiver.of(loop)) == 5
    log = announcing_site.desk.log.read_text()
    assert '"reason": "HTTP 500"' in log
    assert receiver.url not in log
    assert loop not in log


def test_a_kill_between_sending_and_noting_sends_the_same_event_again(announcing_site, receiver, queue):
    flow = announcing_site.make_flow()

    def kill_first(_received):
        receiver.reply = lambda _received: 200
        announcing_site.desk.stop(signal.SIGKILL)
        return 200

    receiver.reply = kill_first
    loop = flow.start()
    flow.a2i.stop_human_loop(HumanLoopName=loop)
    wait_for(lambda: announcing_site.desk.process.poll() is not None)
    announcing_site.desk.start()
    attempts = wait_for(lambda: len(receiver.of(loop)) == 2 and receiver.of(loop))
    assert attempts[0].body == attempts[1].body
    assert {event["id"] for event in wait_for(lambda: queue.of(loop))} == {attempts[0].event["id"]}


def test_events_that_nobody_takes_are_dropped_after_fourteen_days(announcing_site, receiver):
    receiver.reply = lambda _received: 503
    loop = finish(announcing_site.make_flow())
    wait_for(lambda: receiver.of(loop))
    announcing_site.desk.stop()
    rows = _rows(announcing_site)
    assert [row.destination for row in rows] == ["webhook"]
    assert rows[0].last_error == "HTTP 503"
    desk = _Clockwork(announcing_site.database, rows[0].created_ms + KEEP_MS)
    assert drop_old(desk) == 0
    desk.now_ms += 1
    assert drop_old(desk) == 1
    assert _rows(announcing_site) == []


class _Clockwork:
    """As much of a desk as dropping needs, with a clock of its own."""

    def __init__(self, database, now_ms):
        self.database, self.now_ms = database, now_ms

    def clock(self):
        return self.now_ms


def _rows(site):
    with site.database.read() as connection:
        return connection.execute(schema.events.select()).all()
