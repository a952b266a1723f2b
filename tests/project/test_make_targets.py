"""The programs behind make's long targets are not run by `make test`, but they must start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = (
    "tests/benchmarks/backfill.py",
    "tests/benchmarks/desk_load.py",
    "tests/benchmarks/large_night.py",
    "tests/distributed/run.py",
    "tests/faults",
)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.usefixtures("programs")
def test_a_program_of_make_finds_what_it_imports(program: str) -> None:
    assert program in (ROOT / "Makefile").read_text(encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, ROOT / program, "--help"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage:" in done.stdout
