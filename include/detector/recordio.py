"""RecordIO as MXNet writes it, in pure Python.

On disk a record is a little-endian magic word, a word holding a continuation flag (3 bits) and a length (29
bits), and the payload padded to 4 bytes. Where the payload itself holds the magic at an aligned offset, the
writer leaves those 4 bytes out and continues in a new part (flags 1, 2, 3: first, middle, last); the reader
puts them back. That way a reader may look for record borders anywhere in a file (dmlc-core, ``recordio.h``).

A detection record (the output of ``im2rec``) is an ``IRHeader``, the label as 32-bit floats and the image
file: label = [header width 2, object width 5, class, xmin, ymin, xmax, ymax, class, ...], coordinates as
ratios of the image. Objects of nothing but -1 are padding.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from .errors import DetectorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from include.formats.boxes import Row

MAGIC = 0xCED7230A
_MAGIC_BYTES = struct.pack("<I", MAGIC)
_LENGTH_BITS = 29
MAX_PART_BYTES = (1 << _LENGTH_BITS) - 1
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_IR_HEADER = struct.Struct(
    "<IfQQ"
)  # number of label floats (0: the label is the float itself), label, id, id2
LABEL_HEADER_WIDTH = 2
LABEL_OBJECT_WIDTH = 5
_MAX_OBJECT_WIDTH = 1 << 16
_PADDING = (-1.0,) * LABEL_OBJECT_WIDTH


class RecordIOError(DetectorError):
    """A RecordIO stream or detection record is damaged."""


class RecordWriter:
    """Writes payloads to a binary stream; byte for byte what ``mx.recordio.MXRecordIO`` writes.

    The stream stays the caller's: it is neither flushed nor closed. ``offset`` is the position of the next
    record, which is what an ``.idx`` file lists.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.offset = 0

    def write(self, payload: bytes) -> int:
        """Write one record and return the offset at which it starts."""
        if len(payload) > MAX_PART_BYTES:
            raise RecordIOError(
                f"A RecordIO record holds at most {MAX_PART_BYTES} bytes, this one has {len(payload)}."
            )
        start = self.offset
        parts = _split_at_magic(payload)
        for index, part in enumerate(parts):
            self._write_part(_flag(index, len(parts)), part)
        return start

    def _write_part(self, flag: int, part: bytes) -> None:
        framed = struct.pack("<II", MAGIC, flag << _LENGTH_BITS | len(part)) + part + b"\0" * (-len(part) % 4)
        self._stream.write(framed)
        self.offset += len(framed)


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
    while (found := payload.find(_MAGIC_BYTES, search)) >= 0:
        if found % 4:
            search = found + 1
            continue
        parts.append(payload[start:found])
        start = search = found + 4
    parts.append(payload[start:])
    return parts


def read_records(stream: BinaryIO, source: str = "stream") -> Iterator[bytes]:
    """Yield the payloads of a RecordIO stream (a file or a named pipe) up to its end.

    :param source: what to call the stream in errors
    :raises RecordIOError: for a wrong magic word, parts out of order or a stream that ends inside a record
    """
    index = 0
    parts: list[bytes] = []
    while header := _read(stream, 8, allow_end=not parts, where=(source, index)):
        magic, word = struct.unpack("<II", header)
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
            yield _MAGIC_BYTES.join(parts)
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


@dataclass(frozen=True)
class DetectionRecord:
    """An image file with its objects, as ``im2rec`` packs them."""

    record_id: int
    rows: tuple[Row, ...]
    image: bytes


def pack_detection_record(record_id: int, rows: Sequence[Sequence[float]], image: bytes) -> bytes:
    """Return the payload of one detection record.

    :param rows: objects as (class id, xmin, ymin, xmax, ymax), coordinates as ratios of the image
    :param image: the bytes of a JPEG or PNG file
    """
    label = [float(LABEL_HEADER_WIDTH), float(LABEL_OBJECT_WIDTH)]
    for row in rows:
        if len(row) != LABEL_OBJECT_WIDTH:
            raise RecordIOError(
                f"An object of a detection record has 5 numbers, one of record {record_id} has {len(row)}."
            )
        label.extend(float(value) for value in row)
    header = _IR_HEADER.pack(len(label), 0.0, record_id, 0)
    return header + struct.pack(f"<{len(label)}f", *label) + image


def unpack_detection_record(payload: bytes, source: str = "record") -> DetectionRecord:
    """Read what :func:`pack_detection_record` or ``im2rec`` packed.

    :param source: what to call the record in errors
    :raises RecordIOError: when the label does not fit its own header
    """
    if len(payload) < _IR_HEADER.size:
        raise RecordIOError(f"{source} is too short for a detection record ({len(payload)} bytes).")
    count, _, record_id, _ = _IR_HEADER.unpack_from(payload)
    image_start = _IR_HEADER.size + 4 * count
    if count < LABEL_HEADER_WIDTH or image_start > len(payload):
        raise RecordIOError(
            f"{source} carries no detection label; pack it as im2rec does, with a label of header width 2."
        )
    label = struct.unpack_from(f"<{count}f", payload, _IR_HEADER.size)
    rows = _label_rows(label, source)
    return DetectionRecord(record_id, rows, payload[image_start:])


def _label_rows(label: tuple[float, ...], source: str) -> tuple[Row, ...]:
    header_width, object_width = label[0], label[1]
    if not (
        LABEL_HEADER_WIDTH <= header_width <= len(label)
        and LABEL_OBJECT_WIDTH <= object_width <= _MAX_OBJECT_WIDTH
        and header_width == int(header_width)
        and object_width == int(object_width)
    ):
        raise RecordIOError(
            f"The label of {source} begins with {header_width:g}, {object_width:g}; "
            "expected header width 2 and object width 5."
        )
    objects = label[int(header_width) :]
    width = int(object_width)
    if len(objects) % width:
        raise RecordIOError(f"The label of {source} does not hold whole objects of {width} numbers.")
    rows = (objects[start : start + LABEL_OBJECT_WIDTH] for start in range(0, len(objects), width))
    return tuple((row[0], row[1], row[2], row[3], row[4]) for row in rows if row != _PADDING)


def pack(records: Iterable[tuple[Sequence[Sequence[float]], bytes]], out: BinaryIO) -> int:
    """Write (rows, image bytes) pairs as one ``.rec`` stream, ids counting from 0; return their number."""
    writer = RecordWriter(out)
    count = 0
    for rows, image in records:
        writer.write(pack_detection_record(count, rows, image))
        count += 1
    return count
