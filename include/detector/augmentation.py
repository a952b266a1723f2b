"""Random changes of a training image: flip, crop or zoom out, colour.

Colour changes matter as much as shape here: lamps, stains and lenses drift from night to night.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_BILINEAR = Image.Resampling.BILINEAR
_MIN_VISIBLE_SHARE = 0.35
_FILL = (127, 127, 127)


def augment(
    image: Image.Image, rows: Floats, side: int, random: np.random.RandomState
) -> tuple[Floats, Floats]:
    """Return the changed pixels (3, side, side), 0..255, and the objects still visible in them.

    :param image: RGB, best a little larger than ``side`` so that a crop stays sharp
    :param rows: (objects, 5): class id and box as ratios
    """
    choice = random.uniform()
    if choice < 0.5:
        window = _crop_window(random)
    elif choice < 0.7:
        window = _zoom_out_window(random)
    else:
        window = (0.0, 0.0, 1.0, 1.0)
    pixels = _view(image, window, side)
    rows = _rows_in_window(rows, window)
    if random.uniform() < 0.5:
        pixels = pixels[:, ::-1]
        rows = rows.copy()
        rows[:, [1, 3]] = 1 - rows[:, [3, 1]]
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32)
    return _recolour(planes, random), rows


def _crop_window(random: np.random.RandomState) -> tuple[float, float, float, float]:
    share = random.uniform(0.6, 1.0)
    stretch = random.uniform(0.88, 1.14)
    width, height = min(share * stretch, 1.0), min(share / stretch, 1.0)
    left, top = random.uniform(0, 1 - width), random.uniform(0, 1 - height)
    return left, top, left + width, top + height


def _zoom_out_window(random: np.random.RandomState) -> tuple[float, float, float, float]:
    side = random.uniform(1.0, 1.5)
    left, top = random.uniform(1 - side, 0), random.uniform(1 - side, 0)
    return left, top, left + side, top + side


def _view(image: Image.Image, window: tuple[float, float, float, float], side: int) -> NDArray[np.uint8]:
    """Scale a window of the image to ``side``; a window larger than the image is filled up with grey."""
    left, top, right, bottom = window
    width, height = image.size
    if left >= 0 and top >= 0:
        box = (left * width, top * height, min(right, 1.0) * width, min(bottom, 1.0) * height)
        return np.asarray(image.resize((side, side), _BILINEAR, box=box), dtype=np.uint8)
    canvas = Image.new("RGB", (side, side), _FILL)
    inner = (max(round(side / (right - left)), 1), max(round(side / (bottom - top)), 1))
    place = (round(-left / (right - left) * side), round(-top / (bottom - top) * side))
    canvas.paste(image.resize(inner, _BILINEAR), place)
    return np.asarray(canvas, dtype=np.uint8)


def _rows_in_window(rows: Floats, window: tuple[float, float, float, float]) -> Floats:
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
    brightness = random.uniform(-24, 24)
    balance = random.uniform(0.92, 1.08, size=(3, 1, 1))
    gain = (contrast * balance).astype(np.float32)
    shift = ((1 - contrast) * planes.mean() + brightness).astype(np.float32)
    changed: Floats = np.clip(planes * gain + shift, 0, 255)
    return changed
