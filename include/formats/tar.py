"""The bytes of a ``tar.gz`` and the headers in it: POSIX ustar and pax, and GNU's dialect.

The reader of the standard library trusts what a header says. Its ``filter`` is missing before Python 3.11.4,
and later patch releases had to close ways around it. This one reads forwards only, counts what it unpacks,
and behaves the same on every Python. Format: POSIX.1-2017, ``pax``; GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

import gzip
import os
import re
import time
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 512
CHUNK = 1024 * 1024
_METADATA_BYTES = 1024 * 1024
# Up to here an archive may unpack to any multiple of its own size, as one of a few small texts does.
_FREE_BYTES = 64 * 1024**2
# At most this many headers may describe one member.
_NOTES = 3
_REGULAR = b"\x000\x37"
_FOLDER = b"5"
_NOT_TAKEN = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"S": "a sparse file",
    b"M": "a part of a file from another volume",
}
_OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ\x00": "compressed by xz",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
}


class ArchiveError(ValueError):
    """An archive is damaged or holds what is refused; the message is a clause without the archive's name."""


@dataclass(frozen=True)
class Limits:
    """Limits on an archive.

    Parameters
    ----------
    count
        Most files and folders.
    file_bytes
        Most bytes of one file.
    total_bytes
        Most bytes of the uncompressed archive.
    ratio
        Most uncompressed bytes for each compressed one, beyond the first 64 MiB. Trained weights hardly
        shrink; zeros shrink a thousandfold.
    seconds
        Longest time from the first byte to the last, what is done with the content included.
    """

    count: int = 10_000
    file_bytes: int = 2 * 1024**3
    total_bytes: int = 4 * 1024**3
    ratio: int = 200
    seconds: float = 600.0


@dataclass(frozen=True)
class Header:
    """What an archive says about a file or a folder.

    Parameters
    ----------
    name
        As the archive has it, not checked.
    size
        Bytes of the content, 0 for a folder.
    is_folder
        A folder, which has no content.
    executable
        The owner may execute it.
    """

    name: str
    size: int
    is_folder: bool
    executable: bool


class _Compressed:
    """The compressed bytes, counted, until the time is over.

    gzip asks for them in small pieces, also while it passes over millions of empty gzip members, which give
    nothing to count on the other side.
    """

    def __init__(self, file: IO[bytes], seconds: float) -> None:
        self._file = file
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        if time.monotonic() >= self._deadline:
            raise ArchiveError(f"it was not read within {self._seconds:g} s, which no model needs")
        data = self._file.read(size)
        self.count += len(data)
        return data


class Stream:
    """The uncompressed bytes, counted."""

    def __init__(self, file: IO[bytes], limits: Limits) -> None:
        start = file.read(BLOCK)
        file.seek(-len(start), os.SEEK_CUR)
        if not start:
            raise ArchiveError("it is empty")
        if not start.startswith(b"\x1f\x8b"):
            raise ArchiveError(f"it is no tar.gz: it is {_format_of(start)}; pack it with tar -czf")
        self._compressed = _Compressed(file, limits.seconds)
        self._zipped = gzip.GzipFile(fileobj=self._compressed, mode="rb")  # type: ignore[call-overload]
        self._limits = limits
        self._taken = 0

    def take(self, size: int) -> bytes:
        """Return exactly that many bytes."""
        data = self._read(size)
        if len(data) < size:
            raise ArchiveError("it is cut short; pack or copy it again")
        return data

    def finish(self) -> None:
        """Read to the end, so that gzip checks its checksum; only padding may follow the end of a tar."""
        while data := self._read(CHUNK):
            if data.strip(b"\x00"):
                raise ArchiveError("data follows its end; pack it again")

    def _read(self, size: int) -> bytes:
        parts = []
        try:
            while size and (part := self._zipped.read(size)):
                parts.append(part)
                size -= len(part)
                self._count(len(part))
        except EOFError as error:
            raise ArchiveError("it is cut short; pack or copy it again") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise ArchiveError(f"it is a damaged gzip file ({error}); pack or copy it again") from error
        return b"".join(parts)

    def _count(self, size: int) -> None:
        self._taken += size
        limits = self._limits
        if self._taken > limits.total_bytes:
            raise ArchiveError(f"it unpacks to more than {limits.total_bytes:,} bytes, which no model has")
        if self._taken > _FREE_BYTES + limits.ratio * self._compressed.count:
            raise ArchiveError(f"it unpacks to more than {limits.ratio} times its size, which no model does")


def _format_of(start: bytes) -> str:
    if start[257:262] == b"ustar":
        return "a tar that is not compressed"
    return next(
        (name for magic, name in _OTHER_FORMATS.items() if start.startswith(magic)), "not compressed by gzip"
    )


def headers(stream: Stream, limits: Limits) -> Iterator[Header]:
    """Yield what the headers say of each member; the reader takes its content and padding before the next.

    Headers that only say something about the next one are used up here.

    Raises
    ------
    ArchiveError
        One is damaged, or its member is refused.
    """
    said: dict[str, str] = {}
    count = notes = 0
    while notes <= _NOTES * limits.count:
        header = stream.take(BLOCK)
        if not header.strip(b"\x00"):
            return
        _check_sum(header)
        kind, size = header[156:157], _number(header[124:136])
        if kind in (b"x", b"g", b"L", b"K"):
            said |= _metadata(kind, _text_block(stream, size))
            notes += 1
            continue
        count += 1
        if count > limits.count:
            break
        yield _member(header, said, limits)
        said = {}
    raise ArchiveError(f"it has more than {limits.count:,} members, which no model has")


def _member(header: bytes, said: dict[str, str], limits: Limits) -> Header:
    kind = header[156:157]
    raw = said.get("path") or _name(header)
    if kind in _NOT_TAKEN or any(key.startswith("GNU.sparse") for key in said):
        raise ArchiveError(
            f"{raw!r} is {_NOT_TAKEN.get(kind, 'a sparse file')}; only regular files are taken"
        )
    is_folder = kind == _FOLDER or (kind == b"\x00" and raw.endswith("/"))
    if not is_folder and kind not in _REGULAR:
        raise ArchiveError(f"{raw!r} is of the unknown kind {kind!r}; only regular files are taken")
    size = 0 if is_folder else _size(said.get("size"), header)
    if size > limits.file_bytes:
        raise ArchiveError(f"{raw!r} has {size:,} bytes, which no file of a model has")
    return Header(raw, size, is_folder, bool(_number(header[100:108]) & 0o100))


def _text_block(stream: Stream, size: int) -> bytes:
    if size > _METADATA_BYTES:
        raise ArchiveError(f"a header of it has {size:,} bytes, which no name needs")
    data = stream.take(size)
    stream.take(-size % BLOCK)
    return data


def _metadata(kind: bytes, data: bytes) -> dict[str, str]:
    """What a header says about the next member: ``path``, ``size`` and the marks of sparse files."""
    if kind == b"L":
        return {"path": _decoded(data.partition(b"\x00")[0])}
    if kind == b"K":
        return {}
    records = dict(_pax_records(data))
    if kind == b"g":
        for key in records:
            if key in ("path", "size") or key.startswith("GNU.sparse"):
                raise ArchiveError(f"a header gives all its files the same {key}")
        return {}
    return records


def _pax_records(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the pairs of ``<length> <key>=<value>\\n`` records, the length being that of the whole record."""
    data = data.rstrip(b"\x00")
    start = 0
    while start < len(data):
        digits = data[start : start + 20].partition(b" ")[0]
        end = start + int(digits) if digits.isdigit() else 0
        record = data[start + len(digits) + 1 : end]
        key, separator, value = record[:-1].partition(b"=")
        if not (record.endswith(b"\n") and separator and end <= len(data)):
            raise ArchiveError("a header of it is damaged; pack or copy it again")
        yield _decoded(key), _decoded(value)
        start = end


def _check_sum(header: bytes) -> None:
    counted = header[:148] + b" " * 8 + header[156:]
    signed = sum(byte - 256 if byte > 127 else byte for byte in counted)
    if _number(header[148:156]) not in (sum(counted), signed):
        raise ArchiveError("a header of it is damaged; pack or copy it again")


def _number(field: bytes) -> int:
    """Read an octal number, or GNU's big-endian one that the highest bit marks."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    text = field.partition(b"\x00")[0].strip()
    if re.fullmatch(rb"[0-7]*", text) is None:
        raise ArchiveError("a header of it holds a number that is none or negative; pack or copy it again")
    return int(text or b"0", 8)


def _size(said: str | None, header: bytes) -> int:
    if said is None:
        return _number(header[124:136])
    if not (said.isascii() and said.isdigit() and len(said) < 20):
        raise ArchiveError("a header of it holds a size that is none; pack or copy it again")
    return int(said)


def _name(header: bytes) -> str:
    name = header[:100].partition(b"\x00")[0]
    # GNU stores other things where POSIX stores the first part of a long name.
    prefix = header[345:500].partition(b"\x00")[0] if header[257:263] == b"ustar\x00" else b""
    return _decoded(prefix + b"/" + name if prefix else name)


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")
