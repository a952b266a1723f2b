"""``backup`` and ``restore``: the database as files, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from include.review_desk.backup import archive
from include.review_desk.backup.restore import restore
from include.review_desk.clock import system_clock
from include.review_desk.commands.options import add_database_option
from include.review_desk.storage import journal

if TYPE_CHECKING:
    import argparse


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``backup`` and ``restore`` to the command line."""
    taking = commands.add_parser(
        "backup",
        help="write a backup of the database into a folder, while the desk runs",
        description="Write a backup into a folder of its own, named by the time. The journal, which is the "
        f"file that the environment {journal.ENVIRONMENT} names, is moved there and begins again. PostgreSQL "
        "needs pg_dump. The desk's own key is not in a backup: keep a copy of that file.",
    )
    taking.set_defaults(run=_backup)
    add_database_option(taking)
    taking.add_argument("--to", required=True, type=Path, metavar="FOLDER", help="where backups are kept")
    putting = commands.add_parser(
        "restore",
        help="fill an empty database from a backup and the journal",
        description="Fill an empty database from a backup, add the loops and answers that the journal has "
        "kept since, and take away again what was taken away since: keys, accounts, memberships, "
        "invitations, passwords. Everybody is signed out. PostgreSQL needs pg_restore.",
    )
    putting.set_defaults(run=_restore)
    add_database_option(putting)
    putting.add_argument(
        "--from",
        required=True,
        type=Path,
        dest="source",
        metavar="FOLDER",
        help="the backup, beside those that were made after it",
    )
    putting.add_argument(
        "--without-damaged-lines",
        action="store_true",
        help="go on although lines or files of the journal are damaged or missing; they are named",
    )


def _backup(options: argparse.Namespace) -> int:
    made = archive.make(options.database, options.to, system_clock())
    print(f"Wrote the backup {made.folder}.")
    if made.journal_sha256 is None:
        print(
            f"There is no journal ({journal.ENVIRONMENT}): what is answered or revoked from now on would be "
            "lost with the database."
        )
    return 0


def _restore(options: argparse.Namespace) -> int:
    done = restore(
        archive.read(options.source),
        options.database,
        system_clock(),
        without_damaged=options.without_damaged_lines,
    )
    print(f"Restored {options.source}, and from the journal {done.loops} loops and {done.answers} answers.")
    print(f"Repeated {done.repeated} acts that took something away. Everybody is signed out.")
    for remark in done.remarks:
        print(remark)
    if done.answers_without_loop:
        print(f"{done.answers_without_loop} answers belong to loops that no journal has: they were left out.")
    for name in done.without_password:
        print(f"{name} changed password or second factor since, and has none now: set one with add-worker.")
    if journal.of_environment() is None:
        print(f"There was no journal ({journal.ENVIRONMENT}): what came after the backup is not there.")
    return 0
