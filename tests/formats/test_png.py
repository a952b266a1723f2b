"""PNG files whose metadata are larger than the picture: read, and never unpacked."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from include.detector.errors import ImageError
from include.detector.images import decode
from include.formats.images import decodes, header_size
from include.formats.png import SIGNATURE, without_metadata

LARGE = 3 * PngImagePlugin.MAX_TEXT_CHUNK
PIXELS = np.arange(24 * 32 * 3, dtype=np.uint8).reshape(24, 32, 3)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(*more: bytes, image: Image.Image | None = None) -> bytes:
    """A PNG with further chunks after its header."""
    buffer = io.BytesIO()
    (image or Image.fromarray(PIXELS)).save(buffer, "PNG")
    plain = buffer.getvalue()
    header = len(SIGNATURE) + 12 + 13
    return plain[:header] + b"".join(more) + plain[header:]


def compressed(size: int) -> bytes:
    return zlib.compress(b"<rdf>" + b"x" * size, 9)


# Made when a test needs it: packing these takes seconds.
METADATA = {
    "zTXt": lambda: chunk(b"zTXt", b"Raw profile type exif\0\0" + compressed(LARGE)),
    "iTXt": lambda: chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + compressed(LARGE)),
    "iTXt, not compressed": lambda: chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"x" * LARGE),
    "iCCP": lambda: chunk(b"iCCP", b"scanner\0\0" + compressed(LARGE)),
    "tEXt": lambda: chunk(b"tEXt", b"Comment\0" + b"x" * LARGE),
    "many zTXt": lambda: chunk(b"zTXt", b"Comment\0\0" + compressed(1_000_000)) * 80,
    "a bomb": lambda: chunk(b"zTXt", b"Comment\0\0" + compressed(300_000_000)),
    "damaged zTXt": lambda: chunk(b"zTXt", b"Comment\0\0" + b"no zlib stream"),
    "wrong check sum": lambda: chunk(b"tEXt", b"Comment\0hello")[:-4] + b"\0\0\0\0",
}


@pytest.mark.parametrize("extra", METADATA.values(), ids=METADATA)
def test_a_picture_with_large_metadata_is_read_and_nothing_is_unpacked(extra):
    data = png(extra())
    tracemalloc.start()
    decoded = decode(data, 32)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * len(data) + 2_000_000
    assert (decoded.width, decoded.height) == (32, 24)
    assert np.array_equal(decoded.pixels, decode(png(), 32).pixels)
    assert header_size(data) == (32, 24, 3)
    assert decodes(data)


def test_transparency_palette_and_exif_stay():
    palette = Image.fromarray(PIXELS).quantize(16)
    palette.info["transparency"] = 3
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    palette.save(buffer, "PNG", transparency=3, exif=exif)
    data = buffer.getvalue()
    header = len(SIGNATURE) + 12 + 13
    cleaned = without_metadata(data[:header] + METADATA["zTXt"]() + data[header:])
    assert cleaned == data
    with Image.open(io.BytesIO(cleaned)) as image:
        assert image.info["transparency"] == 3
        assert image.getexif()[0x0112] == 6


def test_what_has_no_metadata_is_the_same_file():
    assert without_metadata(png()) == png()
    assert without_metadata(b"\xff\xd8\xff jpeg") == b"\xff\xd8\xff jpeg"
    assert without_metadata(b"") == b""


@given(st.integers(0, 200), st.binary(max_size=12), st.booleans())
def test_a_damaged_file_ends_as_an_image_or_a_sentence(place, junk, cut):
    data = bytearray(png(chunk(b"tEXt", b"Comment\0hello"), chunk(b"zTXt", b"a\0\0" + compressed(50))))
    data[place : place + len(junk)] = junk
    body = bytes(data[: len(data) // 2] if cut else data)
    assert len(without_metadata(body)) <= len(body)
    try:
        assert decode(body, 32).pixels.shape == (32, 32, 3)
    except ImageError:
        return
