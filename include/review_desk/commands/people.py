"""``add-worker``, ``invite``, ``list-workers``: accounts and teams. How people leave: commands.leaving."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING

from include.review_desk.clock import as_iso, system_clock
from include.review_desk.commands.options import add_database_option
from include.review_desk.commands.serve_options import public_url
from include.review_desk.errors import InvalidRequest
from include.review_desk.people import accounts, invitations
from include.review_desk.people.workers import add_worker
from include.review_desk.storage.opening import open_database, open_existing

if TYPE_CHECKING:
    import argparse


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands about people to the command line."""
    _add_add_worker(commands)
    _add_invite(commands)
    listing = commands.add_parser(
        "list-workers",
        help="show all accounts with their teams",
        description="Show all accounts, one line each: name, teams (* where the person leads), state.",
    )
    listing.set_defaults(run=_list_workers)
    add_database_option(listing)


def _add_add_worker(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    add = commands.add_parser(
        "add-worker",
        help="make an account, put it into a team, set its password",
        description="Make a reviewer's account and team where missing and set the password. May be repeated, "
        "also while the desk is running: for another team, for a new password, to open a closed account.",
    )
    add.set_defaults(run=_add_worker)
    add_database_option(add)
    add.add_argument("--team", required=True, help="work team; made when missing")
    add.add_argument("--name", required=True, help="name to sign in with")
    add.add_argument(
        "--lead", action="store_true", help="the person leads the team: sees its overview, invites people"
    )
    add.add_argument(
        "--password-stdin",
        action="store_true",
        help="read the password (8 characters or more) from standard input instead of asking for it",
    )
    add.add_argument(
        "--single-sign-on",
        action="store_true",
        help="the account is one that single sign-on made: put it into the team, set no password",
    )


def _add_invite(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    invite = commands.add_parser(
        "invite",
        help="print a link by which one person makes an account",
        description="Print a link to send to one person, who chooses name and password there and is then "
        "signed in. It works once, for anyone who has it.",
    )
    invite.set_defaults(run=_invite)
    add_database_option(invite)
    invite.add_argument("--team", required=True, help="work team; made when missing")
    invite.add_argument("--name", help="name to sign in with (default: the person chooses)")
    invite.add_argument("--lead", action="store_true", help="the person will lead the team")
    invite.add_argument(
        "--hours",
        type=int,
        default=invitations.DEFAULT_HOURS,
        help=f"how long the link serves (default {invitations.DEFAULT_HOURS})",
    )
    invite.add_argument(
        "--public-url", required=True, metavar="URL", help="where browsers reach the desk, as told to serve"
    )


def _add_worker(options: argparse.Namespace) -> int:
    password: str | None = None
    if options.single_sign_on:
        pass
    elif options.password_stdin:
        password = _piped_password()
    else:
        password = _typed_password(options.name)
    database = open_database(options.database)
    created = add_worker(
        database,
        system_clock(),
        team=options.team,
        name=options.name,
        password=password,
        lead=options.lead,
    )
    database.close()
    print(f"{'Added' if created else 'Updated'} {options.name} in the team {options.team}.")
    return 0


def _piped_password() -> str:
    try:
        return sys.stdin.read().rstrip("\r\n")
    except UnicodeDecodeError:
        raise InvalidRequest("The password on standard input is not text (UTF-8).") from None


def _typed_password(name: str) -> str:
    try:
        return getpass.getpass(f"Password for {name}: ")
    except EOFError:
        # The prompt is still on this line.
        print(file=sys.stderr)
        raise InvalidRequest(
            "No password was given: run the command in a terminal to be asked for it, or add "
            "--password-stdin and send it on standard input."
        ) from None


def _invite(options: argparse.Namespace) -> int:
    url = public_url(options.public_url)
    database = open_database(options.database)
    invitation = invitations.create(
        database,
        system_clock(),
        team=options.team,
        name=options.name,
        lead=options.lead,
        hours=options.hours,
    )
    database.close()
    print(invitation.link(url))
    return 0


def _list_workers(options: argparse.Namespace) -> int:
    database = open_existing(options.database)
    for account in accounts.list_workers(database):
        state = f"closed {as_iso(account.disabled_ms)}" if account.disabled_ms is not None else "open"
        if account.erased_ms is not None:
            state = f"erased {as_iso(account.erased_ms)}"
        if account.single_sign_on:
            state += ", single sign-on"
        print(f"{account.name}\t{', '.join(account.teams) or 'no team'}\t{state}")
    database.close()
    return 0
