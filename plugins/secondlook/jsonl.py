"""The only JSON and JSON Lines writer and reader: sorted keys, compact, UTF-8, reproducible byte for byte."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any, NoReturn

from secondlook.failures.exceptions import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def canonical(obj: Any) -> str:
    """Write ``obj`` as JSON with sorted keys and no spaces: equal values give equal text.

    Raises
    ------
    RecordError
        ``obj`` holds something that JSON cannot express, NaN and infinity included.
    """
    try:
        text = json.dumps(obj, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise RecordError(
            f"A record cannot be written as JSON: {error}; pass plain, finite values."
        ) from error
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        # A lone surrogate (legal in JSON as an escape) has no UTF-8 form: write it as an escape.
        return json.dumps(obj, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text


def encode(records: Iterable[Mapping[str, Any]]) -> bytes:
    """Write records as JSON Lines, each line ended by ``\\n``; no record gives no byte."""
    return "".join(canonical(record) + "\n" for record in records).encode("utf-8")


def encode_gzip(records: Iterable[Mapping[str, Any]]) -> bytes:
    """Write gzipped JSON Lines, without time or name in the header: equal records give equal bytes."""
    return gzip.compress(encode(records), compresslevel=6, mtime=0)


def decode(data: bytes, *, source: str = "JSON Lines") -> list[dict[str, Any]]:
    """Read JSON Lines, gzipped or plain; blank lines are skipped.

    Parameters
    ----------
    data
        The bytes of the file.
    source
        What to call the file in errors, usually its S3 address.

    Raises
    ------
    RecordError
        A line is not a JSON object; the message names the source and the line (from 1).
    """
    return [record for _, record in decode_numbered(data, source=source)]


def decode_numbered(data: bytes, *, source: str) -> list[tuple[int, dict[str, Any]]]:
    """Read JSON Lines like ``decode``, each record with its line number (from 1)."""
    lines = _inflate(data, source).removeprefix(_BYTE_ORDER_MARK).split(b"\n")
    return [
        (number, _object(line, f"line {number} of {source}"))
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def decode_object(data: bytes, *, source: str, remedy: str = "correct or remove it") -> dict[str, Any]:
    """Read one JSON object; ``remedy`` says what to do about a damaged one, as the end of a sentence.

    Raises
    ------
    RecordError
        It is not a JSON object; the message names the source.
    """
    return _object(_inflate(data, source).removeprefix(_BYTE_ORDER_MARK), source, remedy)


def _inflate(data: bytes, source: str) -> bytes:
    if not data.startswith(_GZIP_MAGIC):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise RecordError(
            f"{source} is a damaged gzip file ({error}); write it again from its inputs."
        ) from error


def _object(text: bytes, where: str, remedy: str = "correct or remove it") -> dict[str, Any]:
    try:
        record = json.loads(text.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{where} is not valid JSON ({error}); {remedy}.") from error
    if not isinstance(record, dict):
        raise RecordError(f"{where} holds a JSON {type(record).__name__} instead of an object; {remedy}.")
    return record


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
