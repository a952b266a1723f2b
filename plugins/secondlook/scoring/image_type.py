"""What a file is, by its bytes: the two image types that the detector takes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

Result = TypeVar("Result")

SIGNATURE_BYTES = 8
# No model takes more: decoding would cost more memory than the file is worth.
MAX_PIXELS = 64_000_000
_SIGNATURES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


def image_type(body: bytes) -> str | None:
    """Content type by the file's first bytes, never by its name; None when it is neither JPEG nor PNG."""
    for signature, content_type in _SIGNATURES.items():
        if body.startswith(signature):
            return content_type
    return None


def header_size(data: bytes) -> tuple[int, int, int] | None:
    """Width and height in pixels as stored, and channels, by the file's header; None if it has none."""
    return _read(data, lambda image: (*image.size, len(image.getbands())))


def decoded_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels as stored (EXIF rotation ignored), or None if the file does not decode."""

    def decode(image: Image.Image) -> tuple[int, int]:
        image.load()
        return image.size

    return _read(data, decode)


def decodes(data: bytes) -> bool:
    """Whether the whole file can be decoded, within :data:`MAX_PIXELS`.

    A JPEG is decoded at an eighth of its size, which reads all of it at a fraction of the memory.
    """

    def decode(image: Image.Image) -> bool:
        if image.width * image.height > MAX_PIXELS:
            return False
        image.draft("RGB", (1, 1))
        image.load()
        return True

    return _read(data, decode) or False


def _read(data: bytes, use: Callable[[Image.Image], Result]) -> Result | None:
    """Open a JPEG or PNG file and use it; None when Pillow finds it damaged, with whatever exception."""
    from PIL import Image

    from include.formats.images import DECODER_ERRORS
    from include.formats.png import without_metadata

    try:
        with Image.open(io.BytesIO(without_metadata(data)), formats=("JPEG", "PNG")) as image:
            return use(image)
    except (*DECODER_ERRORS, Image.DecompressionBombError):
        return None
