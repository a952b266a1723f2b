"""``reset-second-factor``: for a person who has lost the phone and the recovery codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.review_desk.clock import system_clock
from include.review_desk.commands.options import add_database_option
from include.review_desk.people import second_factor
from include.review_desk.storage.opening import open_existing

if TYPE_CHECKING:
    import argparse


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    reset = commands.add_parser(
        "reset-second-factor",
        help="let a person sign in with the password alone again",
        description="Turn off the second factor of a person who has lost the phone and the recovery codes, "
        "even while the desk is running. Make sure first that it is this person who wants it. Another can be "
        "set up on the page Account.",
    )
    reset.set_defaults(run=_reset)
    add_database_option(reset)
    reset.add_argument("--name", required=True, help="name the person signs in with")


def _reset(options: argparse.Namespace) -> int:
    database = open_existing(options.database)
    was_there = second_factor.reset(database, system_clock(), options.name)
    database.close()
    print(f"{options.name} {'signs in with the password alone' if was_there else 'had no second factor'}.")
    return 0
