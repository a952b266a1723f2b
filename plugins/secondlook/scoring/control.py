"""The control image: it is drawn here, so a model that fails on it is at fault itself.

Width and height differ, so that a model that answers in another or a rotated frame is detected.
"""

from __future__ import annotations

import io
from functools import cache

CONTROL_SIZE = (320, 240)
CONTROL_NAME = "a control image drawn by Second Look"


@cache
def control_image() -> bytes:
    """Return a JPEG of :data:`CONTROL_SIZE` pixels: shades, a bright disc and a dark block."""
    from PIL import Image, ImageDraw

    width, height = CONTROL_SIZE
    shades = Image.linear_gradient("L").resize(CONTROL_SIZE)
    image = Image.merge("RGB", (shades, shades.rotate(180), Image.new("L", CONTROL_SIZE, 128)))
    canvas = ImageDraw.Draw(image)
    canvas.ellipse((width // 8, height // 4, width // 2, 3 * height // 4), fill=(235, 225, 120))
    canvas.rectangle((5 * width // 8, height // 3, 7 * width // 8, 4 * height // 5), fill=(40, 40, 90))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
