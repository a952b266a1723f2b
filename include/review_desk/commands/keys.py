"""``create-key``, ``list-keys``, ``revoke-key``: who may call the AWS API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from include.review_desk.clock import as_iso, system_clock
from include.review_desk.commands.options import add_database_option
from include.review_desk.people import api_keys
from include.review_desk.people.desk_key import ENVIRONMENT, DeskKey, default_path
from include.review_desk.storage.opening import open_database

if TYPE_CHECKING:
    import argparse

    from include.review_desk.storage.database import Database


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands about API keys to the command line."""
    create = commands.add_parser(
        "create-key",
        help="make an access key for a program that calls the desk with boto3",
        description="Make an access key for one client and print it, once: the secret is stored nowhere. "
        "Works while the desk is running, too.",
    )
    create.set_defaults(run=_create_key)
    add_database_option(create)
    create.add_argument("--client", required=True, metavar="NAME", help="whose key it is, for list-keys")
    add_secret_key_option(create)
    listing = commands.add_parser(
        "list-keys",
        help="show all access keys, without secrets",
        description="Show all access keys, one line each: id, client, made, last used (to the minute), "
        "state.",
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


def _create_key(options: argparse.Namespace) -> int:
    database = open_database(options.database)
    key = desk_key(database, options.secret_key)
    access_key_id, secret = api_keys.create_key(database, key, system_clock(), options.client)
    database.close()
    print(f"AWS_ACCESS_KEY_ID={access_key_id}")
    print(f"AWS_SECRET_ACCESS_KEY={secret}")
    return 0


def _list_keys(options: argparse.Namespace) -> int:
    database = open_database(options.database)
    for key in api_keys.list_keys(database):
        used = f"last used {as_iso(key.last_used_ms)}" if key.last_used_ms is not None else "never used"
        state = f"revoked {as_iso(key.revoked_ms)}" if key.revoked_ms is not None else "good"
        print(f"{key.access_key_id}\t{key.client}\tmade {as_iso(key.created_ms)}\t{used}\t{state}")
    database.close()
    return 0


def _revoke_key(options: argparse.Namespace) -> int:
    database = open_database(options.database)
    was_good = api_keys.revoke_key(database, system_clock(), options.access_key_id)
    database.close()
    print(f"{'Revoked' if was_good else 'Was revoked already:'} {options.access_key_id}.")
    return 0
