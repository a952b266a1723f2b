"""RecordIO files that MXNet and this project read alike."""

from __future__ import annotations

import contextlib
import io
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.detector.recordio import (
    MAGIC,
    RecordIOError,
    RecordWriter,
    pack,
    pack_detection_record,
    read_records,
    unpack_detection_record,
)

MAGIC_BYTES = struct.pack("<I", MAGIC)
payloads = st.lists(st.one_of(st.just(MAGIC_BYTES), st.binary(max_size=9)), max_size=8).map(b"".join)
ratios = st.floats(0, 1, width=32)


def written(records: list[bytes]) -> bytes:
    out = io.BytesIO()
    writer = RecordWriter(out)
    for record in records:
        offset = out.tell()
        assert writer.write(record) == offset
    return out.getvalue()


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
        magic, word = struct.unpack_from("<II", stream, place)
        assert magic == MAGIC
        place += 8 + (word & ((1 << 29) - 1)) + -(word & ((1 << 29) - 1)) % 4
        headers += 1
    aligned = [stream[at : at + 4] for at in range(0, len(stream), 4)]
    assert aligned.count(MAGIC_BYTES) == headers


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
        (struct.pack("<II", MAGIC, 2 << 29), "Record 0 of x.rec has its parts out of order."),
        (struct.pack("<II", MAGIC, 1 << 29), "x.rec ends inside record 0."),
    ],
)
def test_a_damaged_stream_is_named(stream, sentence):
    with pytest.raises(RecordIOError, match="^" + sentence.replace(".", r"\.")):
        list(read_records(io.BytesIO(stream), "x.rec"))


def test_mxnet_reads_what_we_write_and_writes_the_same_bytes(run_script, tmp_path):
    chance = random.Random(1)
    records = [chance.randbytes(size) for size in (0, 1, 3, 4, 5, 1000)]
    records += [
        MAGIC_BYTES,
        b"abcd" + MAGIC_BYTES * 2 + b"ef",
        b"a" + MAGIC_BYTES,
        MAGIC_BYTES + b"abcd" + MAGIC_BYTES,
    ]
    ours, theirs = tmp_path / "ours.rec", tmp_path / "theirs.rec"
    ours.write_bytes(written(records))
    objects = tmp_path / "objects.rec"
    with objects.open("wb") as out:
        assert pack([([(1, 0.25, 0.5, 0.75, 1.0)], b"\xff\xd8one"), ([], b"two")], out) == 2
    output = run_script("rewrite_records.py", ours, theirs, objects)
    assert theirs.read_bytes() == ours.read_bytes()
    assert output.splitlines() == [
        str(len(records)),
        "0 [2.0, 5.0, 1.0, 0.25, 0.5, 0.75, 1.0] b'\\xff\\xd8one'",
        "1 [2.0, 5.0] b'two'",
    ]
