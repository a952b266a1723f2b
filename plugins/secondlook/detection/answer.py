"""The forms in which an object detection endpoint or batch transform answers, read into one.

``annotations``
    ``{"image_size": [{"width", "height", "depth"}], "annotations": [{"class_id", "score", "left", "top",
    "width", "height"}]}``: pixels (SageMaker Developer Guide, Object Detection, Accept
    ``application/json;annotation=1``).
``predictions``
    ``{"predictions": [{"annotations": [...], "image_size": {...}}]}``: the same, wrapped in a list of one,
    with the size as an object; clients of live endpoints read it.
``prediction``
    ``{"prediction": [[class, score, xmin, ymin, xmax, ymax], ...]}``: ratios of the image's size, which the
    answer does not hold (the same guide; a batch transform may answer so whatever it is asked for).

Anything else is refused, and so is what has one of these forms but not its meaning: pixels where ratios
belong and the reverse, scores outside [0, 1], classes without a label.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Size: TypeAlias = tuple[int, int, int]
"""Width and height in pixels, number of channels."""

# Below this an answer of the built-in algorithm is noise: up to 400 rows an image, most of them near zero.
# With this, the object detection algorithm tells boxes and the image's size (``Accept`` of a request).
ACCEPT = "application/json;annotation=1"
MIN_SCORE = 0.01
_ROUNDING = 1e-6
# How far a box may extend beyond its image on each side, in image sizes; further out it has another frame.
_MOST_OUTSIDE = 3.0
# A box that ends this close to the top left corner, in pixels, was meant as a ratio.
_RATIO_LIKE_PX = 1.5
_SMALLEST_JUDGED_PX = 8
_UNUSED = -1
MALFORMED = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError)


@dataclass(frozen=True, slots=True)
class Row:
    """One detection as answered: class from 0, score in [0, 1], left, top, width and height in pixels.

    The box may leave the image and may have no area.
    """

    class_id: int
    score: float
    edges: tuple[float, float, float, float]


def read_answer(
    answer: Mapping[str, Any], file_size: Callable[[], Size | None], labels: int | None
) -> tuple[Size, list[Row]]:
    """Return the image's size and the rows that an answer holds, unused rows left out.

    Parameters
    ----------
    answer
        The JSON object.
    file_size
        Called for an answer in ratios: the size of the image file, None when it cannot be read.
    labels
        How many classes there are; None: unknown.

    Raises
    ------
    KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError
        The answer has another form (:data:`MALFORMED`).
    """
    if "predictions" in answer:
        (answer,) = answer["predictions"]
    if "prediction" in answer:
        size = file_size()
        if size is None:
            raise ValueError("it holds ratios, and the size of the image file cannot be read")
        rows = [_row_of_ratios(row, size) for row in answer["prediction"]]
    else:
        size = _size(answer["image_size"])
        rows = [_row_of_pixels(row) for row in answer["annotations"]]
        _refuse_ratios(rows, size)
    used = [row for row in rows if row.class_id != _UNUSED]
    for row in used:
        _check(row, size, labels)
    return size, used


def _size(found: Any) -> Size:
    size = found[0] if isinstance(found, list) else found
    width, height, depth = int(size["width"]), int(size["height"]), int(size.get("depth", 3))
    if width < 1 or height < 1:
        raise ValueError(f"an image of {width} x {height} pixels")
    return width, height, depth


def _row_of_ratios(row: Any, size: Size) -> Row:
    class_id, score, xmin, ymin, xmax, ymax = (_number(value) for value in row)
    left, top = xmin * size[0], ymin * size[1]
    return Row(_class(class_id), score, (left, top, xmax * size[0] - left, ymax * size[1] - top))


def _row_of_pixels(row: Any) -> Row:
    left, top, width, height = (_number(row[name]) for name in ("left", "top", "width", "height"))
    return Row(_class(_number(row["class_id"])), _number(row["score"]), (left, top, width, height))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} where a number belongs")
    if not math.isfinite(value):
        raise ValueError(f"{value} where a finite number belongs")
    return float(value)


def _class(value: float) -> int:
    if value != int(value) or value < _UNUSED:
        raise ValueError(f"a class of {value:g}")
    return int(value)


def _check(row: Row, size: Size, labels: int | None) -> None:
    if labels is not None and row.class_id >= labels:
        raise ValueError(f"class {row.class_id}, and the settings have {labels} labels, counted from 0")
    if not -_ROUNDING <= row.score <= 1 + _ROUNDING:
        raise ValueError(f"a score of {row.score:g}")
    if row.score < MIN_SCORE:
        return
    left, top, width, height = row.edges
    for start, extent, side in ((left, width, size[0]), (top, height, size[1])):
        if start < -_MOST_OUTSIDE * side or start + extent > (1 + _MOST_OUTSIDE) * side:
            raise ValueError(f"a box far outside the image of {size[0]} x {size[1]} pixels")


def _refuse_ratios(rows: list[Row], size: Size) -> None:
    """Refuse boxes that are all within a pixel of the corner: ratios where pixels belong."""
    boxes = [
        row.edges
        for row in rows
        if row.class_id != _UNUSED and row.score >= MIN_SCORE and min(row.edges[2:]) > 0
    ]
    if not boxes or min(size[:2]) < _SMALLEST_JUDGED_PX:
        return
    if all(
        left + width <= _RATIO_LIKE_PX and top + height <= _RATIO_LIKE_PX
        for left, top, width, height in boxes
    ):
        raise ValueError("boxes in ratios where pixels belong")
