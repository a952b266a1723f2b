"""The journals that a restore uses: those of the backup and of later ones beside it, then the one in use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from include.review_desk.backup import archive
from include.review_desk.errors import DeskSetupError
from include.review_desk.storage import journal

if TYPE_CHECKING:
    from pathlib import Path

    from include.review_desk.backup.archive import Backup
    from include.review_desk.storage.journal import Contents, Entry, Journal

_SHOWN_LINES = 10


@dataclass
class Gathered:
    """What was found.

    Parameters
    ----------
    entries
        Oldest first, up to later backups and then the rest.
    left_out
        Journals of other Desks.
    faults
        What is damaged or missing, in words.
    cut_off
        Journals whose last line a crash cut off: it was acknowledged to no one.
    identity
        The Desk that the journal in use is of; None where it does not say, or there is none.
    """

    entries: list[Entry] = field(default_factory=list)
    left_out: list[Path] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    cut_off: list[Path] = field(default_factory=list)
    identity: str | None = None

    def add(self, path: Path, contents: Contents, *, is_whole: bool = True) -> None:
        """Add what is in one journal."""
        self.entries += contents.entries
        if contents.damaged:
            lines = ", ".join(map(str, contents.damaged[:_SHOWN_LINES]))
            self.faults.append(f"{path} has {len(contents.damaged)} damaged lines ({lines})")
        elif not is_whole:
            self.faults.append(f"{path} is not as it was written")
        elif contents.is_cut_off:
            self.cut_off.append(path)


def gather(backup: Backup, kept: Journal | None) -> Gathered:
    """Read what was noted since this backup began, and a little before.

    Raises
    ------
    DeskSetupError
        The journal in use is another Desk's, or a file cannot be read.
    """
    gathered = Gathered()
    try:
        for folder in archive.folders(backup.folder.absolute().parent):
            if folder.name >= backup.folder.absolute().name:
                _add_moved(gathered, backup, folder)
        if kept is not None:
            _add_kept(gathered, backup, kept)
    except OSError as error:
        raise DeskSetupError(f"The journal {error.filename} cannot be read: {error.strerror}.") from None
    return gathered


def _add_moved(gathered: Gathered, backup: Backup, folder: Path) -> None:
    path = folder / archive.JOURNAL
    try:
        about = archive.read_about(folder)
    except DeskSetupError as error:
        gathered.faults.append(error.message.partition(":")[0])
        about = None
    sha256 = about[0].journal_sha256 if about else None
    if about is not None and _is_of_another(backup, about[0].identity):
        gathered.left_out.append(path)
    elif path.exists():
        contents = journal.read(path)
        if _is_of_another(backup, contents.identity):
            gathered.left_out.append(path)
        else:
            gathered.add(path, contents, is_whole=archive.is_as_written(path, sha256))
    elif sha256 is not None:
        gathered.faults.append(f"{path} is missing")


def _add_kept(gathered: Gathered, backup: Backup, kept: Journal) -> None:
    contents = journal.read(kept.path)
    if _is_of_another(backup, contents.identity):
        raise DeskSetupError(
            f"The journal {kept.path} ({journal.ENVIRONMENT}) is another Desk's than the backup: name this "
            f"Desk's, or unset {journal.ENVIRONMENT} to restore without what came after the backup."
        )
    gathered.identity = contents.identity
    gathered.add(kept.path, contents)


def _is_of_another(backup: Backup, identity: str | None) -> bool:
    return None not in (backup.identity, identity) and backup.identity != identity
