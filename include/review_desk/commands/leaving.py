"""``remove-worker``, ``remove-from-team``, ``demote-lead``, ``erase-worker``; ``list-invitations``,
``withdraw-invitation``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.review_desk.clock import as_iso, system_clock
from include.review_desk.commands.options import add_database_option
from include.review_desk.errors import InvalidRequest
from include.review_desk.people import accounts, invitations, leaving
from include.review_desk.storage.opening import open_existing

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_commands(commands: Commands) -> None:
    """Add the commands by which people leave to the command line."""
    _add(
        commands,
        "remove-worker",
        _remove_worker,
        "close an account; its answers stay",
        "Close a reviewer's account, even while the desk is running: sessions end at once, tasks in hand go "
        "back to the queue, answers stay; open invitations to teams that the person led are withdrawn. "
        "add-worker opens the account again.",
    )
    _add(
        commands,
        "remove-from-team",
        _remove_from_team,
        "take a person out of one team; answers and other teams stay",
        "Take a person out of one team, even while the desk is running: from the next request on they see "
        "nothing more of its images, tasks in hand go back to the queue, answers stay. If the person led the "
        "team its open invitations are withdrawn. A group at the OpenID Connect provider does not bring the "
        "person back; add-worker does.",
        team="team to take the person out of",
    )
    _add(
        commands,
        "demote-lead",
        _demote_lead,
        "make a team's lead an ordinary member",
        "Make a lead an ordinary member of the team, from the next request on. The team's open invitations "
        "are withdrawn, as the person may know their links. add-worker --lead makes the person lead again.",
        team="team that the person leads",
    )
    erase = _add(
        commands,
        "erase-worker",
        _erase_worker,
        "close an account for good and forget whose it was; its answers stay",
        "Close an account for good and delete name, password, second factor, the identity at the OpenID "
        "Connect provider, sessions and teams. Answers stay under the pseudonym that output.json has called "
        "the person by from the start, and so does what the person did in the audit trail. This cannot be "
        "undone. Backups of the database and exports made before still have the name.",
    )
    erase.add_argument("--yes", action="store_true", help="required: yes, for good")
    _add_invitations(commands)


def _add_invitations(commands: Commands) -> None:
    listing = commands.add_parser(
        "list-invitations",
        help="show the invitations that still serve",
        description="Show the invitations that still serve, one line each: id, team, name, role, made, "
        "until. Their links are stored nowhere.",
    )
    listing.set_defaults(run=_list_invitations)
    add_database_option(listing)
    withdraw = commands.add_parser(
        "withdraw-invitation",
        help="make an invitation's link useless",
        description="Make the link of an unused invitation useless, at once and for good.",
    )
    withdraw.set_defaults(run=_withdraw_invitation)
    add_database_option(withdraw)
    withdraw.add_argument("invitation", metavar="ID", help="as list-invitations shows it")


def _add(
    commands: Commands,
    command: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    description: str,
    *,
    team: str | None = None,
) -> argparse.ArgumentParser:
    """A command about one person, and one team."""
    parser = commands.add_parser(command, help=summary, description=description)
    parser.set_defaults(run=run)
    add_database_option(parser)
    if team is not None:
        parser.add_argument("--team", required=True, help=team)
    parser.add_argument("--name", required=True, help="name the person signs in with")
    return parser


def _remove_worker(options: argparse.Namespace) -> int:
    database = open_existing(options.database)
    closed = accounts.remove_worker(database, system_clock(), options.name)
    database.close()
    print(f"Closed the account {options.name}." if closed.was_open else f"{options.name} was closed already.")
    _tell_withdrawn(closed.withdrawn, f"teams that {options.name} led")
    return 0


def _remove_from_team(options: argparse.Namespace) -> int:
    database = open_existing(options.database)
    withdrawn = leaving.remove_from_team(database, system_clock(), team=options.team, name=options.name)
    database.close()
    print(f"Took {options.name} out of the team {options.team}.")
    _tell_withdrawn(withdrawn, "the team")
    return 0


def _demote_lead(options: argparse.Namespace) -> int:
    database = open_existing(options.database)
    withdrawn = leaving.demote_lead(database, system_clock(), team=options.team, name=options.name)
    database.close()
    print(f"{options.name} does not lead the team {options.team} any more.")
    _tell_withdrawn(withdrawn, "the team")
    return 0


def _erase_worker(options: argparse.Namespace) -> int:
    if not options.yes:
        raise InvalidRequest(
            "A name that is erased cannot be brought back: add --yes if that is what you want, or close the "
            "account with remove-worker."
        )
    database = open_existing(options.database)
    erased = leaving.erase_worker(database, system_clock(), options.name)
    database.close()
    print(
        f"Erased. The account is now called {erased.name}; answers stay under the pseudonym "
        f"{erased.pseudonym}."
    )
    return 0


def _tell_withdrawn(count: int, where: str) -> None:
    if count:
        print(f"Withdrew {count} open invitations to {where}: invite those people again who still need one.")


def _list_invitations(options: argparse.Namespace) -> int:
    database = open_existing(options.database)
    for invitation in invitations.list_open(database, system_clock()):
        name = invitation.name or "the person chooses a name"
        role = "lead" if invitation.lead else "member"
        made = f"made {as_iso(invitation.created_ms)} by {invitation.made_by or 'a command'}"
        until = f"until {as_iso(invitation.expires_ms)}"
        print("\t".join((invitation.id, invitation.team, name, role, made, until)))
    database.close()
    return 0


def _withdraw_invitation(options: argparse.Namespace) -> int:
    database = open_existing(options.database)
    invitations.withdraw(database, system_clock(), options.invitation)
    database.close()
    print(f"Withdrew the invitation {options.invitation}.")
    return 0
