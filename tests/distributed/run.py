"""Several machines: nights on CeleryExecutor, Redis and PostgreSQL, with workers killed by SIGKILL.

``make test-distributed`` starts everything on free loopback ports, plays three nights through Airflow's REST
API, kills machines in them, and reads from outside whether anything was lost, doubled or left running. It
prints a table and writes ``build/distributed.json``; the exit code is 1 when something was.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster import cluster
from nights import MissedError, holding_night, launching_night, scoring_night
from outside import Outside
from servers import MissingError, check_installed

from include.demo.airflow_api import AirflowRefused
from include.demo.dag_runs import DagRun, RunFailed, follow
from include.demo.processes import ServiceFailed
from include.demo.progress import Progress
from include.demo.state import ROOT

if TYPE_CHECKING:
    from cluster import Cluster
    from nights import Night

BOOTSTRAP_SECONDS = 300.0
REPORT = ROOT / "build" / "distributed.json"
EXPECTED_ERRORS = (AirflowRefused, MissedError, RunFailed, ServiceFailed)


def main() -> int:
    """Play the nights; 0 when everything held."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=7, help="of the drawn images and the reviewers")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    options = parser.parse_args()
    progress = Progress(time.time())
    try:
        check_installed()
    except MissingError as error:
        progress.plain(str(error))
        return 1
    # A run that fails must not leave an earlier one's figures behind.
    REPORT.unlink(missing_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="second-look-distributed-"))
    failed = True
    try:
        with cluster(folder, progress, options.seed) as running:
            report = play(running)
        failed = bool(report["wrong"])
    except EXPECTED_ERRORS as error:
        progress.say(f"failed: {error}")
        return 1
    finally:
        if options.keep or failed:
            progress.say(f"logs: {folder / 'logs'}")
        else:
            shutil.rmtree(folder)
    report["seconds"] = round(time.time() - progress.started)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    progress.plain(table(report))
    progress.plain(f"{REPORT}")
    return int(failed)


def play(running: Cluster) -> dict[str, Any]:
    """The first model, then one night per kind of death, then the look from outside."""
    stack, outside = running.stack, Outside(running)
    first = [
        DagRun(stack.airflow, "bootstrap_detector", "bootstrap", stack.state.logs),
        DagRun(stack.airflow, "review_workflow", "review workflow", stack.state.logs),
    ]
    for run in first:
        run.start(None, {})
    follow(first, stack.progress, running.supervisor, BOOTSTRAP_SECONDS)
    scenes = (scoring_night, launching_night, holding_night)
    nights = [scene(running, outside, night) for scene, night in zip(scenes, running.nights, strict=True)]
    return report_of(outside, nights) | {"messages_twice": running.messages_twice()}


def report_of(outside: Outside, nights: list[Night]) -> dict[str, Any]:
    """What was killed, what the services hold, and every sentence about what should not be."""
    findings = {played.night: outside.night(played.night) for played in nights}
    everything = outside.everything()
    wrong = [f"{night}: {text}" for night, found in findings.items() for text in found.wrong]
    return {
        "runs": {played.night: "success" for played in nights},
        "kills": [kill.record() for played in nights for kill in played.kills],
        "nights": {night: found.counts for night, found in findings.items()},
        "total": everything.counts,
        "wrong": [*wrong, *everything.wrong],
    }


def table(report: dict[str, Any]) -> str:
    """The report as two Markdown tables."""
    lines = [
        "",
        "| night | killed with SIGKILL | when | what it had done | tries | went on after |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {kill['night']} | {kill['killed']} | {kill['moment']} | {kill['saw']} | {kill['tries']} | "
        f"{_after(kill['seconds_to_go_on'])} |"
        for kill in report["kills"]
    ]
    columns = list(next(iter(report["nights"].values())))
    heads = [column.replace("_", " ") for column in columns]
    lines += ["", f"| night | {' | '.join(heads)} |", "| --- |" + " --- |" * len(columns)]
    lines += [
        f"| {night} | {' | '.join(str(counts[column]) for column in columns)} |"
        for night, counts in report["nights"].items()
    ]
    lines += [
        "",
        f"{report['total']['training_jobs']} training jobs, each from inputs of its own; one endpoint.",
    ]
    lines += [f"Redis handed {report['messages_twice']} unacknowledged messages out again: none counted."]
    lines += [f"WRONG: {text}" for text in report["wrong"]] or ["Nothing lost, doubled or left running."]
    return "\n".join([*lines, f"{report['seconds']} s in all.", ""])


def _after(seconds: float | None) -> str:
    return "did not stop" if seconds is None else f"{seconds:.0f} s"


if __name__ == "__main__":
    sys.exit(main())
