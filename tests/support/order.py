"""The order of the test files: what takes longest comes first, so that no core waits for the last file.

``tests/durations.json`` has the seconds of the slow files, as measured by ``pytest --write-durations``. A
file that it does not know comes after those that it knows; a stale figure costs a little time and nothing
else.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

DURATIONS = Path(__file__).resolve().parents[1] / "durations.json"
WORTH_KNOWING_SECONDS = 3.0

_seconds: defaultdict[str, float] = defaultdict(float)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that renews the file."""
    parser.addoption(
        "--write-durations", action="store_true", help=f"write the seconds of each file to {DURATIONS.name}"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort files by their seconds; the tests of a file keep their order."""
    known = json.loads(DURATIONS.read_text()) if DURATIONS.exists() else {}
    items.sort(key=lambda item: -known.get(_file(item.nodeid), 0.0))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count set-up, test and teardown."""
    _seconds[_file(report.nodeid)] += report.duration


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what this run measured; other files keep the figure that they have."""
    if not session.config.getoption("--write-durations") or hasattr(session.config, "workerinput"):
        return
    known = json.loads(DURATIONS.read_text()) if DURATIONS.exists() else {}
    measured = {**known, **_seconds}
    slow = {
        file: round(seconds, 1)
        for file, seconds in sorted(measured.items(), key=lambda entry: (-entry[1], entry[0]))
        if seconds >= WORTH_KNOWING_SECONDS
    }
    DURATIONS.write_text(json.dumps(slow, indent=1) + "\n")


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0].removeprefix("tests/")
