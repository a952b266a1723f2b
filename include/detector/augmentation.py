"""Random changes of a training image: flip, crop, colour.

Colour changes are as large as the drift of lamps, stains and lenses between nights; shape changes are mild,
since a training of a minute sees each image only some twenty times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Window = tuple[float, float, float, float]

_BILINEAR = Image.Resampling.BILINEAR
_MIN_VISIBLE_SHARE = 0.35


def augment(
    pixels: NDArray[np.uint8], enlarged: Image.Image, rows: Floats, random: np.random.RandomState
) -> tuple[Floats, Floats]:
    """Return the changed pixels (3, side, side), 0..255, and the objects still visible in them.

    Parameters
    ----------
    pixels
        uint8 (side, side, 3), decoded exactly as the server decodes.
    enlarged
        The same image a little larger, so that a crop of it stays sharp.
    rows
        (objects, 5): class id and box as ratios.
    """
    if random.uniform() < 0.3:
        window = _crop_window(random)
        pixels = _view(enlarged, window, len(pixels))
        rows = _rows_in_window(rows, window)
    if random.uniform() < 0.5:
        pixels = pixels[:, ::-1]
        rows = rows.copy()
        rows[:, [1, 3]] = 1 - rows[:, [3, 1]]
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32)
    return (_recolour(planes, random) if random.uniform() < 0.5 else planes), rows


def _crop_window(random: np.random.RandomState) -> Window:
    share = random.uniform(0.75, 1.0)
    stretch = random.uniform(0.92, 1.08)
    width, height = min(share * stretch, 1.0), min(share / stretch, 1.0)
    left, top = random.uniform(0, 1 - width), random.uniform(0, 1 - height)
    return left, top, left + width, top + height


def _view(image: Image.Image, window: Window, side: int) -> NDArray[np.uint8]:
    """Scale a window of the image to ``side``."""
    left, top, right, bottom = window
    width, height = image.size
    box = (left * width, top * height, right * width, bottom * height)
    return np.asarray(image.resize((side, side), _BILINEAR, box=box), dtype=np.uint8)


def _rows_in_window(rows: Floats, window: Window) -> Floats:
    """Move the objects into the window; those of which little is left there are dropped."""
    left, top, right, bottom = window
    if not len(rows):
        return rows
    moved = rows.copy()
    moved[:, [1, 3]] = (rows[:, [1, 3]] - left) / (right - left)
    moved[:, [2, 4]] = (rows[:, [2, 4]] - top) / (bottom - top)
    area = (moved[:, 3] - moved[:, 1]) * (moved[:, 4] - moved[:, 2])
    moved[:, 1:] = moved[:, 1:].clip(0, 1)
    visible = (moved[:, 3] - moved[:, 1]) * (moved[:, 4] - moved[:, 2])
    kept: Floats = moved[visible >= _MIN_VISIBLE_SHARE * np.maximum(area, 1e-9)]
    return kept


def _recolour(planes: Floats, random: np.random.RandomState) -> Floats:
    """Change contrast, brightness and the balance of the channels."""
    contrast = random.uniform(0.8, 1.2)
    gain = (contrast * random.uniform(0.92, 1.08, size=(3, 1, 1))).astype(np.float32)
    shift = np.float32((1 - contrast) * planes.mean() + random.uniform(-24, 24))
    changed: Floats = np.clip(planes * gain + shift, 0, 255)
    return changed
