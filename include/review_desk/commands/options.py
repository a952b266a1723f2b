"""Options that several commands share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


# Only its owner can read a process's environment; every user can read its command line (ps).
DATABASE_ENVIRONMENT = "DESK_DATABASE"


def add_database_option(parser: argparse._ActionsContainer) -> None:
    """``--database``, which every command needs, here or in the environment."""
    given = os.environ.get(DATABASE_ENVIRONMENT) or None
    parser.add_argument(
        "--database",
        required=given is None,
        default=given,
        metavar="URL",
        help="where the desk keeps its data: sqlite:////absolute/path.db, or "
        f"postgresql://user:password@host/name (default: environment {DATABASE_ENVIRONMENT}. A URL with a "
        "password belongs there: every user of the machine can read command lines)",
    )
