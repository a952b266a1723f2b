"""What `make demo` does, from the first process to the report."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

from include.demo.dag_runs import DagRun, follow
from include.demo.person import NIGHT_SECONDS as PERSON_NIGHT_SECONDS
from include.demo.person import Person
from include.demo.processes import Supervisor
from include.demo.report import Seconds, build_report, result_table
from include.demo.report_page import write_page
from include.demo.services import s3_client
from include.demo.stack import Stack
from include.demo.state import open_state
from include.demo.upload import LAYOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.demo.archive import Archive
    from include.demo.progress import Progress
    from include.demo.state import State

BOOTSTRAP_SECONDS = 3600.0
NIGHT_SECONDS = 3600.0
# How long a start waits for the processes of an earlier one that was killed: their guards end them.
EARLIER_SECONDS = 30.0
# SIGINT too: a shell starts background jobs with it ignored.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DemoError(Exception):
    """The demo cannot start; one sentence says why and what to do."""


@dataclass(frozen=True)
class Options:
    """The command line's options. `for_me`: a person reviews, without simulated reviewers."""

    folder: Path
    seed: int = 0
    data: Path | None = None
    for_me: bool = False


def demo(options: Options, progress: Progress) -> None:
    """Play three nights on a clean state folder and write the report."""
    check_data(options.data)
    with only_one(options.folder) as lock, stoppable():
        remove_state(options.folder)
        state = open_state(options.folder)
        with Supervisor(state.logs, lock=lock) as supervisor:
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


def remove_state(folder: Path) -> None:
    """Begin clean, but delete nothing that is not a demo's."""
    if not folder.exists():
        return
    if any(folder.iterdir()) and not (folder / "secrets.json").exists():
        raise DemoError(f"{folder} holds files that no demo made; name another folder with --state.")
    shutil.rmtree(folder)


@contextmanager
def only_one(folder: Path) -> Iterator[int]:
    """Keep others out of a folder: two demos would take each other's ports and files.

    Yields the lock's file descriptor, for the guards: what a killed demo leaves behind holds the lock until
    it has ended.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("a+") as lock:
        _take(lock, folder)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield lock.fileno()


def _take(lock: TextIO, folder: Path) -> None:
    deadline = time.monotonic() + EARLIER_SECONDS
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip()
            if Path(f"/proc/{owner}").is_dir() or time.monotonic() > deadline:
                raise DemoError(
                    f"Something already runs in {folder} (process {owner}); stop it first, or use another "
                    "checkout."
                ) from None
            time.sleep(0.1)


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
