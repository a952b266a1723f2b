"""From the bytes of an image file to pixels: the one way, for training and serving alike.

Pixels are those stored in the file: an EXIF orientation is ignored, as the boxes of annotations and reviewers
are in the stored frame too. Only JPEG and PNG are opened, only with Pillow, and only below a size limit that
is read from the header before any pixel is decoded.
"""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from include.formats.png import without_metadata

from .errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_PIXELS = 64_000_000
ImageFile.LOAD_TRUNCATED_IMAGES = False
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # The limit above is stricter.
_BILINEAR = Image.Resampling.BILINEAR


@dataclass(frozen=True)
class DecodedImage:
    """Pixels scaled to a square, and what the file itself said of its size.

    ``pixels`` is uint8 of shape (side, side, 3), RGB; the aspect ratio is not kept, as in the built-in
    algorithm.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    depth: int


def decode(body: bytes, side: int) -> DecodedImage:
    """Decode a JPEG or PNG file and scale it to ``side`` x ``side`` pixels.

    Grey-scale, palette, CMYK, 16-bit and transparent images are turned into RGB; ``depth`` stays the number
    of channels in the file.

    Raises
    ------
    ImageError
        The bytes are not a JPEG or PNG image, are cut short, or hold too many pixels.
    """
    if not body:
        raise ImageError("The body is empty; send the bytes of a JPEG or PNG file.")
    try:
        return _decode(body, side)
    except Image.DecompressionBombError as error:
        raise ImageError(f"The image is too large: more than {MAX_PIXELS} pixels.") from error
    except UnidentifiedImageError as error:
        raise ImageError("The body is not a JPEG or PNG image.") from error
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        IndexError,
        TypeError,
        struct.error,
        MemoryError,
    ) as error:
        raise ImageError(f"The image cannot be decoded: {_first_sentence(error)}.") from error


def _decode(body: bytes, side: int) -> DecodedImage:
    with Image.open(io.BytesIO(without_metadata(body)), formats=("JPEG", "PNG")) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise ImageError(f"The image is too large: {width}x{height} px is more than {MAX_PIXELS} pixels.")
        depth = len(image.getbands())
        # The JPEG decoder can scale by 1/2, 1/4 or 1/8 on the way, at half the cost for a usual photo.
        image.draft("RGB", (side, side))
        image.load()
        scaled = _to_rgb(image).resize((side, side), _BILINEAR)
        return DecodedImage(np.asarray(scaled, dtype=np.uint8), width, height, depth)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):  # 16 bits a sample: a plain conversion would clip instead of scale.
        eight_bits = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return Image.fromarray(eight_bits).convert("RGB")
    return image.convert("RGB")


def _first_sentence(error: Exception) -> str:
    if "truncated" in str(error).lower():
        return "the file is cut short"
    return (str(error) or type(error).__name__).split("\n")[0].rstrip(".")[:200]
