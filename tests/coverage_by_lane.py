"""``make coverage``: run each lane of tests and print the share of the code's lines that it runs.

A figure to look at, no gate. Servers that the tests start are measured, too, unless a test kills them. The
arguments are the command of pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# An installed package is called tests, too; a folder without __init__.py would lose against it.
sys.modules["tests"] = types.ModuleType("tests")
sys.modules["tests"].__path__ = [str(ROOT / "tests")]

from tests.support.lanes import LANES  # noqa: E402

FOLDER = ROOT / "build/coverage"
PARTS = {"plugins": "plugins/*", "services": "include/*"}


def measure(lane: str, pytest_command: list[str]) -> bool:
    """Run a lane's tests with coverage into a folder of its own; whether all passed."""
    folder = FOLDER / lane
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    environment = os.environ | {"COVERAGE_FILE": str(folder / "data")}
    command = [*pytest_command, "-m", lane, "--cov", "--cov-report=", "-q"]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


def share(lane: str, pattern: str) -> str:
    """The percentage of lines of the files that fit a pattern."""
    environment = os.environ | {"COVERAGE_FILE": str(FOLDER / lane / "data")}
    report = [sys.executable, "-m", "coverage", "report", "--format=total", "--precision=1"]
    report.append(f"--include={pattern}")
    done = subprocess.run(report, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return f"{done.stdout.strip()} %" if done.returncode == 0 else "nothing"


def main() -> int:
    """Measure all lanes, then print a line for each; exit code 1 if a test failed."""
    passed = [measure(lane, sys.argv[1:]) for lane in LANES]
    for lane in LANES:
        shares = [f"{share(lane, pattern)} of the lines of {part}" for part, pattern in PARTS.items()]
        print(f"{lane:8}", ", ".join(shares))
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
