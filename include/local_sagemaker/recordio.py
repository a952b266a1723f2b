"""The RecordIO framing of SageMaker's Pipe mode records (Apache MXNet's, without an image header)."""

from __future__ import annotations

import struct

MAGIC = struct.pack("<I", 0xCED7230A)
_MAX_LENGTH = (1 << 29) - 1
_WHOLE, _BEGIN, _MIDDLE, _END = range(4)


def frame(payload: bytes) -> bytes:
    """Wrap one payload as one record: magic number, flag and length, payload, zeros up to a multiple of 4.

    A payload that holds the magic number at a multiple of 4 is cut there into parts, so that a reader who
    lost its place can find the next record; reading puts the number back between the parts.
    """
    cuts = _aligned_magics(payload)
    if not cuts:
        return _part(_WHOLE, payload)
    starts = [0, *(cut + 4 for cut in cuts)]
    ends = [*cuts, len(payload)]
    flags = [_BEGIN, *[_MIDDLE] * (len(cuts) - 1), _END]
    return b"".join(
        _part(flag, payload[start:end]) for flag, start, end in zip(flags, starts, ends, strict=True)
    )


def _aligned_magics(payload: bytes) -> list[int]:
    found = []
    position = payload.find(MAGIC)
    while position >= 0:
        if position % 4 == 0:
            found.append(position)
            position = payload.find(MAGIC, position + 4)
        else:
            position = payload.find(MAGIC, position + 1)
    return found


def _part(flag: int, payload: bytes) -> bytes:
    if len(payload) > _MAX_LENGTH:
        raise ValueError(f"A RecordIO record holds at most {_MAX_LENGTH} bytes, not {len(payload)}.")
    return MAGIC + struct.pack("<I", flag << 29 | len(payload)) + payload + b"\0" * (-len(payload) % 4)
