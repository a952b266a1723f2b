"""A program that says nothing is shown to be running."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from include.setup.watch import run

pytestmark = pytest.mark.usefixtures("programs")

ROOT = Path(__file__).parents[2]


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_no_silence_is_longer_than_asked_for() -> None:
    out = io.StringIO()
    done = run(python("import time; time.sleep(1)"), "Downloading", silent_seconds=0.2, stream=out)
    assert done.code == 0
    assert done.lines == []
    lines = out.getvalue().splitlines()
    assert len(lines) >= 3
    assert lines[0] == "      Downloading: 0 s so far"


def test_lines_are_passed_on_and_kept_but_for_the_list_of_packages() -> None:
    out = io.StringIO()
    program = "import sys; print('Resolved 2'); print(' + boto3==1.2', file=sys.stderr); sys.exit(3)"
    done = run(python(program), "Installing", stream=out)
    assert (done.code, done.lines) == (3, ["Resolved 2"])
    assert out.getvalue() == "      Resolved 2\n"


def test_as_a_command_it_ends_as_the_program_did() -> None:
    command = [sys.executable, "-m", "include.setup.watch", "Installing", "sh", "-c", "echo hello; exit 4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (4, "      hello\n")
