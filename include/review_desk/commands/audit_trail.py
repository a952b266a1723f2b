"""``audit-trail``: who did what."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from datetime import datetime
from typing import TYPE_CHECKING

from include.review_desk.audit_trail import actors, entries
from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.clock import as_iso, as_milliseconds, system_clock
from include.review_desk.commands.options import add_database_option
from include.review_desk.errors import InvalidRequest
from include.review_desk.people import teams
from include.review_desk.storage.opening import open_existing

if TYPE_CHECKING:
    import argparse


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command about the audit trail to the command line."""
    trail = commands.add_parser(
        "audit-trail",
        help="show who did what: sign-ins, invitations, keys, roles, deletions, corrections, exports",
        description="Show the audit trail, the oldest act first, one line each: time, actor, action, object, "
        "person, team, address. It holds no answers and no secrets. Names of people are looked up now, so a "
        "name that was erased is a pseudonym. How long the trail is kept is said to serve.",
        epilog="actions: " + ", ".join(Action),
    )
    trail.set_defaults(run=_audit_trail)
    add_database_option(trail)
    trail.add_argument(
        "--json-lines", action="store_true", help="one JSON object a line; this export is recorded, too"
    )
    trail.add_argument(
        "--since", type=_moment, metavar="TIME", help="from then on, in UTC: 2026-12-01 or 2026-12-01T18:30"
    )
    trail.add_argument("--until", type=_moment, metavar="TIME", help="before then, in UTC")
    trail.add_argument(
        "--actor",
        metavar="WHO",
        help="a person's name or pseudonym, an access key id, an account of the operating system, or all of "
        "a kind: person, visitor (not signed in), key, command, desk",
    )
    trail.add_argument("--action", metavar="ACTION", help="one of the actions below")
    trail.add_argument("--team", help="what the leads of this team see")
    trail.add_argument("--last", type=_count, metavar="NUMBER", help="only the last ones of these")


def _audit_trail(options: argparse.Namespace) -> int:
    if options.since is not None and options.until is not None and options.since >= options.until:
        raise InvalidRequest(
            f"--since {as_iso(options.since)} is not before --until {as_iso(options.until)}: nothing lies "
            "between them."
        )
    database = open_existing(options.database)
    with database.read() as connection:
        team_id = None if options.team is None else teams.team_id(connection, options.team)
        if options.actor is not None and not entries.has_actor(connection, options.actor):
            raise InvalidRequest(
                f"The audit trail knows no actor {options.actor[:200]!r}: give the name or pseudonym of a "
                "person (list-workers), an access key id (list-keys), an account of the operating system, or "
                f"one of {', '.join(actors.KINDS)}."
            )
    if options.json_lines:
        with database.write() as connection:
            on = "trail" if options.team is None else f"trail/{options.team}"
            record(connection, system_clock(), Action.TRAIL_EXPORTED, on, team=team_id)
    wanted = entries.Wanted(
        since_ms=options.since,
        until_ms=options.until,
        actor=options.actor,
        action=options.action,
        team_id=team_id,
    )
    with database.read() as connection:
        for entry in entries.read(connection, wanted, last=options.last):
            line = json.dumps(entries.as_json(entry)) if options.json_lines else _line(entry)
            print(line)
    database.close()
    return 0


def _line(entry: entries.Entry) -> str:
    person = entry.person.name if entry.person else "-"
    parts = (entry.actor, entry.action, entry.object, person, entry.team, entry.address)
    return "\t".join((as_iso(entry.time_ms), *(part or "-" for part in parts)))


def _moment(text: str) -> int:
    try:
        return as_milliseconds(datetime.fromisoformat(text))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} must be like 2026-12-01 or 2026-12-01T18:30") from None


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text)):
        raise ArgumentTypeError(f"{text!r} must be a number from 1 on")
    return int(text)
