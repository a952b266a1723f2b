"""Backups in a folder: one folder each, named by its time, with the dump and the journal up to it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include.review_desk.backup import dump
from include.review_desk.errors import DeskSetupError
from include.review_desk.storage import facts
from include.review_desk.storage.opening import open_existing

if TYPE_CHECKING:
    from pathlib import Path

_ABOUT = "about.json"
JOURNAL = "journal.jsonl"
_NAME = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True)
class Backup:
    """One backup, as its ``about.json`` says.

    Parameters
    ----------
    begun_ms
        Everything that was committed before is in the dump.
    identity
        The Desk that it is of; None for one that was made before Desks had an identity.
    journal_sha256
        Of the journal that was moved here; None: there was none.
    """

    folder: Path
    begun_ms: int
    identity: str | None
    journal_sha256: str | None

    @property
    def dump(self) -> Path:
        """The database."""
        return self.folder / dump.FILE


def make(url: str, into: Path, now_ms: int) -> Backup:
    """Write a backup; the journal begins again after it.

    The folder is complete once it has its ``about.json``; others are not used.

    Raises
    ------
    DeskSetupError
        See :func:`include.review_desk.backup.dump.take`, or the files cannot be written.
    """
    database = open_existing(url)
    with contextlib.closing(database), database.read() as connection:
        identity = facts.get(connection, facts.IDENTITY)
    folder = into / datetime.fromtimestamp(now_ms / 1000, UTC).strftime(_NAME)
    try:
        folder.mkdir(mode=0o700, parents=True)
        _dump(url, folder)
        journal_sha256 = None
        if database.journal is not None:
            database.journal.move_to(folder / JOURNAL)
            journal_sha256 = _sha256(folder / JOURNAL)
        about = {
            "begun_ms": now_ms,
            "sha256": _sha256(folder / dump.FILE),
            "identity": identity,
            "journal_sha256": journal_sha256,
        }
        _write(folder / _ABOUT, json.dumps(about))
    except OSError as error:
        raise DeskSetupError(
            f"The backup {folder} cannot be written: {error.strerror}. Give --to a folder with free space."
        ) from None
    return Backup(folder, now_ms, identity, journal_sha256)


def _dump(url: str, folder: Path) -> None:
    """Write the dump, or leave nothing: a part of one would look like a backup."""
    try:
        dump.take(url, folder / dump.FILE)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(f"{path.name}.part")
    with unfinished.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)


def read(folder: Path) -> Backup:
    """Open a backup.

    Raises
    ------
    DeskSetupError
        It is none, was not completed, or its dump is not the one that was written.
    """
    found = read_about(folder)
    if found is None:
        raise DeskSetupError(f"{folder} is no complete backup: it has no {_ABOUT}.")
    backup, sha256 = found
    try:
        is_whole = _sha256(backup.dump) == sha256
    except OSError as error:
        raise DeskSetupError(f"{backup.dump} cannot be read: {error.strerror}.") from None
    if not is_whole:
        raise DeskSetupError(f"{backup.dump} is damaged: take another backup.")
    return backup


def read_about(folder: Path) -> tuple[Backup, str] | None:
    """What a backup says of itself, and its dump's checksum; None: it was not completed.

    Raises
    ------
    DeskSetupError
        It says something else.
    """
    path = folder / _ABOUT
    try:
        about = json.loads(path.read_bytes())
        backup = Backup(folder, int(about["begun_ms"]), about.get("identity"), about.get("journal_sha256"))
        return backup, str(about["sha256"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DeskSetupError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DeskSetupError(f"{path} is damaged: take another backup.") from None


def folders(parent: Path) -> list[Path]:
    """All backups in a folder, oldest first; one without ``about.json`` may have a journal all the same."""
    return sorted(folder for folder in parent.iterdir() if (folder / dump.FILE).exists())


def is_as_written(path: Path, sha256: str | None) -> bool:
    """Whether a file has the checksum, if there is one to compare with."""
    return sha256 is None or _sha256(path) == sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
