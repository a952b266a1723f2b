"""model.tar.gz: equal models give equal bytes, and unpacking writes nothing outside its folder."""

from __future__ import annotations

import gzip
import tarfile
from typing import TYPE_CHECKING

from include.formats import archive as archives
from include.local_sagemaker.errors import JobError

if TYPE_CHECKING:
    from pathlib import Path


def pack(folder: Path, archive: Path) -> None:
    """Pack the content of a folder: sorted, without times, owners or a file name in the gzip header.

    A link to a file is packed as that file, since :func:`unpack` refuses links.

    Raises
    ------
    JobError
        When a link leads to a folder or nowhere.
    """
    paths = sorted(folder.rglob("*"))
    lost = [path for path in paths if path.is_symlink() and not path.is_file()]
    if lost:
        raise JobError(
            f"{lost[0].relative_to(folder)} is a link that leads to no file; write the file itself."
        )
    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", mtime=0, fileobj=file) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT, dereference=True) as tar,
    ):
        for path in paths:
            tar.add(path, str(path.relative_to(folder)), recursive=False, filter=_anonymous)


def unpack(archive: Path, folder: Path, source: str) -> None:
    """Unpack an archive that came from ``source``.

    Raises
    ------
    JobError
        When it is damaged, or holds what no model does: links, paths that lead out of the folder, too much.
    """
    try:
        archives.unpack(archive, folder)
    except (OSError, archives.ArchiveError) as error:
        raise JobError(f"{source} is not a usable model.tar.gz: {error}.") from error


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member
