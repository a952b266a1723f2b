"""model.tar.gz: equal models make equal bytes, and unpacking puts nothing outside its folder."""

from __future__ import annotations

import gzip
import tarfile
from typing import TYPE_CHECKING

from include.local_sagemaker.errors import JobError

if TYPE_CHECKING:
    from pathlib import Path


def pack(folder: Path, archive: Path) -> None:
    """Pack the content of a folder: sorted, without times, owners or a file name in the gzip header."""
    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", mtime=0, fileobj=file) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(folder.rglob("*")):
            tar.add(path, str(path.relative_to(folder)), recursive=False, filter=_anonymous)


def unpack(archive: Path, folder: Path, source: str) -> None:
    """Unpack an archive that came from ``source``.

    Raises
    ------
    JobError
        When it is not a gzip-compressed tar file, or holds a path that leads out of the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise JobError(f"{source} is not a usable model.tar.gz: {error}.") from error


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member
