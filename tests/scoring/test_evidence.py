"""What a batch transform that left images out proves about them: every case of the rule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secondlook.scoring.evidence import ENOUGH_REFUSALS, Evidence, Verdict

# Ten images were sent, three are missing, and the job refused them.
REFUSED_ONCE = Evidence(
    images=10,
    missing=3,
    refusals=1,
    has_control=False,
    succeeded=False,
    failed_for_good=True,
    refused=True,
)
BROKE_OFF = replace(REFUSED_ONCE, refusals=0, failed_for_good=False, refused=False)


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        (replace(REFUSED_ONCE, missing=0), Verdict.COMPLETE),
        (REFUSED_ONCE, Verdict.CONTINUE),
        (replace(REFUSED_ONCE, refusals=ENOUGH_REFUSALS), Verdict.REFUSED),
        # More are missing than were sent: outputs of earlier waves are gone.
        (replace(REFUSED_ONCE, missing=11), Verdict.OUTPUT_LOST),
        (replace(REFUSED_ONCE, missing=11, refusals=ENOUGH_REFUSALS), Verdict.OUTPUT_LOST),
        # A job that calls itself Completed has written nothing, or only some.
        (replace(BROKE_OFF, missing=10, succeeded=True), Verdict.OUTPUT_LOST),
        (replace(BROKE_OFF, succeeded=True), Verdict.CONTINUE),
        # Stopped, no capacity, a fault of the service: with or without some output it proves nothing.
        (BROKE_OFF, Verdict.JOB_FAILED),
        (replace(BROKE_OFF, missing=10), Verdict.JOB_FAILED),
        # It failed for good and answered about nothing at all.
        (replace(BROKE_OFF, missing=10, failed_for_good=True), Verdict.UNPROVED),
        (replace(BROKE_OFF, missing=10, failed_for_good=True, has_control=True), Verdict.JOB_FAILED),
    ],
)
def test_what_follows_from_the_evidence(evidence: Evidence, verdict: Verdict) -> None:
    assert evidence.verdict is verdict
