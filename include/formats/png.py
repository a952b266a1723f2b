"""Stripping PNG files of the metadata that decoding does not need.

Text and color profiles may be compressed a thousandfold. Pillow therefore refuses a file whose metadata
unpack to more than a megabyte (``PngImagePlugin.MAX_TEXT_CHUNK``), although every viewer shows it. Leaving
these chunks out reads such a file without unpacking them, whatever they hold.
"""

from __future__ import annotations

import struct

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# None of these changes a pixel as it is stored (PNG specification, third edition, section 11.3).
_UNNEEDED = frozenset((b"tEXt", b"zTXt", b"iTXt", b"iCCP"))
_AROUND_CONTENT = 12  # Length, name and checksum.


def without_metadata(data: bytes) -> bytes:
    """Return a PNG file without its texts and color profile; anything else as it is.

    Pixels, palette, transparency, size and EXIF stay. From the first chunk on that is cut short or has no
    name, the bytes are kept as they are, for the decoder to deal with.
    """
    if not data.startswith(SIGNATURE):
        return data
    kept = [SIGNATURE]
    start = place = len(SIGNATURE)
    while place + _AROUND_CONTENT <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        end = place + _AROUND_CONTENT + length
        if end > len(data):
            break
        if name in _UNNEEDED:
            kept.append(data[start:place])
            start = end
        place = end
        if name == b"IEND":
            break
    return data if len(kept) == 1 else b"".join([*kept, data[start:]])
