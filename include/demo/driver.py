"""What `make demo` and `make up` do, from the first process to the report."""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from include.demo.airflow_programs import ADMIN
from include.demo.dag_runs import DagRun, follow
from include.demo.person import NIGHT_SECONDS as PERSON_NIGHT_SECONDS
from include.demo.person import Person
from include.demo.processes import Supervisor
from include.demo.report import Seconds, build_report, result_table
from include.demo.report_page import write_page
from include.demo.services import s3_client
from include.demo.stack import Stack
from include.demo.state import PERSON, REVIEWERS, open_state
from include.demo.upload import LAYOUT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from include.demo.archive import Archive
    from include.demo.progress import Progress
    from include.demo.state import State

BOOTSTRAP_SECONDS = 3600.0
NIGHT_SECONDS = 3600.0
IDLE_SECONDS = 1.0
# SIGINT too: a shell starts background jobs with it ignored.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DemoError(Exception):
    """The demo cannot start; one sentence says why and what to do."""


@dataclass(frozen=True)
class Options:
    """What the command line chose. `for_me`: a person reviews, and nobody is simulated."""

    folder: Path
    seed: int = 0
    data: Path | None = None
    for_me: bool = False


def demo(options: Options, progress: Progress) -> None:
    """Play three nights on a clean state folder and write the report."""
    check_data(options.data)
    with only_one(options.folder), stoppable():
        remove_state(options.folder)
        state = open_state(options.folder)
        with Supervisor(state.logs) as supervisor:
            stack = Stack(state, supervisor, progress, options.for_me)
            archive = stack.start(options.seed, options.data)
            person = _invite_reviewers(stack, options, len(archive.nights))
            ready = time.time()
            set_up_models_and_reviews(stack)
            bootstrapped = time.time()
            for night in archive.nights:
                _play_night(stack, night, person)
            ended = time.time()
            seconds = Seconds(
                setup=ready - progress.started,
                bootstrap=bootstrapped - ready,
                nights=ended - bootstrapped,
                total=ended - progress.started,
            )
            _write_report(stack, archive, seconds)
            progress.say("stopping all processes")


def up(options: Options, progress: Progress) -> None:
    """Start everything on a state folder that is kept, and stay until interrupted."""
    check_data(options.data)
    with only_one(options.folder), stoppable():
        state = open_state(options.folder)
        with Supervisor(state.logs) as supervisor:
            stack = Stack(state, supervisor, progress, options.for_me)
            archive = stack.start(options.seed, options.data)
            if not options.for_me:
                stack.start_reviewers(options.seed)
            _print_addresses(stack)
            if not _has_champion(state):
                set_up_models_and_reviews(stack)
            progress.plain()
            progress.plain(f"Trigger nightly_detection in Airflow with night = {', '.join(archive.nights)}.")
            progress.plain("Ctrl-C stops everything; `make up` goes on from here.")
            while True:
                supervisor.check()
                time.sleep(IDLE_SECONDS)


def check_data(data: Path | None) -> None:
    """Refuse what cannot be a data set before anything is started; raises `DemoError`."""
    if data is None:
        return
    try:
        is_folder = data.is_dir()
        names = [path.name for path in data.iterdir()] if is_folder else []
    except OSError as error:
        raise DemoError(f"DATA={data} cannot be read: {error.strerror}; make it readable.") from error
    if not is_folder:
        raise DemoError(f"DATA={data} is not a folder; give a PASCAL VOC folder.")
    if not names:
        raise DemoError(f"DATA={data} is empty; give a PASCAL VOC folder.")


def set_up_models_and_reviews(stack: Stack) -> None:
    """The first model and the review workflow, side by side: neither needs the other."""
    progress = stack.progress
    runs = [
        DagRun(stack.airflow, "bootstrap_detector", "bootstrap", stack.state.logs),
        DagRun(stack.airflow, "review_workflow", "review workflow", stack.state.logs),
    ]
    for run in runs:
        run.start(None, {})
    follow(runs, progress, stack.supervisor, BOOTSTRAP_SECONDS)


def _invite_reviewers(stack: Stack, options: Options, nights: int) -> Person | None:
    """Simulated reviewers, or the person who started the demo."""
    if not options.for_me:
        stack.start_reviewers(options.seed)
        return None
    person = Person(stack.state, stack.progress)
    person.greet(nights)
    return person


def _play_night(stack: Stack, night: str, person: Person | None) -> None:
    def answered(task_id: str) -> str | None:
        if task_id != "await_reviews":
            return None
        return person.count(night) if person else _answered(stack.state, night)

    stack.progress.say(f"night {night} begins")
    run = DagRun(stack.airflow, "nightly_detection", f"night {night}", stack.state.logs, answered)
    run.start(f"{night}T02:00:00Z", {"night": night})
    seconds = PERSON_NIGHT_SECONDS if person else NIGHT_SECONDS
    follow([run], stack.progress, stack.supervisor, seconds)


def _answered(state: State, night: str) -> str | None:
    """How many of the night's reviews have an answer, once it is known how many there are."""
    try:
        tally = json.loads(state.tally_file.read_text(encoding="utf-8"))
        launched = s3_client(state).get_object(Bucket=LAYOUT.bucket, Key=LAYOUT.launch_summary(night))
        selected = json.loads(launched["Body"].read())["selected"]
    except Exception:
        # Progress only: before the first answer there is no tally, and S3 may be busy.
        return None
    return f"{tally.get(night, 0)} of {selected} answered"


def _write_report(stack: Stack, archive: Archive, seconds: Seconds) -> None:
    state, progress = stack.state, stack.progress
    s3 = s3_client(state)
    statuses = [_status(state, service) for service in ("sagemaker", "desk")]
    report = build_report(s3, LAYOUT, archive.nights, seconds, statuses, archive.left_out)
    json_path, page_path = state.folder / "report.json", state.folder / "report.html"
    json_path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    write_page(page_path, report, s3, LAYOUT, archive.labels)
    progress.plain()
    progress.plain(result_table(report))
    if archive.left_out:
        progress.plain(f"\n{len(archive.left_out)} left out of DATA, each with its reason in the report.")
    progress.plain()
    progress.plain(f"{page_path}\n{json_path}")


def _status(state: State, service: str) -> dict[str, object]:
    from include.demo.http_json import JsonClient

    return dict(JsonClient(state.url(service)).call("GET", "/_status")[1])


def _print_addresses(stack: Stack) -> None:
    secrets, url = stack.state.secrets, stack.state.url
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
        f"Settings      {stack.state.settings_file}",
        f"Logs          {stack.state.logs}",
        "",
    ):
        stack.progress.plain(line)


def _has_champion(state: State) -> bool:
    found = s3_client(state).list_objects_v2(Bucket=LAYOUT.bucket, Prefix=LAYOUT.champion())
    return int(found["KeyCount"]) > 0


def remove_state(folder: Path) -> None:
    """Begin clean, but delete nothing that is not a demo's."""
    if not folder.exists():
        return
    if any(folder.iterdir()) and not (folder / "secrets.json").exists():
        raise DemoError(f"{folder} holds files that no demo made; name another folder with --state.")
    shutil.rmtree(folder)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Two demos in one folder would take each other's ports and files."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(
                f"Something already runs in {folder}; stop it first or name another folder with --state."
            ) from None
        yield


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end the demo as Ctrl-C does."""

    def stop(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    # Under nohup a closed terminal is to be ignored.
    heard = [n for n in STOP_SIGNALS if n != signal.SIGHUP or before[n] != signal.SIG_IGN]
    for number in heard:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
