"""Command line of the demo: `python -m include.demo demo`, `... up` and `... backfill`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.demo.airflow_api import AirflowRefused
from include.demo.backfill import BackfillFailed, BackfillOptions, backfill
from include.demo.dag_runs import RunFailed
from include.demo.driver import DemoError, Options, demo, up
from include.demo.processes import ServiceFailed
from include.demo.progress import Progress
from include.demo.report import ReportError
from include.demo.state import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
COMMANDS = {"demo": demo, "up": up}
FOLDERS = {"backfill": "backfill-state"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it ended well, 1 with what went wrong, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    progress = Progress(options.started or time.time())
    folder = (options.state or ROOT / "build" / FOLDERS.get(options.command, options.command)).resolve()
    try:
        if options.command == "backfill":
            report = folder.parent / "backfill.json"
            backfill(
                BackfillOptions(folder, report, options.nights, options.max_active_runs, options.seed),
                progress,
            )
        else:
            chosen = Options(folder, options.seed, options.data, options.reviewers == "me")
            COMMANDS[options.command](chosen, progress)
    except (AirflowRefused, BackfillFailed, DemoError, ReportError, RunFailed, ServiceFailed) as error:
        progress.say(f"failed: {error}")
        return 1
    except KeyboardInterrupt:
        progress.say("stopped")
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m include.demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("demo", "play three nights, write a report, stop"),
        ("up", "start everything and stay until Ctrl-C; state is kept"),
    ):
        command = _command(commands, name, text)
        command.add_argument("--data", type=Path, help="a PASCAL VOC folder to use instead of drawn pictures")
        command.add_argument(
            "--reviewers",
            choices=["simulated", "me"],
            default="simulated",
            help="me: nobody is simulated, the reviews wait for you at the Review Desk",
        )
    command = _command(
        commands, "backfill", "run an archive of nights by Airflow's backfill, twice; count, stop"
    )
    command.add_argument("--nights", type=int, default=60)
    command.add_argument("--max-active-runs", type=int, default=8, help="nights at once, the backfill's own")
    return parser


def _command(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text)
    command.add_argument(
        "--seed", type=int, default=0, help="of the drawn pictures and of the reviewers' errors"
    )
    folder = f"build/{FOLDERS.get(name, name)}"
    command.add_argument("--state", type=Path, help=f"where everything is kept (default {folder})")
    command.add_argument("--started", type=float, help="when the work began, in seconds since 1970")
    return command


if __name__ == "__main__":
    sys.exit(main())
