"""Image files as a model takes them: JPEG or PNG by content, and within an endpoint's limits."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from dataclasses import dataclass

from PIL import Image

from .png import SIGNATURE, without_metadata

# The limit of InvokeEndpoint (SageMaker Runtime API Reference, InvokeEndpoint, Body), and what the detector
# decodes.
MAX_IMAGE_BYTES = 6 * 1024 * 1024
MAX_IMAGE_PIXELS = 64_000_000

_ORIENTATION_TAG = 0x0112
_UPRIGHT = 1
# Kinds that people take for photographs, by the first bytes; the number is where these bytes begin.
_KINDS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, SIGNATURE, "PNG"),
    (8, b"WEBP", "WebP"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"%PDF", "PDF"),
)
TAKEN_KINDS = ("JPEG", "PNG")
# How many of its first bytes tell whether a file is of these kinds.
SIGNATURE_BYTES = 8
# What Pillow raises for damaged files, other than decompression bombs.
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
)


class UnusableImageError(Exception):
    """No model takes this file.

    ``code`` is that of the quarantine: empty-file, too-large, not-an-image or unreadable. The message
    completes a sentence that begins with the file's name.
    """

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code


@dataclass(frozen=True)
class ImageFacts:
    """Size in pixels as stored, number of channels, and the EXIF orientation (1 to 8; 1 without one)."""

    width: int
    height: int
    depth: int
    orientation: int

    @property
    def upright(self) -> bool:
        """Whether every viewer shows the pixels as they are stored."""
        return self.orientation == _UPRIGHT

    @property
    def swaps_sides(self) -> bool:
        """Whether a viewer shows the height as the width."""
        return self.orientation >= 5


def image_kind(data: bytes) -> str | None:
    """What the file is by its first bytes, for example JPEG, PNG or WebP; None when it is unknown."""
    return next((kind for start, sign, kind in _KINDS if data[start : start + len(sign)] == sign), None)


def content_type(data: bytes) -> str | None:
    """Content type by the file's first bytes, never by its name; None when no model takes the kind."""
    kind = image_kind(data)
    return f"image/{kind.lower()}" if kind in TAKEN_KINDS else None


def header_size(data: bytes) -> tuple[int, int, int] | None:
    """Width and height in pixels as stored, and channels, by the file's header; None if it has none."""
    try:
        with Image.open(io.BytesIO(without_metadata(data)), formats=TAKEN_KINDS) as image:
            return (*image.size, len(image.getbands()))
    except (*DECODER_ERRORS, Image.DecompressionBombError):
        return None


def decodes(data: bytes) -> bool:
    """Whether a model takes the file: see :func:`inspect_image`."""
    try:
        inspect_image(data)
    except UnusableImageError:
        return False
    return True


def check_bytes(size: int) -> None:
    """Refuse a file by its size in bytes alone.

    Raises
    ------
    UnusableImageError
        It is empty, or more than an endpoint takes.
    """
    if size == 0:
        raise UnusableImageError("empty-file", "is an empty file: upload it again")
    if size > MAX_IMAGE_BYTES:
        raise UnusableImageError(
            "too-large",
            f"has {size} bytes and a model takes at most {MAX_IMAGE_BYTES}: save a smaller version",
        )


def check_kind(data: bytes) -> None:
    """Refuse a file by its first bytes.

    Raises
    ------
    UnusableImageError
        It is neither JPEG nor PNG.
    """
    kind = image_kind(data)
    if kind is None:
        raise UnusableImageError("not-an-image", "is neither a JPEG nor a PNG file, whatever its name")
    if kind not in TAKEN_KINDS:
        raise UnusableImageError(
            "not-an-image", f"is a {kind} file, whatever its name: convert it to JPEG or PNG"
        )


def inspect_image(data: bytes) -> ImageFacts:
    """Decode the whole file as a model would and say what it is.

    Raises
    ------
    UnusableImageError
        No model takes it. The number of pixels is read from the header, before any is decoded.
    """
    check_bytes(len(data))
    check_kind(data)
    try:
        return _decoded(data)
    except UnusableImageError:
        raise
    except Image.DecompressionBombError as error:
        # Pillow raises this, with the number of pixels, before the size can be read.
        found = re.search(r"\d+", str(error))
        raise _too_many_pixels(int(found[0]) if found else MAX_IMAGE_PIXELS + 1) from error
    except DECODER_ERRORS as error:
        if data.startswith(SIGNATURE):
            return _decoded_without_metadata(data)
        raise _unreadable(error) from error


def _decoded(data: bytes) -> ImageFacts:
    with warnings.catch_warnings():
        # The limit below is stricter than the one this warns about.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(data), formats=TAKEN_KINDS) as image:
            width, height = image.size
            if width * height > MAX_IMAGE_PIXELS:
                raise _too_many_pixels(width * height)
            depth = len(image.getbands())
            orientation = _orientation(image)
            # A JPEG is decoded at a fraction of its size: every byte is looked at, in a fraction of the time.
            image.draft(None, (1, 1))
            image.load()
    return ImageFacts(width, height, depth, orientation)


def _decoded_without_metadata(data: bytes) -> ImageFacts:
    """Pillow refuses a PNG with much text or a large colour profile, which every viewer shows."""
    try:
        return _decoded(without_metadata(data))
    except DECODER_ERRORS as error:
        raise _unreadable(error) from error


def _orientation(image: Image.Image) -> int:
    try:
        found = image.getexif().get(_ORIENTATION_TAG, _UPRIGHT)
    except DECODER_ERRORS:
        return _UPRIGHT  # Viewers cannot read it either.
    return found if isinstance(found, int) and _UPRIGHT <= found <= 8 else _UPRIGHT


def _too_many_pixels(pixels: int) -> UnusableImageError:
    return UnusableImageError(
        "too-large",
        f"has {pixels} pixels and a model takes at most {MAX_IMAGE_PIXELS}: save a smaller version",
    )


def _unreadable(error: Exception) -> UnusableImageError:
    cut = ", it is cut short" if "truncated" in str(error).lower() else ""
    return UnusableImageError("unreadable", f"cannot be decoded as JPEG or PNG{cut}: upload it again")
