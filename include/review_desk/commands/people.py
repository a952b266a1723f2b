"""``add-worker``: accounts and teams."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING

from include.review_desk.clock import system_clock
from include.review_desk.commands.options import add_database_option
from include.review_desk.people.workers import add_worker
from include.review_desk.storage.database import open_database

if TYPE_CHECKING:
    import argparse


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``add-worker`` to the command line."""
    add = commands.add_parser(
        "add-worker",
        help="make an account, put it into a team, set its password",
        description="Make a reviewer's account and team where missing and set the password. May be repeated, "
        "also while the desk is running.",
    )
    add.set_defaults(run=_add_worker)
    add_database_option(add)
    add.add_argument("--team", required=True, help="work team; made when missing")
    add.add_argument("--name", required=True, help="name to sign in with")
    add.add_argument(
        "--password-stdin",
        action="store_true",
        help="read the password (8 characters or more) from standard input instead of asking for it",
    )


def _add_worker(options: argparse.Namespace) -> int:
    if options.password_stdin:
        password = sys.stdin.read().rstrip("\r\n")
    else:
        password = getpass.getpass(f"Password for {options.name}: ")
    database = open_database(options.database)
    created = add_worker(database, system_clock(), team=options.team, name=options.name, password=password)
    database.close()
    print(f"{'Added' if created else 'Updated'} {options.name} in the team {options.team}.")
    return 0
