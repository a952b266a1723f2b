"""Detection records, the payloads of the .rec files that ``im2rec`` writes for object detection.

A record is an ``IRHeader``, the label as 32-bit floats and the image file: label = [header width 2, object
width 5, class, xmin, ymin, xmax, ymax, class, ...], coordinates as ratios of the image. Objects of nothing
but -1 are padding.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from include.formats.recordio import RecordIOError, frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from include.formats.boxes import Row

# Number of label floats (0: the label is the float itself), label, id, id2.
_IR_HEADER = struct.Struct("<IfQQ")
LABEL_HEADER_WIDTH = 2
LABEL_OBJECT_WIDTH = 5
_MAX_OBJECT_WIDTH = 1 << 16
_PADDING = (-1.0,) * LABEL_OBJECT_WIDTH


@dataclass(frozen=True)
class DetectionRecord:
    """An image file with its objects, as ``im2rec`` packs them."""

    record_id: int
    rows: tuple[Row, ...]
    image: bytes


def pack_detection_record(record_id: int, rows: Sequence[Sequence[float]], image: bytes) -> bytes:
    """Return the payload of one detection record.

    Parameters
    ----------
    rows
        Objects as (class id, xmin, ymin, xmax, ymax), coordinates as ratios of the image.
    image
        The bytes of a JPEG or PNG file.
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

    Parameters
    ----------
    source
        What to call the record in errors.

    Raises
    ------
    RecordIOError
        The label does not fit its own header.
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


def write_detection_records(records: Iterable[tuple[Sequence[Sequence[float]], bytes]], out: BinaryIO) -> int:
    """Write (rows, image bytes) pairs as one ``.rec`` stream, ids counting from 0; returns their number."""
    count = 0
    for rows, image in records:
        out.write(frame(pack_detection_record(count, rows, image)))
        count += 1
    return count
