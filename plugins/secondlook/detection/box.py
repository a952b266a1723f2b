"""Axis-aligned boxes in the pixel frame of the stored file (EXIF orientation ignored), edges continuous."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from secondlook.failures.exceptions import BoxError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    FloatArray: TypeAlias = NDArray[np.float64]

PIXEL_DIGITS = 2


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """A box with a positive area: ``xmin < xmax``, ``ymin < ymax``, pixels from the image's top left corner.

    Width is ``xmax - xmin``: SageMaker's and A2I's convention, not PASCAL VOC's inclusive pixels.
    """

    xmin: float
    ymin: float
    xmax: float
    ymax: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.xmin, self.ymin, self.xmax, self.ymax))):
            raise BoxError(
                f"The box {self.as_tuple()} has an edge that is not a finite number; drop or redraw it."
            )
        if self.xmin >= self.xmax or self.ymin >= self.ymax:
            raise BoxError(
                f"The box {self.as_tuple()} has no area; its edges must be xmin < xmax and ymin < ymax."
            )

    @classmethod
    def from_size(cls, left: float, top: float, width: float, height: float) -> Box:
        """Make a box from its top left corner and its size in pixels."""
        return cls(left, top, left + width, top + height)

    @property
    def width_px(self) -> float:
        """Horizontal extent in pixels."""
        return self.xmax - self.xmin

    @property
    def height_px(self) -> float:
        """Vertical extent in pixels."""
        return self.ymax - self.ymin

    def as_tuple(self) -> tuple[float, float, float, float]:
        """Return ``(xmin, ymin, xmax, ymax)``."""
        return (self.xmin, self.ymin, self.xmax, self.ymax)

    def clamped(self, width: float, height: float) -> Box | None:
        """Cut the box to an image of ``width`` by ``height`` pixels; None when none of it lies inside."""
        xmin, xmax = max(self.xmin, 0), min(self.xmax, width)
        ymin, ymax = max(self.ymin, 0), min(self.ymax, height)
        return Box(xmin, ymin, xmax, ymax) if xmin < xmax and ymin < ymax else None

    def rounded(self, digits: int = PIXEL_DIGITS) -> Box | None:
        """Round the edges; None when the box has no area left."""
        xmin, ymin, xmax, ymax = (round(float(edge), digits) for edge in self.as_tuple())
        return Box(xmin, ymin, xmax, ymax) if xmin < xmax and ymin < ymax else None

    def to_pixels(self, width: int, height: int) -> tuple[int, int, int, int] | None:
        """Return integer ``(left, top, width, height)`` inside the image, at least one pixel each way.

        None when the box lies outside the image.
        """
        inside = self.clamped(width, height)
        if inside is None:
            return None
        left, right = _whole_pixels(inside.xmin, inside.xmax, width)
        top, bottom = _whole_pixels(inside.ymin, inside.ymax, height)
        return left, top, right - left, bottom - top

    def iou(self, other: Box) -> float:
        """Return intersection over union with ``other``, in [0, 1]."""
        return float(iou_matrix(boxes_array([self]), boxes_array([other]))[0, 0])


def _whole_pixels(low: float, high: float, limit: int) -> tuple[int, int]:
    # Round half up on both edges, so that touching boxes still touch.
    start, stop = math.floor(low + 0.5), math.floor(high + 0.5)
    if start == stop:
        start = min(math.floor(low), limit - 1)
        stop = start + 1
    return start, min(stop, limit)


def boxes_array(boxes: Sequence[Box]) -> FloatArray:
    """Return boxes as an array of shape ``(n, 4)``: xmin, ymin, xmax, ymax."""
    return np.array([box.as_tuple() for box in boxes], dtype=np.float64).reshape(-1, 4)


def iou_matrix(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return intersection over union of each pair.

    Parameters
    ----------
    first, second
        Arrays of shape ``(n, 4)`` and ``(m, 4)``: xmin, ymin, xmax, ymax.

    Returns
    -------
    array of shape ``(n, m)`` in [0, 1]; 0 where both boxes have no area.
    """
    first, second = first.reshape(-1, 1, 4), second.reshape(1, -1, 4)
    overlap = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])
    intersection = np.clip(overlap, 0, None).prod(axis=-1)
    areas = [np.clip(boxes[..., 2:] - boxes[..., :2], 0, None).prod(axis=-1) for boxes in (first, second)]
    union = areas[0] + areas[1] - intersection
    ratio = np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)
    # Tiny boxes far from the origin lose digits in their areas.
    return np.asarray(np.clip(ratio, 0.0, 1.0), dtype=np.float64)
