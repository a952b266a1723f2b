"""Backups in a folder: one folder each, named by its time, with the dump and the journal up to it."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include.review_desk.backup import dump
from include.review_desk.errors import DeskSetupError
from include.review_desk.storage import journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from include.review_desk.storage.journal import Entry, Journal

_ABOUT = "about.json"
_JOURNAL = "journal.jsonl"
_NAME = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True)
class Backup:
    """One backup. ``begun_ms``: everything that was committed before is in the dump."""

    folder: Path
    begun_ms: int

    @property
    def dump(self) -> Path:
        """The database."""
        return self.folder / dump.FILE

    def entries_since(self, kept: Journal | None) -> Iterator[Entry]:
        """What was noted since this backup began, and a little before: up to later backups, then the rest."""
        for backup in backups(self.folder.parent):
            if backup.folder.name >= self.folder.name:
                yield from journal.read(backup.folder / _JOURNAL)
        if kept is not None:
            yield from journal.read(kept.path)


def make(url: str, into: Path, kept: Journal | None, now_ms: int) -> Backup:
    """Write a backup; the journal begins again after it.

    The folder is complete once it has its ``about.json``; others are not used.

    Raises
    ------
    DeskSetupError
        See :func:`include.review_desk.backup.dump.take`.
    """
    folder = into / datetime.fromtimestamp(now_ms / 1000, UTC).strftime(_NAME)
    folder.mkdir(mode=0o700, parents=True)
    dump.take(url, folder / dump.FILE)
    if kept is not None:
        kept.move_to(folder / _JOURNAL)
    about = {"begun_ms": now_ms, "sha256": _sha256(folder / dump.FILE)}
    unfinished = folder / f"{_ABOUT}.part"
    with unfinished.open("x", encoding="utf-8") as file:
        json.dump(about, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(folder / _ABOUT)
    return Backup(folder, now_ms)


def read(folder: Path) -> Backup:
    """Open a backup.

    Raises
    ------
    DeskSetupError
        It is none, was not completed, or its dump is not the one that was written.
    """
    try:
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DeskSetupError(f"{folder} is no complete backup: it has no {_ABOUT}.") from None
    if _sha256(folder / dump.FILE) != about["sha256"]:
        raise DeskSetupError(f"{folder / dump.FILE} is damaged: take another backup.")
    return Backup(folder, int(about["begun_ms"]))


def backups(parent: Path) -> list[Backup]:
    """All in a folder, oldest first; those without a complete dump have a journal all the same."""
    found = sorted(folder for folder in parent.iterdir() if (folder / dump.FILE).exists())
    return [Backup(folder, 0) for folder in found]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
