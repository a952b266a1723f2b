"""The team's recent speed, for the forecast: whose nights are recent."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from secondlook.hooks.recent_answers import recent_seconds
from secondlook.hooks.reviews import ReviewRecords
from secondlook.hooks.store import ObjectStore
from secondlook.review import Outcome
from secondlook.review.output import CROWD_ELEMENT

ARCHIVE = date(2019, 4, 8)


def answer(project, night: date, seconds: float) -> None:
    """One answer of this night that took so long, as the service leaves it in the bucket."""
    key = f"outputs/{night}.json"
    drawn = {"boundingBoxes": [], "inputImageProperties": {"width": 64, "height": 64}}
    answered = {"answerContent": {CROWD_ELEMENT: drawn}, "timeSpentInSeconds": seconds}
    document = {"humanLoopName": "loop", "inputContent": {}, "humanAnswers": [answered]}
    project.s3.put_object(Bucket=project.bucket, Key=key, Body=json.dumps(document).encode())
    outcome = Outcome.of_loop(
        image="a.jpg", loop="loop", status="Completed", output=f"s3://{project.bucket}/{key}"
    )
    store = ObjectStore(project.bucket)
    ReviewRecords(store, project.layout, night.isoformat()).write_outcomes([outcome])


@pytest.fixture
def speed(project):
    return lambda: recent_seconds(
        ObjectStore(project.bucket), project.layout, ARCHIVE.isoformat(), "aws_default", None
    )


def test_a_night_of_an_archive_knows_how_fast_people_are_this_week(project, speed):
    assert speed() is None
    answer(project, ARCHIVE - timedelta(days=8), 5.0)
    assert speed() is None
    answer(project, ARCHIVE - timedelta(days=3), 40.0)
    assert speed() == 40.0
    answer(project, datetime.now(UTC).date() - timedelta(days=6), 12.0)
    assert speed() == 12.0
