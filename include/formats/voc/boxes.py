"""The boxes of an annotation: which can be used, and why others cannot.

VOC counts pixels from 1 and includes both ends: ``xmin`` 1 and ``xmax`` 640 span a whole image of width 640.
Here a box is ``[xmin, xmax)`` counted from 0, so ``xmin`` and ``ymin`` lose one and a width is simply ``xmax
- xmin`` (The PASCAL Visual Object Classes Challenge 2012, Development Kit).

A box that reaches beyond its image is clamped to it if at least half of it lies inside; otherwise it is left
out, as is one that is inverted, has no area or holds no finite number.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from include.formats.text import normal

if TYPE_CHECKING:
    from collections.abc import Sequence

Corners = tuple[float, float, float, float]

LEAST_INSIDE = 0.5
# Beyond this, no coordinate is a ratio of the image; some tools overshoot the border a little.
_LARGEST_RATIO = 1.05
_NUMBER = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE
)


class BoxFault(Enum):
    """Why an object was left out; the value says what it most likely means when most boxes have it."""

    LABEL = "the labels in the settings are not those of the annotations; make them the same"
    NUMBER = "the tool that wrote them left coordinates out; export the boxes again, in pixels"
    NOT_FINITE = (
        "a NaN or an infinite number usually comes from a division by an image size of 0; export again"
    )
    RATIOS = "the coordinates look like ratios of the image from 0 to 1; export them in pixels"
    INVERTED = "they look like left, top, width and height, or with both ends swapped; export corners"
    NO_AREA = "they look like points; export the two corners of each box"
    OUTSIDE = "the boxes look drawn on larger copies of the images; scale them to the size in <size>"
    REPEATED = "each box is there several times; export without copies"


@dataclass(frozen=True)
class VocObject:
    """One labelled box, in pixels counted from 0, the right and lower end excluded, clamped to the image."""

    class_id: int
    label: str
    xmin: float
    ymin: float
    xmax: float
    ymax: float
    difficult: bool


class BoxRefusedError(Exception):
    """One object cannot be used; the message completes "object 3 ('RBC') ..."."""

    def __init__(self, fault: BoxFault, what: str) -> None:
        super().__init__(f"{what} and was left out")
        self.fault = fault


def number(text: str, what: str) -> float:
    """Return a coordinate.

    Parameters
    ----------
    what
        The element's name.

    Raises
    ------
    BoxRefusedError
        It is not a finite number.
    """
    if not _NUMBER.fullmatch(text):
        raise BoxRefusedError(BoxFault.NUMBER, f"has no number in <{what}> (found {text[:40]!r})")
    value = float(text)
    if not math.isfinite(value):
        raise BoxRefusedError(BoxFault.NOT_FINITE, f"has no finite number in <{what}> (found {text[:40]!r})")
    return value


def class_of(label: str, labels: Sequence[str]) -> int:
    """Return the index of a label, spelled as in ``labels`` but for spaces and the Unicode form.

    Raises
    ------
    BoxRefusedError
        There is no such label.
    """
    if label in labels:
        return labels.index(label)
    spelled = [normal(known) for known in labels]
    if normal(label) not in spelled:
        raise BoxRefusedError(BoxFault.LABEL, f"has a label that is none of {', '.join(labels)}")
    return spelled.index(normal(label))


def clamp(corners: Corners, size: tuple[int, int]) -> tuple[Corners, bool]:
    """Return a box as pixels from 0 inside the image, and whether it reached beyond.

    Parameters
    ----------
    corners
        xmin, ymin, xmax, ymax as VOC counts them.
    size
        Width and height of the image in pixels.

    Raises
    ------
    BoxRefusedError
        The rule of this module leaves it out.
    """
    left, top, right, bottom = corners
    box = "({:g}, {:g}, {:g}, {:g})".format(*corners)
    if right < left or bottom < top:
        raise BoxRefusedError(BoxFault.INVERTED, f"is inverted, {box} has its minimum above its maximum,")
    if right == left or bottom == top:
        raise BoxRefusedError(BoxFault.NO_AREA, f"has no area, {box},")
    if max(map(abs, corners)) <= _LARGEST_RATIO < min(size):
        raise BoxRefusedError(BoxFault.RATIOS, f"seems to be in ratios of the image, {box}, not in pixels,")
    width, height = float(size[0]), float(size[1])
    xmin, ymin = max(left - 1, 0.0), max(top - 1, 0.0)
    xmax, ymax = min(right, width), min(bottom, height)
    image = f"the image of {size[0]}x{size[1]} px"
    if xmax <= xmin or ymax <= ymin:
        raise BoxRefusedError(BoxFault.OUTSIDE, f"lies outside {image}, {box},")
    inside = (xmax - xmin) / (right - left) * ((ymax - ymin) / (bottom - top))
    if inside < LEAST_INSIDE:
        raise BoxRefusedError(BoxFault.OUTSIDE, f"lies mostly outside {image}, {box},")
    # A minimum of 0 comes from tools that count from 0: one pixel, not a fault worth a sentence.
    clamped = left < 0 or top < 0 or right > width or bottom > height
    return (xmin, ymin, xmax, ymax), clamped
