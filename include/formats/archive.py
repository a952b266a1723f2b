"""``tar.gz`` archives, read by one reader for the whole project: regular files and folders only.

It refuses what a model never holds: links, devices, sparse files, names that lead out of the folder or come
twice, more bytes or files than the limits allow. Every refusal is an :class:`ArchiveError`, a clause that
follows the archive's name.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from include.formats.paths import UnsafeNameError, check_name, inside
from include.formats.tar import BLOCK, CHUNK, ArchiveError, Header, Limits, Stream, headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["ArchiveError", "Limits", "Member", "contents", "members", "unpack"]

DEFAULT_LIMITS = Limits()
_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")


class Member:
    """A file or a folder of an archive; the content can be read while it is the iterator's latest.

    Parameters
    ----------
    name
        Relative, with ``/`` between its parts, none of which is empty, ``.`` or ``..``.
    header
        Size, kind and mode.
    """

    def __init__(self, name: str, header: Header, stream: Stream) -> None:
        self.name = name
        self.header = header
        self._stream = stream
        self._unread = header.size

    def chunks(self) -> Iterator[bytes]:
        """Yield the content in pieces of at most 1 MiB.

        Raises
        ------
        ArchiveError
            The archive ends before the content does.
        """
        while self._unread:
            chunk = self._stream.take(min(CHUNK, self._unread))
            self._unread -= len(chunk)
            yield chunk


def members(source: Path | IO[bytes], limits: Limits = DEFAULT_LIMITS) -> Iterator[Member]:
    """Yield what a ``tar.gz`` holds, in its order, reading forwards only.

    Parameters
    ----------
    source
        Path of the archive, or a binary file at its start.

    Raises
    ------
    ArchiveError
        It is damaged, cut short, over a limit, or holds what is refused.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            yield from members(file, limits)
        return
    stream = Stream(source, limits)
    names = _Names()
    for header in headers(stream, limits):
        member = Member(_clean(header.name), header, stream)
        # "./", the folder itself, is the first entry of many archives.
        if member.name or not header.is_folder:
            names.add(member)
            yield member
        for _ in member.chunks():
            pass
        stream.take(-header.size % BLOCK)
    stream.finish()


def unpack(
    source: Path | IO[bytes],
    folder: Path,
    choose: Callable[[str], str | None] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> None:
    """Write the files and folders of an archive below a folder; after an error none of the files is left.

    Parameters
    ----------
    choose
        From a file's name in the archive to its name below the folder, or None to leave it out; without it
        everything is written under its own name, and only then folders too.

    Raises
    ------
    ArchiveError
        As :func:`members`; also when two files are to have the same name.
    OSError
        A file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[Path, None] = {}
    try:
        for member in members(source, limits):
            if member.header.is_folder:
                if choose is None:
                    _make_folder(_path(folder, member.name), folder)
                continue
            name = choose(member.name) if choose else member.name
            if name is None:
                continue
            path = _path(folder, name)
            if path in written:
                raise ArchiveError(f"it has two files for {name!r}")
            _write(member, path, folder)
            written[path] = None
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def contents(source: Path | IO[bytes], limits: Limits = DEFAULT_LIMITS) -> dict[str, bytes]:
    """Return the content of every file of a small archive by its name.

    Raises
    ------
    ArchiveError
        As :func:`members`.
    """
    files = (member for member in members(source, limits) if not member.header.is_folder)
    return {member.name: b"".join(member.chunks()) for member in files}


def _clean(name: str) -> str:
    """Return a name without empty parts and dots; empty for the folder itself.

    Raises
    ------
    ArchiveError
        It could lead out of a folder, or is not a valid name on some machine.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or _DRIVE.match(name):
        raise ArchiveError(f"the name {name[:80]!r} leads out of the folder")
    if _CONTROL.search(name):
        raise ArchiveError(f"the name {name[:80]!r} is none that every machine can write")
    cleaned = "/".join(parts)
    if cleaned:
        try:
            check_name(cleaned)
        except UnsafeNameError as error:
            raise ArchiveError(str(error)) from None
    return cleaned


def _path(folder: Path, name: str) -> Path:
    try:
        return inside(folder, name)
    except UnsafeNameError as error:
        raise ArchiveError(str(error)) from None


class _Names:
    """The names so far: none occurs twice, and no file is also a folder."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def add(self, member: Member) -> None:
        name = member.name
        if not name:
            raise ArchiveError("it has a file without a name")
        if name in self._files:
            raise ArchiveError(f"it has two entries for {name!r}")
        above = {name[: match.start()] for match in re.finditer("/", name)}
        shared = above & self._files or ({name} & self._folders if not member.header.is_folder else set())
        if shared:
            raise ArchiveError(f"{min(shared)!r} is a file and a folder in it")
        self._folders |= above
        (self._folders if member.header.is_folder else self._files).add(name)


def _make_folder(path: Path, folder: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    # A link that was there before could lead elsewhere.
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ArchiveError(f"a link in the folder leads {path.name!r} elsewhere")


def _write(member: Member, path: Path, folder: Path) -> None:
    _make_folder(path.parent, folder)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=".unfinished-")
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in member.chunks():
                file.write(chunk)
        os.chmod(unfinished, 0o755 if member.header.executable else 0o644)
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise
