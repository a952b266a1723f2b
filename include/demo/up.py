"""What `make up` does: everything started on a folder that is kept, and kept running until Ctrl-C."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from include.demo.airflow_api import AirflowRefused
from include.demo.airflow_programs import ADMIN
from include.demo.dag_runs import DagRun, RunFailed
from include.demo.deployment import Deployment
from include.demo.driver import DemoError, check_data, only_one, stoppable
from include.demo.postgres import PostgresUnusableError, existing_data, open_postgres
from include.demo.processes import ServiceFailed, Supervisor
from include.demo.restarts import RestartPolicy
from include.demo.services import s3_client
from include.demo.sessions import Sessions
from include.demo.shell import source_command, write_shell_file
from include.demo.stack import Stack
from include.demo.state import PERSON, REVIEWERS, open_state
from include.demo.upload import LAYOUT

if TYPE_CHECKING:
    from include.demo.driver import Options
    from include.demo.progress import Progress
    from include.demo.state import State

IDLE_SECONDS = 1.0
UNANSWERED_LOOKS = 30
FIRST_RUNS = {"bootstrap_detector": "bootstrap", "review_workflow": "review workflow"}
ON_SQLITE = "Airflow runs on SQLite: creating a backfill fails there (503, database is locked)"


def up(options: Options, progress: Progress) -> None:
    """Start everything on a state folder that is kept, and stay until interrupted.

    A service that dies is started again, and a DAG run that fails stays to be read: neither ends the rest.
    """
    if not (options.folder / "archive.json").exists():
        check_data(options.data)
    with only_one(options.folder) as lock, stoppable():
        state = open_state(options.folder)
        if state.moved:
            progress.say(
                f"another program has taken the port of {', '.join(state.moved)}: the address below is new"
            )
        with Supervisor(state.logs, RestartPolicy(), progress.say, lock) as supervisor:
            try:
                _stay(options, progress, state, supervisor)
            except KeyboardInterrupt:
                progress.say("stopping all processes; Ctrl-C once more kills what is left")
                raise


def _stay(options: Options, progress: Progress, state: State, supervisor: Supervisor) -> None:
    stack = Stack(_with_database(state, supervisor, progress), supervisor, progress, options.for_me)
    archive = stack.start(options.seed, options.data)
    if options.for_me:
        Sessions(state.sessions_file).give_back(state.url("desk"))
    else:
        stack.start_reviewers(options.seed)
    _print_addresses(stack)
    first = FirstRuns(stack, archive.nights)
    while True:
        supervisor.check()
        first.look()
        time.sleep(IDLE_SECONDS)


def _with_database(state: State, supervisor: Supervisor, progress: Progress) -> State:
    """The state with a running PostgreSQL, or as it is with a sentence about what SQLite cannot do."""
    if (state.folder / "airflow" / "airflow.db").exists():
        progress.say(
            f"{ON_SQLITE}. {state.folder} was begun on it and stays on it, so that nothing is lost; a new "
            "folder (--state, or this one deleted) takes PostgreSQL where that is installed."
        )
        return state
    begun = existing_data(state).exists()
    try:
        server = open_postgres(state)
        if not begun:
            progress.say("creating a PostgreSQL database for Airflow")
            server.set_up(supervisor)
    except (PostgresUnusableError, ServiceFailed) as error:
        if begun:
            raise DemoError(str(error)) from error
        progress.say(f"{ON_SQLITE}. {str(error).rstrip('.')}.")
        return state
    server.start(supervisor)
    options = {"database": {"sql_alchemy_conn": server.url}}
    return replace(state, deployment=Deployment(options, database_answers=server.is_ready))


@dataclass
class FirstRuns:
    """The first model and the review workflow: started when they are missing, told of until both are there.

    A run that fails stays in Airflow, to be read and cleared there; then it is followed on. What cannot be
    asked for a while is told once: one look may meet a service that is being started again, thirty do not.
    """

    stack: Stack
    nights: tuple[str, ...]
    _missing: dict[str, DagRun | None] = field(default_factory=lambda: dict.fromkeys(FIRST_RUNS))
    _failed: set[str] = field(default_factory=set)
    _unanswered: int = 0
    _ready: bool = False

    def look(self) -> None:
        """Start, follow and tell, as far as Airflow and S3 answer just now."""
        for dag_id, run in list(self._missing.items()):
            try:
                self._missing[dag_id] = run = run or self._begin(dag_id)
                if run is None or run.poll(self.stack.progress):
                    del self._missing[dag_id]
                self._failed.discard(dag_id)
            except RunFailed as error:
                self._tell_failure(dag_id, error)
            except (OSError, AirflowRefused, BotoCoreError, ClientError) as error:
                self._unanswered += 1
                if self._unanswered == UNANSWERED_LOOKS:
                    self.stack.progress.say(f"{FIRST_RUNS[dag_id]} is not known for now: {error}")
            else:
                self._unanswered = 0
        if not self._missing and not self._ready:
            self._ready = True
            self._tell_ready()

    def _begin(self, dag_id: str) -> DagRun | None:
        """A new run, or the one that an earlier start left unfinished; None when nothing is missing."""
        latest = self.stack.airflow.latest_run(dag_id)
        state = latest[1] if latest else None
        done = _has_champion(self.stack.state) if dag_id == "bootstrap_detector" else state == "success"
        if done:
            return None
        run = DagRun(self.stack.airflow, dag_id, FIRST_RUNS[dag_id], self.stack.state.logs)
        if latest and state in ("queued", "running"):
            run.run_id = latest[0]
        else:
            run.start(None, {})
        return run

    def _tell_failure(self, dag_id: str, error: RunFailed) -> None:
        run = self._missing[dag_id]
        if dag_id in self._failed or run is None:
            return
        self._failed.add(dag_id)
        address = f"{self.stack.state.url('airflow')}/dags/{dag_id}/runs/{quote(run.run_id)}"
        self.stack.progress.say(
            f"{error}\nAirflow and the other services go on. The whole log is at {address}: fix the cause, "
            "then clear the failed task there, and the run goes on from it."
        )

    def _tell_ready(self) -> None:
        nights = ", ".join(self.nights)
        self.stack.progress.plain()
        self.stack.progress.plain(f"Trigger nightly_detection in Airflow with night = {nights}.")
        self.stack.progress.plain("Ctrl-C stops everything; `make up` goes on from here.")


def _has_champion(state: State) -> bool:
    found = s3_client(state).list_objects_v2(Bucket=LAYOUT.bucket, Prefix=LAYOUT.champion())
    return int(found["KeyCount"]) > 0


def _print_addresses(stack: Stack) -> None:
    secrets, url = stack.state.secrets, stack.state.url
    source = source_command(write_shell_file(stack.state))
    who = (
        "all reviews wait for you"
        if stack.for_me
        else f"simulated: {', '.join(REVIEWERS)}; make up REVIEWERS=me leaves all reviews to you"
    )
    for line in (
        "",
        f"Airflow       {url('airflow')}   log in as {ADMIN} / {secrets.admin_password}",
        f"Review Desk   {url('desk')}   log in as {PERSON} / {secrets.reviewers[PERSON]} ({who})",
        f"S3            {url('s3')}   bucket {LAYOUT.bucket}",
        f"SageMaker     {url('sagemaker')}",
        f"Commands      {source}   then airflow ... reaches this Airflow",
        f"Settings      {stack.state.settings_file}",
        f"Logs          {stack.state.logs}",
        "",
    ):
        stack.progress.plain(line)
