"""``create-key``, ``list-keys``, ``revoke-key``: who may call the AWS API."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from include.review_desk.clock import as_iso, system_clock
from include.review_desk.commands.options import (
    add_bucket_options,
    add_database_option,
    check_bucket_options,
)
from include.review_desk.errors import InvalidRequest
from include.review_desk.people import api_keys, teams
from include.review_desk.people.desk_key import ENVIRONMENT, DeskKey, default_path
from include.review_desk.people.purposes import CLASSES, Purpose
from include.review_desk.storage import prefixes
from include.review_desk.storage.opening import open_database, open_existing

if TYPE_CHECKING:
    from include.review_desk.storage.database import Database
    from include.review_desk.storage.prefixes import Prefixes

_CREATE = """\
Make an access key for one client and print it, once: the secret is stored nowhere. Works while the desk is
running, too. A key can do what the options say and nothing else, for good: for more, make another one.
"""
_CREATE_EXAMPLES = """\
for an Airflow that makes the flow definition and runs the nights (bucket and prefix as in its settings):
  python -m include.review_desk create-key --client airflow --operations admin --team second-look \\
      --read-prefix s3://second-look/second-look/ --write-prefix s3://second-look/second-look/
for a program that only starts loops of a flow definition which is there:
  python -m include.review_desk create-key --client app --operations runtime --team second-look \\
      --bucket my-bucket
"""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands about API keys to the command line."""
    create = commands.add_parser(
        "create-key",
        help="make an access key for a program that calls the desk with boto3",
        description=_CREATE,
        epilog=_CREATE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    create.set_defaults(run=_create_key)
    add_database_option(create)
    create.add_argument("--client", required=True, metavar="NAME", help="whose key it is, for list-keys")
    _add_purpose_options(create)
    add_secret_key_option(create)
    listing = commands.add_parser(
        "list-keys",
        help="show all access keys, without secrets",
        description="Show all access keys, one line each: id, client, operations, team, what it reads and "
        "writes, made, last used (to the minute), state.",
    )
    listing.set_defaults(run=_list_keys)
    add_database_option(listing)
    revoke = commands.add_parser(
        "revoke-key",
        help="refuse an access key from now on",
        description="Refuse an access key from now on and for good, even while the desk is running.",
    )
    revoke.set_defaults(run=_revoke_key)
    add_database_option(revoke)
    revoke.add_argument("access_key_id", metavar="ID", help="access key id, as list-keys shows it")


def _add_purpose_options(parser: argparse.ArgumentParser) -> None:
    """What the key is for: never more than is said here."""
    parser.add_argument(
        "--operations",
        choices=CLASSES,
        required=True,
        help="runtime: start, describe, list, stop and delete human loops, and describe flow definitions; "
        "admin: all operations, as the DAG that makes flow definitions needs",
    )
    team = parser.add_mutually_exclusive_group(required=True)
    team.add_argument("--team", metavar="NAME", help="the only work team that the key may act for")
    team.add_argument("--any-team", action="store_true", help="the key may act for every work team")
    add_bucket_options(
        parser,
        bucket="bucket that the key may have images read from and answers written to, as far as no prefix "
        "says less; repeatable",
        any_bucket="all that the desk may read and write",
    )
    for name, what in (("read", "have images read from"), ("write", "have answers written to")):
        parser.add_argument(
            f"--{name}-prefix",
            action="append",
            metavar="URI",
            help=f"s3://bucket/folder/ that the key may {what}, and nowhere else; repeatable",
        )


def add_secret_key_option(parser: argparse._ActionsContainer) -> None:
    """``--secret-key``, which the server and create-key must agree on."""
    parser.add_argument(
        "--secret-key",
        type=Path,
        metavar="FILE",
        help="the desk's own key, 32 random bytes that the secrets of access keys are derived from; made "
        f"when missing (default: environment {ENVIRONMENT}, else <database file>.key; with PostgreSQL one of "
        "the two must be given)",
    )


def desk_key(database: Database, given: Path | None) -> DeskKey:
    """The desk's own key: where ``--secret-key`` says, or where it lies by default."""
    url = database.engine.url
    file = url.database if url.get_backend_name() == "sqlite" else None
    return DeskKey(default_path(file, given))


def purpose_of(options: argparse.Namespace) -> Purpose:
    """What the options of create-key ask for.

    Raises
    ------
    DeskSetupError, InvalidRequest
        A team's name or a prefix of another form, a prefix outside of the buckets, or no word about S3.
    """
    check_bucket_options(options)
    if options.team is not None:
        teams.check_team_name(options.team)
    return Purpose(
        holder=options.client,
        operations=options.operations,
        team=options.team,
        reads=_prefixes("--read-prefix", options.read_prefix, options),
        writes=_prefixes("--write-prefix", options.write_prefix, options),
    )


def _prefixes(option: str, given: list[str] | None, options: argparse.Namespace) -> Prefixes:
    buckets = prefixes.of(f"s3://{bucket}/" for bucket in options.bucket or ())
    if given:
        narrowed = _read(option, given)
        if options.bucket and prefixes.common(narrowed, buckets) != narrowed:
            raise InvalidRequest(f"{option} must lie in one of the buckets of --bucket.")
        return narrowed
    if options.any_bucket:
        return None
    if not buckets:
        raise InvalidRequest(
            f"Say what the key may reach in S3: {option} s3://bucket/folder/, or --bucket NAME for a whole "
            "bucket, or --any-bucket for all that the desk may."
        )
    return buckets


def _read(option: str, given: list[str]) -> Prefixes:
    try:
        return prefixes.of(given)
    except InvalidRequest as error:
        raise InvalidRequest(f"{option}: {error}") from None


def _create_key(options: argparse.Namespace) -> int:
    purpose = purpose_of(options)
    database = open_database(options.database)
    key = desk_key(database, options.secret_key)
    access_key_id, secret = api_keys.create_key(database, key, system_clock(), options.client, purpose)
    database.close()
    print(f"AWS_ACCESS_KEY_ID={access_key_id}")
    print(f"AWS_SECRET_ACCESS_KEY={secret}")
    return 0


def _list_keys(options: argparse.Namespace) -> int:
    database = open_existing(options.database)
    for key in api_keys.list_keys(database):
        used = f"last used {as_iso(key.last_used_ms)}" if key.last_used_ms is not None else "never used"
        state = f"revoked {as_iso(key.revoked_ms)}" if key.revoked_ms is not None else "good"
        purpose = key.purpose
        print(
            *(key.access_key_id, key.client, purpose.operations),
            f"team {purpose.team}" if purpose.team else "any team",
            f"reads {prefixes.in_words(purpose.reads)}",
            f"writes {prefixes.in_words(purpose.writes)}",
            *(f"made {as_iso(key.created_ms)}", used, state),
            sep="\t",
        )
    database.close()
    return 0


def _revoke_key(options: argparse.Namespace) -> int:
    database = open_existing(options.database)
    was_good = api_keys.revoke_key(database, system_clock(), options.access_key_id)
    database.close()
    print(f"{'Revoked' if was_good else 'Was revoked already:'} {options.access_key_id}.")
    return 0
