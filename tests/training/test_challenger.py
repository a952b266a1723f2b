"""Which challenger is open, and when it is out of the way."""

from __future__ import annotations

import pytest

from secondlook.failures.exceptions import RecordError
from secondlook.training import OpenChallenger, Standing

OPEN = OpenChallenger(
    parent="champion-1",
    jobs=("second-look-a", "second-look-control-b"),
    run="dag/run",
    night="2026-11-20",
)


@pytest.mark.parametrize(
    ("champion", "job", "verdict", "standing"),
    [
        ("champion-1", None, None, Standing.NOT_STARTED),
        ("champion-1", "InProgress", None, Standing.TRAINING),
        ("champion-1", "Stopping", None, Standing.FAILED),
        ("champion-1", "Stopped", None, Standing.FAILED),
        ("champion-1", "Failed", None, Standing.FAILED),
        ("champion-1", "Completed", None, Standing.UNJUDGED),
        ("champion-1", "Completed", {"promote": True}, Standing.WON),
        ("champion-1", "Completed", {"promote": False}, Standing.LOST),
        ("champion-1", "Completed", {"promote": True, "approval": "approved"}, Standing.WON),
        ("champion-1", "Completed", {"promote": True, "approval": "rejected"}, Standing.REJECTED),
        # SageMaker forgets its jobs some day; the card stays.
        ("champion-1", None, {"promote": False}, Standing.LOST),
        ("second-look-a", "Completed", {"promote": True}, Standing.SUPERSEDED),
        ("somebody-elses", "InProgress", None, Standing.SUPERSEDED),
    ],
)
def test_a_challenger_is_open_until_nothing_can_come_of_it(champion, job, verdict, standing):
    assert OPEN.standing(champion, job, verdict) is standing
    is_open = {Standing.NOT_STARTED, Standing.TRAINING, Standing.UNJUDGED, Standing.WON}
    assert standing.decided == (standing not in is_open)


def test_the_document_survives_the_bucket():
    assert OpenChallenger.from_json(OPEN.to_json(), source="s3://b/challenger.json") == OPEN
    assert OPEN.challenger == "second-look-a"


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b'{"parent":"a","jobs":[],"run":"r","night":"n"}',
        b'{"parent":"a","jobs":3,"run":"r","night":"n"}',
    ],
)
def test_a_damaged_document_is_named_with_the_way_out(data):
    with pytest.raises(RecordError, match=r"s3://b/challenger\.json .*; delete it"):
        OpenChallenger.from_json(data, source="s3://b/challenger.json")
