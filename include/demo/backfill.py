"""What `make backfill` does: an archive of nights through Airflow's own backfill, twice, and the proof.

The services are the demo's. Nights of drawn images lie in S3, a first model is trained, simulated reviewers
sit at the Review Desk; then `airflow backfill create` runs all nights, and again with
`--reprocess-behavior completed`. What each pass did is counted from outside (`include.demo.evidence`).
"""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.demo.airflow_programs import airflow_command, airflow_environment
from include.demo.dag_runs import task_log_tail
from include.demo.demo_settings import Schedule, demo_settings, write_settings
from include.demo.deployment import ONE_MACHINE, Deployment
from include.demo.drawn import DrawnSizes, draw_archive
from include.demo.driver import only_one, remove_state, set_up_models_and_reviews, stoppable
from include.demo.evidence import Evidence, bytes_changed, faults, gather
from include.demo.prepare import save_index
from include.demo.processes import Supervisor
from include.demo.stack import Stack
from include.demo.state import ROOT, open_state

if TYPE_CHECKING:
    from pathlib import Path

    from include.demo.progress import Progress
    from include.demo.state import State

DAG_ID = "nightly_detection"
POLL_SECONDS = 10.0
# Eight nights at once keep a small machine busy; those who only look for news shall not.
IDLE_SECONDS = 2.0
COMMAND_SECONDS = 300.0
# Longest time in which nothing at all may happen; a training with its evaluation takes well below that.
STILL_SECONDS = 900.0
IMAGES_PER_NIGHT = 40
SHOWN_FAILURES = 3

REVIEWS_PER_NIGHT = 6
# A first model that is easily bettered, so that challengers win, and trainings of seconds.
SCHEDULE = Schedule(
    image_shape=128,
    bootstrap_epochs=3,
    incremental_epochs=5,
    review_limit=REVIEWS_PER_NIGHT,
    replay_ratio=1.0,
    review_timeout_seconds=1800,
)
# How often there are enough new answers for a training if every challenger wins; one that loses leaves its
# answers to the next night.
TRAININGS = 4


class BackfillFailed(Exception):
    """The backfill did not end as promised; the message says which night or count."""


@dataclass(frozen=True)
class BackfillOptions:
    """What the command line chose. `max_active_runs` is the backfill's own."""

    folder: Path
    report: Path
    nights: int = 60
    max_active_runs: int = 8
    seed: int = 7
    deployment: Deployment = ONE_MACHINE


def backfill(options: BackfillOptions, progress: Progress) -> None:
    """Run all nights twice on a clean state folder and write the report; raises unless it is as promised."""
    with only_one(options.folder) as lock, stoppable():
        remove_state(options.folder)
        state = open_state(options.folder, options.deployment)
        nights = _draw(state, options, progress)
        with Supervisor(state.logs, lock=lock) as supervisor:
            stack = Stack(state, supervisor, progress)
            archive = stack.start(options.seed, None)
            write_settings(state.settings_file, _settings(archive.labels, options.nights))
            stack.start_reviewers(options.seed, "--idle-seconds", str(IDLE_SECONDS))
            set_up_models_and_reviews(stack)
            report = _two_passes(stack, nights, options)
            progress.say("stopping all processes")
    options.report.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    progress.plain(json.dumps(report, indent=1))
    progress.plain(str(options.report))


def _draw(state: State, options: BackfillOptions, progress: Progress) -> tuple[str, ...]:
    progress.say(f"drawing {options.nights} nights of {IMAGES_PER_NIGHT} images")
    sizes = DrawnSizes(bootstrap=120, night=IMAGES_PER_NIGHT, holdout=40, nights=options.nights, processes=2)
    archive = draw_archive(state.archive, options.seed, sizes)
    save_index(state.folder / "archive.json", archive, ())
    return archive.nights


def _settings(labels: tuple[str, ...], nights: int) -> dict[str, Any]:
    """The demo's, without the control arm: it would double the trainings and prove nothing here."""
    values = demo_settings(labels, SCHEDULE)
    values["training"]["control_arm"] = False
    values["review"]["poll_interval_seconds"] = POLL_SECONDS
    values["archive"] = {"poll_interval_seconds": IDLE_SECONDS}
    values["training"]["min_new_answers"] = nights * REVIEWS_PER_NIGHT // TRAININGS
    return values


def _two_passes(stack: Stack, nights: tuple[str, ...], options: BackfillOptions) -> dict[str, Any]:
    began = time.monotonic()
    before = gather(stack.state)
    first = _pass(stack, nights, options, "none")
    second = _pass(stack, nights, options, "completed")
    for night in nights:
        if not second.reviews.get(night):
            raise BackfillFailed(f"No reviews were launched for the night {night}: its ledger is empty.")
    report = {
        "nights": len(nights),
        "images_per_night": IMAGES_PER_NIGHT,
        "max_active_runs": options.max_active_runs,
        "seconds": round(time.monotonic() - began),
        "first": before.added(first),
        "second": first.added(second) | {"manifest_bytes_changed": bytes_changed(first, second)},
    }
    _check(report, before, second, faults(stack.state, second))
    return report


def _check(report: dict[str, Any], before: Evidence, after: Evidence, found: list[str]) -> None:
    """Raise `BackfillFailed` unless the second pass added nothing and nothing was deployed."""
    second = report["second"]
    found += [
        f"{second[name]} {name.replace('_', ' ')} in the second pass"
        for name in ("loops_started", "training_jobs", "transform_jobs", "manifest_bytes_changed")
        if second[name]
    ]
    if after.endpoints != before.endpoints:
        found.append(f"endpoints were touched: {before.endpoints} became {after.endpoints}")
    if after.running_jobs:
        found.append(f"jobs still run: {', '.join(after.running_jobs)}")
    if found:
        raise BackfillFailed(f"The backfill is not as promised: {'; '.join(found)}. {json.dumps(report)}")


def _pass(stack: Stack, nights: tuple[str, ...], options: BackfillOptions, reprocess: str) -> Evidence:
    stack.progress.say(f"backfill of {len(nights)} nights, reprocess behaviour {reprocess}, begins")
    _create(stack.state, nights, options.max_active_runs, reprocess)
    _wait(stack, len(nights))
    return gather(stack.state)


def _create(state: State, nights: tuple[str, ...], max_active_runs: int, reprocess: str) -> None:
    command = [
        *(airflow_command(), "backfill", "create", "--dag-id", DAG_ID),
        # The last night's run is dated 02:00, so midnight of that day would leave it out.
        *("--from-date", nights[0], "--to-date", f"{nights[-1]}T23:59"),
        *("--max-active-runs", str(max_active_runs), "--reprocess-behavior", reprocess),
    ]
    done = subprocess.run(
        command,
        env=airflow_environment(state),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    if done.returncode:
        raise BackfillFailed(f"`{' '.join(command[1:])}` failed: {(done.stderr or done.stdout)[-2000:]}")


def _wait(stack: Stack, nights: int) -> None:
    """Wait for the end of all runs. Raises `BackfillFailed` for failed ones, or when none makes progress."""
    last: object = None
    moved = time.monotonic()
    while True:
        stack.supervisor.check()
        runs = stack.airflow.backfill_runs(DAG_ID)
        states = Counter(runs.values())
        if len(runs) != nights:
            raise BackfillFailed(f"The backfill made {len(runs)} runs for {nights} nights.")
        if states["success"] + states["failed"] == nights:
            break
        tasks = stack.airflow.active_tasks(DAG_ID)
        now = (sorted(runs.items()), tasks)
        if now != last:
            last, moved = now, time.monotonic()
        elif time.monotonic() - moved > STILL_SECONDS:
            raise BackfillFailed(f"Nothing has moved for {STILL_SECONDS:.0f} s: {dict(states)}, {tasks}.")
        counts = Counter(f"{task} {state}" for _, task, state in tasks)
        doing = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
        stack.progress.count(f"{states['success']} of {nights} nights done, {states['running']} run: {doing}")
        time.sleep(POLL_SECONDS)
    # Airflow refuses the next backfill as long as it has not noticed the end of this one.
    stack.supervisor.wait_until(
        "airflow-scheduler", lambda: not stack.airflow.has_open_backfill(DAG_ID), STILL_SECONDS
    )
    failed = sorted(run_id for run_id, state in runs.items() if state == "failed")
    if failed:
        raise BackfillFailed(_failures(stack, failed))


def _failures(stack: Stack, failed: list[str]) -> str:
    lines = [f"{len(failed)} runs failed: {', '.join(failed)}."]
    for run_id in failed[:SHOWN_FAILURES]:
        for task_id, task in stack.airflow.task_states(DAG_ID, run_id).items():
            if task["state"] == "failed":
                lines += [
                    f"{run_id}, {task_id}:",
                    task_log_tail(stack.state.logs, DAG_ID, run_id, task_id),
                ]
    return "\n".join(lines)
