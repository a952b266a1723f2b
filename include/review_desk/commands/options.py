"""Options that several commands share."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from include.formats.s3_uri import BUCKET
from include.review_desk.errors import DeskSetupError

if TYPE_CHECKING:
    import argparse


# Only its owner can read a process's environment; every user can read its command line (ps).
DATABASE_ENVIRONMENT = "DESK_DATABASE"


def add_bucket_options(parser: argparse._ActionsContainer, *, bucket: str, any_bucket: str) -> None:
    """``--bucket``, and ``--any-bucket`` to leave it out on purpose; what each says is given."""
    parser.add_argument("--bucket", action="append", metavar="NAME", help=bucket)
    parser.add_argument("--any-bucket", action="store_true", help=any_bucket)


def check_bucket_options(options: argparse.Namespace) -> None:
    """Raise DeskSetupError for no bucket's name, or where ``--bucket`` and ``--any-bucket`` contradict."""
    if options.bucket and options.any_bucket:
        raise DeskSetupError("--any-bucket contradicts --bucket: give one of the two.")
    for name in options.bucket or ():
        if re.fullmatch(BUCKET, name) is None:
            raise DeskSetupError(
                f"--bucket {name[:200]!r} must be the name of a bucket alone, like my-bucket: 3 to 63 "
                "lower-case letters, digits, dots and hyphens, without s3://."
            )


def add_database_option(parser: argparse._ActionsContainer) -> None:
    """``--database``, which ``check_database_option`` wants here or in the environment."""
    parser.add_argument(
        "--database",
        default=os.environ.get(DATABASE_ENVIRONMENT) or None,
        metavar="URL",
        help="where the desk keeps its data: sqlite:////absolute/path.db, or "
        f"postgresql://user:password@host/name (default: environment {DATABASE_ENVIRONMENT}. A URL with a "
        "password belongs there: every user of the machine can read command lines)",
    )


def check_database_option(options: argparse.Namespace) -> None:
    """Raise DeskSetupError where neither the command line nor the environment names the database."""
    if not options.database:
        raise DeskSetupError(
            f"Say where the desk keeps its data, with --database URL or in the environment "
            f"{DATABASE_ENVIRONMENT}: sqlite:////absolute/path.db, or postgresql://user:password@host/name."
        )
