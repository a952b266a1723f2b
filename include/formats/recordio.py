"""RecordIO, the framing of MXNet's .rec files and of SageMaker's Pipe mode, in pure Python.

A record is a little-endian magic word, a word holding a continuation flag (3 bits) and a length (29 bits),
and the payload padded to 4 bytes. Where the payload itself holds the magic at an aligned offset, the writer
leaves those 4 bytes out and continues in a new part (flags 1, 2, 3: first, middle, last); the reader puts
them back. That way a reader can look for record borders anywhere in a file (dmlc-core, ``recordio.h``).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = struct.pack("<I", 0xCED7230A)
_LENGTH_BITS = 29
MAX_PART_BYTES = (1 << _LENGTH_BITS) - 1
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)


class RecordIOError(Exception):
    """A RecordIO stream or a detection record is damaged, or too long to be written."""


def frame(payload: bytes) -> bytes:
    """Frame one payload as one record; byte for byte what ``mx.recordio.MXRecordIO`` writes.

    Raises
    ------
    RecordIOError
        The payload is longer than MAX_PART_BYTES.
    """
    if len(payload) > MAX_PART_BYTES:
        raise RecordIOError(
            f"A RecordIO record holds at most {MAX_PART_BYTES} bytes, this one has {len(payload)}."
        )
    parts = _split_at_magic(payload)
    return b"".join(_frame_part(_flag(index, len(parts)), part) for index, part in enumerate(parts))


def _frame_part(flag: int, part: bytes) -> bytes:
    return MAGIC + struct.pack("<I", flag << _LENGTH_BITS | len(part)) + part + b"\0" * (-len(part) % 4)


def _flag(index: int, count: int) -> int:
    if count == 1:
        return _WHOLE
    if index == 0:
        return _FIRST
    return _LAST if index == count - 1 else _MIDDLE


def _split_at_magic(payload: bytes) -> list[bytes]:
    """Cut the payload at each magic word on a 4-byte border, leaving the word itself out."""
    parts = []
    start = 0
    search = 0
    while (found := payload.find(MAGIC, search)) >= 0:
        if found % 4:
            search = found + 1
            continue
        parts.append(payload[start:found])
        start = search = found + 4
    parts.append(payload[start:])
    return parts


def read_records(stream: BinaryIO, source: str = "stream") -> Iterator[bytes]:
    """Yield the payloads of a RecordIO stream (a file or a named pipe) up to its end.

    Parameters
    ----------
    source
        What to call the stream in errors.

    Raises
    ------
    RecordIOError
        A wrong magic word, parts out of order, or a stream that ends inside a record.
    """
    index = 0
    parts: list[bytes] = []
    while header := _read(stream, 8, allow_end=not parts, where=(source, index)):
        magic, (word,) = header[:4], struct.unpack("<I", header[4:])
        if magic != MAGIC:
            raise RecordIOError(
                f"Record {index} of {source} does not begin with the RecordIO magic word; "
                "is RecordWrapperType RecordIO?"
            )
        flag, length = word >> _LENGTH_BITS, word & MAX_PART_BYTES
        if flag > _LAST or (flag in (_MIDDLE, _LAST)) != bool(parts):
            raise RecordIOError(f"Record {index} of {source} has its parts out of order.")
        padded = _read(stream, length + -length % 4, allow_end=False, where=(source, index))
        parts.append(padded[:length])
        if flag in (_WHOLE, _LAST):
            yield MAGIC.join(parts)
            parts = []
            index += 1


def _read(stream: BinaryIO, size: int, *, allow_end: bool, where: tuple[str, int]) -> bytes:
    """Read exactly ``size`` bytes; a pipe may hand them over in pieces."""
    chunks = []
    missing = size
    while missing and (chunk := stream.read(missing)):
        chunks.append(chunk)
        missing -= len(chunk)
    if missing and (chunks or not allow_end):
        raise RecordIOError(f"{where[0]} ends inside record {where[1]}.")
    return b"".join(chunks)
