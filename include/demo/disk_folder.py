"""A person's folder on disk as the reader of VOC folders wants it; nothing in it stops the demo."""

from __future__ import annotations

import os
import stat
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from include.demo.archive import ArchiveError
from include.formats.voc import FolderFile, VocError

if TYPE_CHECKING:
    from collections.abc import Iterator


class DiskFolder:
    """Files below a folder, links followed; `left_out` has a sentence for each that cannot be had."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.left_out: list[str] = []

    def files(self) -> Iterator[FolderFile]:
        """Every file, in the order of the folders; raises `ArchiveError` when a folder cannot be listed."""
        seen: set[str] = set()
        for folder, inner, names in os.walk(self._root, followlinks=True, onerror=_cannot_list):
            real = os.path.realpath(folder)
            if real in seen:
                inner.clear()
                continue
            seen.add(real)
            inner.sort()
            for name in sorted(names):
                file = self._file(Path(folder, name))
                if file:
                    yield file

    def _file(self, path: Path) -> FolderFile | None:
        below = path.relative_to(self._root).as_posix()
        shown = os.fsencode(below).decode("utf-8", "backslashreplace")
        if shown != below or any(unicodedata.category(letter) == "Cc" for letter in below):
            self.left_out.append(f"{shown!a} is not a name in UTF-8 without control characters: rename it.")
            return None
        try:
            found = path.stat()
        except OSError as error:
            self.left_out.append(f"{below} cannot be opened: {error.strerror}.")
            return None
        if not stat.S_ISREG(found.st_mode):
            self.left_out.append(f"{below} is not a regular file.")
            return None
        return FolderFile(below, found.st_size)

    def read(self, path: str) -> bytes:
        """The bytes of a file; raises `VocError` when it cannot be read."""
        try:
            return (self._root / path).read_bytes()
        except OSError as error:
            raise VocError(f"{path} cannot be read: {error.strerror}.") from error

    def address(self, path: str) -> str:
        """The path below the folder."""
        return path


def _cannot_list(error: OSError) -> None:
    shown = os.fsencode(error.filename or "").decode("utf-8", "backslashreplace")
    raise ArchiveError(f"{shown} cannot be listed: {error.strerror}; make it readable.") from error
