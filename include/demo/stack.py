"""All services, started in an order that lets the slow one (Airflow) overlap with the rest."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from include.demo.airflow_api import AirflowApi
from include.demo.airflow_programs import READY_SECONDS, airflow_programs, migrate_program
from include.demo.demo_settings import (
    DRAWN,
    PHOTOS,
    POOLS_FILE,
    Follower,
    batch_size,
    demo_settings,
    for_person,
)
from include.demo.drawn import DrawnSizes
from include.demo.machine import clean_environment
from include.demo.prepare import load_index
from include.demo.processes import Program, ServiceFailed
from include.demo.services import (
    START_SECONDS,
    add_workers,
    desk_program,
    give_airflow_access,
    is_ready,
    reviewers_program,
    s3_client,
    s3_is_ready,
    s3_program,
    sagemaker_program,
)
from include.demo.state import PERSON, REVIEWERS, ROOT
from include.demo.upload import truth_lines, upload_archive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from include.demo.archive import Archive
    from include.demo.processes import Supervisor
    from include.demo.progress import Progress
    from include.demo.state import State

DAGS = ("bootstrap_detector", "review_workflow", "nightly_detection", "cleanup")
PREPARE_SECONDS = 1800.0


class Stack:
    """One running set of services over one state folder.

    `for_me`: its reviewer is a person. `sizes`: how many pictures are drawn.
    """

    def __init__(
        self,
        state: State,
        supervisor: Supervisor,
        progress: Progress,
        for_me: bool = False,
        sizes: DrawnSizes | None = None,
    ) -> None:
        self.for_me = for_me
        self.sizes = sizes or DrawnSizes()
        self.state = state
        self.supervisor = supervisor
        self.progress = progress
        self.airflow = AirflowApi(state)
        self._told: set[str] = set()

    def start(self, seed: int, data: Path | None) -> Archive:
        """Start everything, the archive in S3 included; raises `ServiceFailed` naming what did not start."""
        self.supervisor.start(s3_program(self.state))
        index = self.state.folder / "archive.json"
        if index.exists():
            self.progress.say(
                "starting S3; the archive stays that of the first start, whatever SEED and DATA say"
            )
        else:
            self.progress.say(
                "starting S3, drawing the archive" if data is None else f"starting S3, dealing {data}"
            )
            self.supervisor.start(self._prepare_program(index, seed, data))
        self.supervisor.run(migrate_program(self.state), READY_SECONDS, self._waits("Airflow's database"))
        self.supervisor.wait_until("s3", lambda: s3_is_ready(self.state), START_SECONDS, self._waits("S3"))
        self.progress.say("starting Airflow, SageMaker on this machine and the Review Desk")
        give_airflow_access(self.state)
        for program in airflow_programs(self.state):
            self.supervisor.start(program)
        self.supervisor.start(sagemaker_program(self.state))
        self.supervisor.start(desk_program(self.state))
        for name, path, title in (
            ("sagemaker", "/_status", "SageMaker on this machine"),
            ("desk", "/healthz", "the Review Desk"),
        ):
            ready = partial(is_ready, self.state, name, path)
            self.supervisor.wait_until(name, ready, START_SECONDS, self._waits(title))
        add_workers(self.state, (*REVIEWERS, PERSON))
        archive = self._finish_archive(index, data)
        self._wait_for_airflow()
        return archive

    def start_reviewers(self, seed: int, *options: str) -> None:
        """Let the simulated reviewers log in and wait for work."""
        self.supervisor.start(reviewers_program(self.state, seed, *options))

    def _prepare_program(self, index: Path, seed: int, data: Path | None) -> Program:
        command = [
            *(sys.executable, "-m", "include.demo.prepare"),
            *("--archive", str(self.state.archive), "--index", str(index), "--seed", str(seed)),
            *("--sizes", json.dumps(asdict(self.sizes))),
            *(() if data is None else ("--data", str(data.resolve()))),
        ]
        return Program("archive", command, clean_environment(ROOT), ROOT, task=True)

    def _finish_archive(self, index: Path, data: Path | None) -> Archive:
        self.supervisor.wait_until("archive", index.exists, PREPARE_SECONDS, self._count_pictures)
        archive, notes = load_index(index)
        for note in notes:
            self.progress.say(f"archive: {note}")
        uploaded = self.state.folder / "uploaded"
        follower = Follower(self.state.settings_file, self.state.schedule_file)
        if uploaded.exists():
            for kept in follower.follow(self.for_me):
                self.progress.say(f"settings: {kept} stays as you set it")
        else:
            self.state.truth_file.write_bytes(truth_lines(archive))
            base = DRAWN if data is None else PHOTOS
            schedule = for_person(base) if self.for_me else base
            batch = batch_size(archive.validation_images())
            follower.begin(base, self.for_me, demo_settings(archive.labels, schedule, batch))
            count = upload_archive(s3_client(self.state), archive)
            uploaded.touch()
            self.progress.say(
                f"archive: {count} objects in S3, {len(archive.nights)} nights from {archive.nights[0]}"
            )
        return archive

    def _waits(self, what: str) -> Callable[[], None]:
        return lambda: self.progress.count(f"waiting for {what}")

    def _count_pictures(self) -> None:
        done = sum(1 for _ in self.state.archive.rglob("*.jpg"))
        self.progress.count(f"archive: {done} pictures so far")

    def _wait_for_airflow(self) -> None:
        self.supervisor.wait_until(
            "airflow-api-server",
            self.airflow.is_healthy,
            READY_SECONDS,
            self._waits("Airflow"),
        )
        self.airflow.create_pools(POOLS_FILE)
        self.supervisor.wait_until(
            "airflow-dag-processor", self._dags_are_parsed, READY_SECONDS, self._waits("the DAGs")
        )
        for dag_id in DAGS:
            self.airflow.unpause(dag_id)
        self.progress.say("Airflow is ready")

    def _dags_are_parsed(self) -> bool:
        errors = self.airflow.import_errors()
        if errors and self.supervisor.restarts is None:
            raise ServiceFailed("Airflow could not read a DAG file.\n" + "\n".join(errors))
        for error in errors:
            if error not in self._told:
                self._told.add(error)
                self.progress.say(
                    f"Airflow could not read a DAG file; it reads it again once that is fixed.\n{error}"
                )
        return self.airflow.knows(DAGS)
