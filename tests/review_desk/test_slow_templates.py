"""Templates that compute for as long as they may hold up only those who sent them."""

from __future__ import annotations

import json
import signal
import threading
import urllib.request
from pathlib import Path

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.desk import S3Server, Site
from tests.support.reviewer import box

# More than the desk has threads for requests.
CALLS = 60
SLOW = "{% for i in (1..49000) %}{% if task.input.a == task.input.a %}{% endif %}{% endfor %}"


@pytest.fixture
def busy_site(tmp_path: Path, desk_s3: S3Server):
    site = Site(tmp_path, desk_s3)
    site.desk.start()
    yield site
    # Not in order, which would wait for all the templates.
    site.desk.stop(signal.SIGKILL)
    site.close()


def test_health_pages_and_answers_do_not_wait_for_slow_templates(busy_site: Site):
    flow = busy_site.make_flow()
    person = flow.reviewer()
    loops = {flow.start() for _ in range(3)}
    config = Config(max_pool_connections=CALLS, retries={"total_max_attempts": 1}, read_timeout=300)
    sagemaker = busy_site.client("sagemaker", config=config)
    content = json.dumps({"a": list(range(18_000))})
    role = "arn:aws:iam::111122223333:role/reviews"
    sent = threading.Barrier(CALLS + 1)
    told: list[str] = []

    def call() -> None:
        sent.wait()
        try:
            answer = sagemaker.render_ui_template(
                UiTemplate={"Content": SLOW}, Task={"Input": content}, RoleArn=role
            )
            told.append(answer["Errors"][0]["Code"])
        except (BotoCoreError, ClientError):
            # The desk was killed at the end.
            return

    callers = [threading.Thread(target=call, daemon=True) for _ in range(CALLS)]
    for caller in callers:
        caller.start()
    sent.wait()
    answered = set()
    for _ in loops:
        with urllib.request.urlopen(f"{busy_site.url}/healthz", timeout=60) as health:
            assert health.status == 200
        task = person.next()
        assert task is not None
        status, body = person.answer(task, [box()])
        assert status == 200
        answered.add(body["loop"])
    assert answered == loops
    # All that was done while most of the templates were still to be rendered.
    assert len(told) < CALLS / 2
    assert set(told) <= {"TemplateLimitExceeded"}
