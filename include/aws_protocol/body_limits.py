"""How large a request may be, by operation.

The models bound texts in characters. A client may escape every character twice, as ``\\ud83d\\ude00``, which
takes 12 bytes. What the models do not bound (whole lists, documents) is bounded by what real requests need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.aws_protocol.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterable

KIB, MIB = 1024, 1024 * 1024
OTHERS_BYTES = 512 * KIB
# Room for the JSON around a text.
_AROUND = 64 * KIB
_BYTES_PER_CHARACTER = 12
_LIMITS = {
    # InputContent: 3 MiB of characters.
    ("sagemaker-a2i-runtime", "StartHumanLoop"): 3 * MIB * _BYTES_PER_CHARACTER + _AROUND,
    # A worker template: 128,000 characters; to render it, an input of as many.
    ("sagemaker", "CreateHumanTaskUi"): 128_000 * _BYTES_PER_CHARACTER + _AROUND,
    ("sagemaker", "RenderUiTemplate"): 2 * 128_000 * _BYTES_PER_CHARACTER + _AROUND,
    # A blob, sent as it is; the model's own limit, 6 MiB, is checked with the other constraints.
    ("sagemaker-runtime", "InvokeEndpoint"): 6 * MIB + _AROUND,
}


def most_bytes(service: str, operation: str) -> int:
    """How large the body of a request for this operation may be."""
    return _LIMITS.get((service, operation), OTHERS_BYTES)


def check_structure(parts: Iterable[bytes]) -> None:
    """Refuse a long JSON document whose length is not that of its texts.

    A few MiB of brackets take Python's parser seconds, in which no other thread runs, and much memory.

    Raises
    ------
    ServiceError
        Outside of texts there are more than :data:`OTHERS_BYTES`; status 413.
    """
    outside, within, carried = 0, False, b""
    for part in parts:
        text = carried + part
        backslashes = len(text) - len(text.rstrip(b"\\"))
        # What the last backslash escapes is in the next part.
        carried = b"\\" if backslashes % 2 else b""
        text = text[: len(text) - len(carried)]
        pieces = text.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        outside += sum(map(len, pieces[int(within) :: 2])) + len(pieces) - 1
        within ^= len(pieces) % 2 == 0
        if outside > OTHERS_BYTES:
            raise ServiceError(
                "RequestEntityTooLargeException",
                f"The request has more than {OTHERS_BYTES} bytes outside of its texts: send shorter lists.",
                413,
            )
