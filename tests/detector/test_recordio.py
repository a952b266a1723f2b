"""RecordIO files that MXNet and this project read and write alike."""

from __future__ import annotations

import random

from include.formats.detection_record import write_detection_records
from include.formats.recordio import MAGIC, frame


def test_mxnet_reads_what_we_write_and_writes_the_same_bytes(run_script, tmp_path):
    chance = random.Random(1)
    records = [chance.randbytes(size) for size in (0, 1, 3, 4, 5, 1000)]
    records += [
        MAGIC,
        b"abcd" + MAGIC * 2 + b"ef",
        b"a" + MAGIC,
        MAGIC + b"abcd" + MAGIC,
    ]
    ours, theirs = tmp_path / "ours.rec", tmp_path / "theirs.rec"
    ours.write_bytes(b"".join(frame(record) for record in records))
    objects = tmp_path / "objects.rec"
    with objects.open("wb") as out:
        assert (
            write_detection_records([([(1, 0.25, 0.5, 0.75, 1.0)], b"\xff\xd8one"), ([], b"two")], out) == 2
        )
    output = run_script("rewrite_records.py", ours, theirs, objects)
    assert theirs.read_bytes() == ours.read_bytes()
    assert output.splitlines() == [
        str(len(records)),
        "0 [2.0, 5.0, 1.0, 0.25, 0.5, 0.75, 1.0] b'\\xff\\xd8one'",
        "1 [2.0, 5.0] b'two'",
    ]
