"""RecordIO framing and detection records: what is written is read back, damage is named."""

from __future__ import annotations

import contextlib
import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.formats.detection_record import pack_detection_record, unpack_detection_record
from include.formats.recordio import MAGIC, RecordIOError, frame, read_records

payloads = st.lists(st.one_of(st.just(MAGIC), st.just(MAGIC[:3]), st.binary(max_size=9)), max_size=8).map(
    b"".join
)
ratios = st.floats(0, 1, width=32)


def written(records: list[bytes]) -> bytes:
    return b"".join(frame(record) for record in records)


@given(st.lists(payloads, max_size=6))
def test_what_was_written_is_read_back_even_with_the_magic_inside(records):
    assert list(read_records(io.BytesIO(written(records)))) == records


@given(payloads)
def test_magic_on_a_border_never_stays_in_the_payload(payload):
    """A reader may look for record borders from any aligned place of a file."""
    stream = written([payload])
    headers = 0
    place = 0
    while place < len(stream):
        magic, word = struct.unpack_from("<4sI", stream, place)
        assert magic == MAGIC
        place += 8 + (word & ((1 << 29) - 1)) + -(word & ((1 << 29) - 1)) % 4
        headers += 1
    aligned = [stream[at : at + 4] for at in range(0, len(stream), 4)]
    assert aligned.count(MAGIC) == headers


@given(
    st.lists(st.tuples(st.integers(0, 99), ratios, ratios, ratios, ratios), max_size=5),
    st.binary(max_size=40),
)
def test_a_detection_record_keeps_its_objects_and_image(rows, image):
    record = unpack_detection_record(pack_detection_record(7, rows, image))
    assert record.record_id == 7
    assert [list(row) for row in record.rows] == [[float(value) for value in row] for row in rows]
    assert record.image == image


@given(st.binary(max_size=80))
def test_damaged_records_end_in_a_sentence_not_in_a_crash(junk):
    with contextlib.suppress(RecordIOError):
        unpack_detection_record(junk, "record 3")
    with pytest.raises(
        RecordIOError, match=r"^record 3 is too short for a detection record \(\d+ bytes\)\.$"
    ):
        unpack_detection_record(junk[:23], "record 3")


@pytest.mark.parametrize(
    ("stream", "sentence"),
    [
        (b"not a record at all", "Record 0 of x.rec does not begin with the RecordIO magic word"),
        (written([b"abcdef"])[:-3], "x.rec ends inside record 0."),
        (written([b"abc"]) + b"\x0a", "x.rec ends inside record 1."),
        (MAGIC + struct.pack("<I", 2 << 29), "Record 0 of x.rec has its parts out of order."),
        (MAGIC + struct.pack("<I", 1 << 29), "x.rec ends inside record 0."),
    ],
)
def test_a_damaged_stream_is_named(stream, sentence):
    with pytest.raises(RecordIOError, match="^" + sentence.replace(".", r"\.")):
        list(read_records(io.BytesIO(stream), "x.rec"))
