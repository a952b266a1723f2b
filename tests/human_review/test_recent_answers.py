"""The team's recent speed, for the forecast: by the time of the answer, whatever the night."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from secondlook.hooks.s3 import ObjectStore
from secondlook.records.recent_answers import recent_seconds
from secondlook.review.output import CROWD_ELEMENT
from tests.support.reviewer import predrawn

DAY = timedelta(days=1)


def answer(project, asked: datetime, seconds: float, loop: str = "loop") -> None:
    """One answer given now that took so long, as the service leaves it in the bucket."""
    folder = f"{project.layout.a2i_output()}/{project.flow}/{asked:%Y/%m/%d/%H/%M/%S}"
    drawn = {"boundingBoxes": [], "inputImageProperties": {"width": 64, "height": 64}}
    answered = {"answerContent": {CROWD_ELEMENT: drawn}, "timeSpentInSeconds": seconds}
    document = {"humanLoopName": loop, "inputContent": {}, "humanAnswers": [answered]}
    project.put(f"{folder}/{loop}/output.json", json.dumps(document).encode())


@pytest.fixture
def store(project) -> ObjectStore:
    return ObjectStore(project.bucket, "aws_default")


@pytest.fixture
def speed(project, store):
    output = project.layout.uri(project.layout.a2i_output())
    return lambda: recent_seconds(store, output, project.flow)


def test_the_answers_of_this_week_count_however_long_ago_they_were_asked_for(project, speed):
    now = datetime.now(UTC)
    assert speed() is None
    answer(project, now - 40 * DAY, 5.0)
    assert speed() is None
    answer(project, now - 9 * DAY, 40.0)
    assert speed() == 40.0
    answer(project, now, 12.0)
    answer(project, now, 10.0, loop="another")
    assert speed() == 12.0


def test_what_cannot_be_read_is_not_known(project, speed, store):
    assert recent_seconds(store, "", project.flow) is None
    assert recent_seconds(store, "s3://no-such-bucket-anywhere/x", project.flow) is None
    key = f"{project.layout.a2i_output()}/{project.flow}/{datetime.now(UTC):%Y/%m/%d/%H/%M/%S}/x/output.json"
    project.put(key, b"{")
    assert speed() is None


def test_todays_answers_about_an_archive_tell_tonights_forecast(ready, context, reviewer, wait_until):
    old = "2019-04-08"
    ready.score([ready.prediction("old", 0.5, night=old)], old)
    ready.launch(night=old).execute(context)
    assert "no answers yet" in context["ti"].xcoms["forecast"]["text"]
    assert reviewer.answer_all(predrawn) == 1
    wait_until(lambda: list(ready.loops().values()) == ["Completed"])
    # Nobody has waited for the archive's night yet; tonight's launch knows the answer all the same.
    ready.score([ready.prediction("new", 0.5)])
    ready.launch().execute(context)
    assert "s an answer" in context["ti"].xcoms["forecast"]["text"]
