"""A night is woken by the event about its last review; events are hints, and others' stay where they are."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from typing import Any

import pytest

from secondlook.failures.exceptions import SettingsError
from secondlook.hooks.events import HumanLoopEventsHook
from secondlook.settings import parse_settings
from secondlook.triggers.human_loops import HumanLoopsTrigger
from secondlook.triggers.polling import OVER
from tests.human_review.test_waiting import deferral, fired, launched, revived
from tests.support.reviewer import predrawn

PATIENCE_SECONDS = 90


class Watched(HumanLoopsTrigger):
    """Tells when it has looked at the loops for the first time."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.looked = threading.Event()

    def is_over(self) -> bool:
        over = super().is_over()
        self.looked.set()
        return over


@pytest.fixture
def sqs(aws_clients):
    return aws_clients("sqs")


@pytest.fixture
def queue_url(sqs) -> str:
    return str(sqs.create_queue(QueueName=f"loops-{uuid.uuid4().hex[:8]}")["QueueUrl"])


def about(loop: str) -> str:
    return json.dumps({"source": "aws.sagemaker", "detail": {"humanLoopName": loop}})


def test_the_last_answer_wakes_a_night_long_before_its_next_look(ready, context, reviewer, event_queue_url):
    launched(ready, context)
    sensor = ready.await_reviews(poll_interval_seconds=3600, event_queue_url=event_queue_url)
    deferred = deferral(sensor, context)
    assert isinstance(revived(deferred), HumanLoopsTrigger)
    _, arguments = deferred.trigger.serialize()

    async def wait_while_people_answer() -> dict[str, Any]:
        trigger = Watched(**arguments)
        waiting = asyncio.create_task(fired(trigger))
        await asyncio.to_thread(trigger.looked.wait)
        assert await asyncio.to_thread(reviewer.answer_all, predrawn) == 3
        return await asyncio.wait_for(waiting, PATIENCE_SECONDS)

    assert asyncio.run(wait_while_people_answer())["status"] == OVER


async def test_a_queue_that_is_not_there_leaves_the_polling(ready, context, reviewer, queue_url, caplog):
    launched(ready, context)
    sensor = ready.await_reviews(poll_interval_seconds=0.3, event_queue_url=queue_url + "-gone")
    waiting = asyncio.create_task(fired(revived(deferral(sensor, context))))
    await asyncio.to_thread(reviewer.answer_all, predrawn)
    assert (await waiting)["status"] == OVER


async def test_only_ones_own_messages_are_taken_out(project, sqs, queue_url):
    # More than one batch: what others left in the queue must not hide ours.
    others = [about(f"of-another-night-{number}") for number in range(25)]
    bodies = [*others, "not JSON", '["detail"]', about("ours")]
    for body in bodies:
        sqs.send_message(QueueUrl=queue_url, MessageBody=body)
    assert await HumanLoopEventsHook(queue_url).wait(lambda loop: loop == "ours", PATIENCE_SECONDS)
    assert sorted(_visible(sqs, queue_url)) == sorted(bodies[:-1])


async def test_messages_of_others_make_no_hot_loop(project, sqs, queue_url):
    sqs.send_message(QueueUrl=queue_url, MessageBody=about("of-another-night"))
    assert not await HumanLoopEventsHook(queue_url).wait(lambda _loop: False, 2.5)
    (message,) = sqs.receive_message(
        QueueUrl=queue_url, MessageSystemAttributeNames=["ApproximateReceiveCount"], WaitTimeSeconds=5
    )["Messages"]
    assert 1 < int(message["Attributes"]["ApproximateReceiveCount"]) <= 4


def test_a_wrong_queue_url_is_a_sentence():
    sentence = r"review.event_queue_url = 'second-look-reviews' is not the URL of an SQS queue"
    with pytest.raises(SettingsError, match=sentence):
        parse_settings({"review": {"event_queue_url": "second-look-reviews"}}, "a test")


def _visible(sqs, url) -> list[str]:
    bodies: list[str] = []
    while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [message["Body"] for message in batch]
    return bodies
