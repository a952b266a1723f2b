"""JSON Lines: equal records give equal bytes, damaged files name their line."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook import jsonl
from secondlook.failures.exceptions import RecordError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
records = st.lists(st.dictionaries(st.text(), values, max_size=4), max_size=4)


@given(records)
def test_what_is_written_is_read_again(lines):
    assert jsonl.decode(jsonl.encode(lines)) == lines
    assert jsonl.decode(jsonl.encode_gzip(lines)) == lines
    assert jsonl.encode(jsonl.decode(jsonl.encode(lines))) == jsonl.encode(lines)
    assert jsonl.encode_gzip(lines) == jsonl.encode_gzip(lines)
    assert jsonl.encode(lines).count(b"\n") == len(lines)


@given(st.dictionaries(st.text(), st.integers(), max_size=5), st.randoms())
def test_order_of_keys_does_not_matter(record, random):
    items = list(record.items())
    random.shuffle(items)
    assert jsonl.canonical(dict(items)) == jsonl.canonical(record)


def test_form_is_compact_sorted_and_readable():
    assert jsonl.encode([{"b": 1, "a": "Größe"}]) == '{"a":"Größe","b":1}\n'.encode()
    assert jsonl.encode([]) == b""


def test_text_without_utf8_form_is_escaped_and_read_again():
    record = {"label": "\ud800", "other": "é"}
    assert jsonl.decode(jsonl.encode([record])) == [record]


def test_gzip_header_holds_no_time_and_no_name():
    data = jsonl.encode_gzip([{"a": 1}])
    assert data[3] == 0
    assert data[4:8] == b"\0\0\0\0"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"x"])
def test_value_without_json_form_is_refused(value):
    with pytest.raises(RecordError, match="cannot be written as JSON"):
        jsonl.encode([{"a": value}])


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[1]",
        b'"a"',
        b"{'a': 1}",
        b'{"a": NaN}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
def test_bad_line_is_named_with_its_number_and_its_file(line):
    with pytest.raises(RecordError, match=r"line 3 of s3://b/part\.jsonl"):
        jsonl.decode(b'{"a": 1}\n\n' + line + b"\n", source="s3://b/part.jsonl")


def test_damaged_gzip_is_named():
    whole = gzip.compress(b'{"a": 1}\n')
    for damaged in (whole[:-4], whole[:12] + b"xxxx" + whole[16:]):
        with pytest.raises(RecordError, match="s3://b/x is a damaged gzip file"):
            jsonl.decode(damaged, source="s3://b/x")


def test_byte_order_mark_and_windows_line_ends_are_no_obstacle():
    assert jsonl.decode(b'\xef\xbb\xbf{"a": 1}\r\n{"a": 2}') == [{"a": 1}, {"a": 2}]
    assert jsonl.decode_object(b'{"a": 1}\n', source="card") == {"a": 1}
