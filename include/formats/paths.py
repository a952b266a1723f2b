"""Names that come from elsewhere and become paths: an archive's members, keys in S3, channels, log streams.

A name is joined to a folder by :func:`inside` and by nothing else, so that none leads out of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SHOWN_CHARACTERS = 80
# The limits of Linux for one part of a path and for the whole (NAME_MAX and PATH_MAX of limits.h).
_PART_BYTES = 255
_PATH_BYTES = 4095


class UnsafeNameError(ValueError):
    """A name is no path inside a folder; the message is a clause that begins with the name."""


def inside(folder: Path, name: str) -> Path:
    """Return the path of a name below a folder; only the text is looked at, not the disk.

    Parameters
    ----------
    name
        Relative, with ``/`` between its parts.

    Raises
    ------
    UnsafeNameError
        As :func:`check_name`.
    """
    check_name(name)
    return folder / name


def check_name(name: str) -> None:
    """Refuse a name that :func:`inside` would not join to a folder.

    Raises
    ------
    UnsafeNameError
        The name is empty or absolute, has a part ``.`` or ``..``, or is none that Linux can write.
    """
    shown = f"the name {name[:_SHOWN_CHARACTERS]!r}"
    parts = name.split("/")
    if name.startswith("/") or ".." in parts:
        raise UnsafeNameError(f"{shown} leads out of the folder")
    if not name.strip("/") or "." in parts:
        raise UnsafeNameError(f"{shown} is not that of a file or a folder")
    try:
        sizes = [len(part.encode("utf-8", "surrogateescape")) for part in (name, *parts)]
    except UnicodeEncodeError:
        sizes = [_PATH_BYTES + 1]
    if "\x00" in name or sizes[0] > _PATH_BYTES or max(sizes[1:], default=0) > _PART_BYTES:
        raise UnsafeNameError(f"{shown} is none that every machine can write")
