"""Command line of the demo: `python -m include.demo demo` and `python -m include.demo up`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from include.demo.airflow_api import AirflowRefused
from include.demo.dag_runs import RunFailed
from include.demo.driver import DemoError, Options, demo
from include.demo.processes import ServiceFailed
from include.demo.progress import Progress
from include.demo.report import ReportError
from include.demo.state import ROOT
from include.demo.up import up

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
COMMANDS = {"demo": demo, "up": up}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it ended well, 1 with what went wrong, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    progress = Progress(options.started or time.time())
    chosen = Options(
        folder=(options.state or ROOT / "build" / options.command).resolve(),
        seed=options.seed,
        data=options.data and options.data.expanduser(),
        for_me=options.reviewers == "me",
    )
    try:
        COMMANDS[options.command](chosen, progress)
    except (AirflowRefused, DemoError, ReportError, RunFailed, ServiceFailed) as error:
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
        command = commands.add_parser(name, help=text)
        command.add_argument("--data", type=Path, help="a PASCAL VOC folder to use instead of drawn pictures")
        command.add_argument(
            "--seed", type=int, default=0, help="of the drawn pictures and of the reviewers' errors"
        )
        command.add_argument("--state", type=Path, help=f"where everything is kept (default build/{name})")
        command.add_argument(
            "--reviewers",
            choices=["simulated", "me"],
            default="simulated",
            help="me: no simulated reviewers, the reviews wait for you at the Review Desk",
        )
        command.add_argument("--started", type=float, help="when the work began, in seconds since 1970")
    return parser


if __name__ == "__main__":
    sys.exit(main())
