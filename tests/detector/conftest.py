"""A training job and a server as SageMaker would run them: processes of the detector's own environment."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.detector.jobs import (
    HYPERPARAMETERS,
    PYTHON,
    ROOT,
    SCRIPTS,
    Job,
    Outcome,
    Scene,
    draw_scene,
    manifest_stream,
    serve,
)
from tests.support.lanes import starts


@pytest.fixture(scope="session")
def scenes() -> list[Scene]:
    return [draw_scene(seed) for seed in range(48)]


@pytest.fixture
@starts("server")
def job(tmp_path: Path) -> Job:
    return Job(tmp_path / "ml", dict(HYPERPARAMETERS))


@pytest.fixture(scope="session")
@starts("server")
def trained(tmp_path_factory: pytest.TempPathFactory, scenes: list[Scene]) -> Outcome:
    """A tiny model, trained once from an augmented manifest in Pipe mode."""
    job = Job(tmp_path_factory.mktemp("trained") / "ml", HYPERPARAMETERS | {"num_training_samples": "40"})
    job.pipe("train", manifest_stream(scenes[:40])).pipe("validation", manifest_stream(scenes[40:]))
    outcome = job.run()
    assert outcome.exit_code == 0, outcome.output
    return outcome


@pytest.fixture(scope="session")
def server(trained: Outcome):
    running = serve(trained.model.parent)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
@starts("server")
def run_script():
    """Run a script of ``tests/detector/scripts`` in the detector's environment and return its output."""

    def run(name: str, *arguments: object) -> str:
        finished = subprocess.run(
            [PYTHON, "-W", "ignore", str(SCRIPTS / name), *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    return run
