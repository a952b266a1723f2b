"""``make coverage``: run each lane of tests and print the share of the code's lines that it runs.

A figure to look at, no gate. Servers that the tests start are measured, too, unless a test kills them. The
arguments are the command of pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
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
    done = subprocess.run(
        [*report, f"--include={pattern}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{done.stdout.strip()} %" if done.returncode == 0 else "nothing"


def main() -> int:
    """Measure all lanes, then print a line for each; exit code 1 if a test failed."""
    from tests.support.lanes import LANES

    passed = [measure(lane, sys.argv[1:]) for lane in LANES]
    for lane in LANES:
        print(
            f"{lane:8}",
            *(f"{share(lane, pattern)} of the lines of {part}" for part, pattern in PARTS.items()),
        )
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
