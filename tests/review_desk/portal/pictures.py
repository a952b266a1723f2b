"""Pictures for the browser tests: drawn blood smears, as the demo reviews them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from include.demo.drift import clean_look
from include.demo.scenes import draw_scene


def drawn_image(seed: int = 7) -> bytes:
    """A PNG of 128 to 320 pixels a side."""
    rng = np.random.default_rng(seed)
    scene = draw_scene(rng, clean_look(rng))
    stream = io.BytesIO()
    Image.fromarray(scene.pixels).save(stream, "PNG")
    return stream.getvalue()
