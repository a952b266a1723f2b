"""The fault table in its short form: every remote call of a night struck once. ``make faults`` does all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("programs")

FOLDER = Path(__file__).parent
TASKS = {
    *("plan", "deploy", "score", "score_archive", "scored", "launch", "await_reviews", "manifest"),
    *("train", "evaluate", "promote", "deploy_champion", "cleanup"),
}
CALLS = 300
"""A night makes some more than that; with fewer the harness would not see them all."""


@pytest.mark.timeout(1800)
def test_every_remote_call_of_a_night_may_fail_once(tmp_path: Path) -> None:
    report = tmp_path / "faults.json"
    done = subprocess.run(
        [sys.executable, str(FOLDER), "--short", "--report", str(report)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    found = json.loads(report.read_text())
    assert {line["operator"] for line in found["by_operator"]} == TASKS
    total = found["total"]
    assert total["faults"] >= CALLS
    assert total == {
        "faults": total["faults"],
        "survived": total["faults"],
        "duplicates": 0,
        "losses": 0,
        "stuck": 0,
    }
