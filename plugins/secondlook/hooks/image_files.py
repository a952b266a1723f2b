"""What a file is, by its bytes: the two image types that the detector takes."""

from __future__ import annotations

import io

SIGNATURE_BYTES = 8
_SIGNATURES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


def image_type(body: bytes) -> str | None:
    """Content type by the file's first bytes, never by its name; None when it is neither JPEG nor PNG."""
    for signature, content_type in _SIGNATURES.items():
        if body.startswith(signature):
            return content_type
    return None


def decoded_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels as stored (EXIF rotation ignored), or None if the file does not decode."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            image.load()
            return image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
