"""Options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_database_option(parser: argparse._ActionsContainer) -> None:
    """``--database``, which every command needs."""
    parser.add_argument(
        "--database",
        required=True,
        metavar="URL",
        help="where the desk keeps its data: sqlite:////absolute/path.db, or postgresql://user:password@host/name",
    )
