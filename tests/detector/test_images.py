"""What a camera, a scanner or an attacker may send as an image."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from include.detector.errors import ImageError
from include.detector.images import decode


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def gradient(mode: str = "RGB") -> Image.Image:
    """Dark on the left, bright on the right."""
    return Image.fromarray(np.tile(np.linspace(0, 255, 64, dtype=np.uint8), (48, 1))).convert(mode)


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header promises more than its few bytes hold."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = b""
    for name, content in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")):
        chunks += (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize(
    ("body", "depth"),
    [
        (encoded(gradient(), "JPEG"), 3),
        (encoded(gradient("L"), "JPEG"), 1),
        (encoded(gradient("CMYK"), "JPEG"), 4),
        (encoded(gradient()), 3),
        (encoded(gradient("L")), 1),
        (encoded(gradient("P")), 1),
        (encoded(gradient("RGBA")), 4),
        (encoded(gradient("LA")), 2),
        (encoded(Image.fromarray(np.asarray(gradient("L")).astype(np.uint16) * 257)), 1),
    ],
    ids=["jpeg", "grey jpeg", "cmyk jpeg", "png", "grey png", "palette", "alpha", "grey alpha", "16 bits"],
)
def test_every_kind_of_pixel_becomes_rgb_and_keeps_its_size_and_depth(body, depth):
    decoded = decode(body, 32)
    assert decoded.pixels.shape == (32, 32, 3)
    assert decoded.pixels.dtype == np.uint8
    assert (decoded.width, decoded.height, decoded.depth) == (64, 48, depth)
    assert decoded.pixels[16, 1].max() < 40
    assert decoded.pixels[16, 30].min() > 215


def test_pixels_stay_in_the_stored_frame_whatever_exif_says():
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees to view"
    turned = decode(encoded(gradient(), "JPEG", exif=exif), 32)
    plain = decode(encoded(gradient(), "JPEG"), 32)
    assert (turned.width, turned.height) == (64, 48)
    assert np.array_equal(turned.pixels, plain.pixels)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is empty; send the bytes of a JPEG or PNG file."),
        (b"hello, I am a text file named .jpg", "The body is not a JPEG or PNG image."),
        (encoded(gradient(), "GIF"), "The body is not a JPEG or PNG image."),
        (encoded(gradient(), "TIFF"), "The body is not a JPEG or PNG image."),
        (encoded(gradient(), "JPEG")[:700], "The image cannot be decoded: the file is cut short."),
        (encoded(gradient())[:120], "The image cannot be decoded: the file is cut short."),
        (png_of_size(30_000, 30_000), "The image is too large: more than 64000000 pixels."),
        (png_of_size(9_000, 9_000), "The image is too large: 9000x9000 px is more than 64000000 pixels."),
        (png_of_size(2_000, 2_000), "The image cannot be decoded: the file is cut short."),
    ],
    ids=["empty", "text", "gif", "tiff", "cut jpeg", "cut png", "bomb", "too large", "hollow png"],
)
def test_what_is_no_image_is_one_sentence(body, sentence):
    with pytest.raises(ImageError) as caught:
        decode(body, 32)
    assert str(caught.value) == sentence


@settings(max_examples=60)
@given(st.integers(0, 700), st.binary(min_size=1, max_size=20), st.booleans())
def test_a_damaged_file_is_an_image_or_a_sentence_never_a_crash(place, junk, as_png):
    body = bytearray(encoded(gradient(), "PNG" if as_png else "JPEG"))
    body[place : place + len(junk)] = junk
    try:
        pixels = decode(bytes(body), 32).pixels
    except ImageError:
        return
    assert pixels.shape == (32, 32, 3)
