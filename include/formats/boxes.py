"""Labelled boxes as training data holds them: which can be used, and why a set of them cannot.

A label gives a box either as xmin, ymin, xmax, ymax in ratios of the image (RecordIO) or as left, top, width,
height in pixels (augmented manifest, image + JSON; both: SageMaker Developer Guide, "Object Detection
Algorithm"). The rule, for both:

- a class that is not one of the ids, or a number that is not finite, makes the set unusable;
- a box that reaches beyond its image is clamped to it;
- a box that has no area there, is inverted, or lies far outside is left out and counted; when that happens to
  more than a tenth of the boxes, the set is unusable.

Where all boxes of a set share a fault, the sentence names its likely cause.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Numbers = tuple[float, float, float, float]
Row = tuple[float, float, float, float, float]
"""One object: class id, then xmin, ymin, xmax, ymax as ratios of the image."""

MOST_LEFT_OUT = 0.1
"""The share of a set's boxes that may be left out."""
_CLAMPED_TOO_FAR = 0.02
_FEWEST_ALIKE = 3


class BoxFault(Enum):
    """Why a box cannot be used, as the end of a sentence."""

    NOT_FINITE = "hold a number that is not finite"
    CLASS = "have a class id that is not one of the labels"
    FAR = "lie outside their image by more than its own size"
    INVERTED = "are inverted, with a minimum above the maximum"
    NO_AREA = "have no area"
    SPECK = "are smaller than a pixel"
    OUTSIDE = "lie outside their image"


FATAL = (BoxFault.NOT_FINITE, BoxFault.CLASS)


@dataclass(frozen=True)
class GivenBox:
    """One box as its label gives it.

    ``numbers`` are left, top, width and height in pixels when ``size`` (width, height of the image in pixels)
    is there, else xmin, ymin, xmax, ymax as ratios. ``source`` is what to call the label in a sentence.
    """

    source: str
    class_id: float
    numbers: Numbers
    size: tuple[float, float] | None = None

    def corners(self) -> Numbers:
        """Return xmin, ymin, xmax, ymax as ratios of the image, as given: not clamped, perhaps inverted."""
        if self.size is None:
            return self.numbers
        left, top, width, height = self.numbers
        across, down = self.size
        return left / across, top / down, (left + width) / across, (top + height) / down

    def __str__(self) -> str:
        numbers = ", ".join(f"{value:g}" for value in self.numbers)
        return f"class {self.class_id:g}, ({numbers}) in {self.source}"


@dataclass(frozen=True)
class Verdict:
    """What becomes of a box: its row, clamped to the image, or the fault for which it has none."""

    row: Row | None
    fault: BoxFault | None = None
    clamped: bool = False


def judge(box: GivenBox, num_classes: int) -> Verdict:
    """Apply the rule to one box.

    Parameters
    ----------
    num_classes
        Class ids run from 0 to this, excluded.
    """
    fault = _fault(box, num_classes)
    if fault is not None:
        return Verdict(None, fault)
    given = box.corners()
    xmin, ymin, xmax, ymax = (min(max(value, 0.0), 1.0) for value in given)
    if xmax <= xmin or ymax <= ymin:
        return Verdict(None, BoxFault.OUTSIDE)
    return Verdict((box.class_id, xmin, ymin, xmax, ymax), clamped=(xmin, ymin, xmax, ymax) != given)


def _fault(box: GivenBox, num_classes: int) -> BoxFault | None:
    corners = box.corners()
    if not all(math.isfinite(value) for value in (box.class_id, *box.numbers, *corners)):
        return BoxFault.NOT_FINITE
    if not (0 <= box.class_id < num_classes and box.class_id == int(box.class_id)):
        return BoxFault.CLASS
    xmin, ymin, xmax, ymax = corners
    checks = (
        (BoxFault.FAR, min(corners) < -1 or max(corners) > 2),
        (BoxFault.INVERTED, xmax < xmin or ymax < ymin),
        (BoxFault.NO_AREA, xmax == xmin or ymax == ymin),
        (BoxFault.SPECK, box.size is not None and _fits_first_pixel(box) and min(box.numbers[2:]) < 1),
    )
    return next((fault for fault, applies in checks if applies), None)


def _fits_first_pixel(box: GivenBox) -> bool:
    left, top, width, height = box.numbers
    return min(left, top) >= 0 and left + width <= 1 and top + height <= 1


@dataclass(frozen=True)
class BoxSet:
    """All boxes of a set, a channel for example, with their verdicts in the same order."""

    boxes: tuple[GivenBox, ...]
    verdicts: tuple[Verdict, ...]
    num_classes: int

    @classmethod
    def of(cls, boxes: Sequence[GivenBox], num_classes: int) -> BoxSet:
        """Judge all boxes."""
        return cls(tuple(boxes), tuple(judge(box, num_classes) for box in boxes), num_classes)

    @property
    def faults(self) -> Counter[BoxFault]:
        """How many boxes have which fault."""
        return Counter(verdict.fault for verdict in self.verdicts if verdict.fault is not None)

    @property
    def clamped(self) -> int:
        """How many boxes were clamped to their image."""
        return sum(verdict.clamped for verdict in self.verdicts)

    def refusal(self, name: str) -> str | None:
        """Return the sentence for a set that cannot be used, None when it can.

        Parameters
        ----------
        name
            What to call the set, for example ``channel train``.
        """
        faults = self.faults
        told = next((fault for fault in FATAL if faults[fault]), None)
        if told is None and sum(faults.values()) > MOST_LEFT_OUT * len(self.boxes):
            told = faults.most_common(1)[0][0]
        if told is not None:
            what = f"{self._share(faults[told], name)} {told.value}, for example {self._with(told)[0]}"
            return f"{what}: {self._cause(told) or 'correct or remove them'}."
        if self._looks_like_corners():
            beyond = self._beyond()
            what = f"{self._share(len(beyond), name)} reach beyond their image, for example {beyond[0]}"
            return f"{what}: {_CORNERS}."
        return None

    def notes(self, name: str) -> list[str]:
        """Return a sentence for each kind of fault whose boxes were left out, and one for the clamped."""
        said = [
            f"{self._share(count, name)} {fault.value} and were left out, for example {self._with(fault)[0]}."
            for fault, count in self.faults.items()
        ]
        if self.clamped:
            said.append(
                f"{self._share(self.clamped, name)} reached beyond their image and were clamped to it."
            )
        return said

    def _share(self, count: int, name: str) -> str:
        total = len(self.boxes)
        return f"All boxes of {name} ({total})" if count == total else f"{count} of {total} boxes of {name}"

    def _with(self, fault: BoxFault) -> list[GivenBox]:
        pairs = zip(self.boxes, self.verdicts, strict=True)
        return [box for box, verdict in pairs if verdict.fault is fault]

    def _cause(self, told: BoxFault) -> str | None:
        """Return what most likely went wrong, and what to do, when the boxes point to one cause."""
        alike = self._with(told)
        if told is BoxFault.NOT_FINITE:
            return _NAN if any(math.isnan(value) for value in _given_numbers(alike[0])) else _INFINITE
        if told is BoxFault.CLASS:
            return self._cause_of_ids(alike)
        if told is BoxFault.SPECK:
            return _RATIOS
        if told is BoxFault.FAR and all(box.size is None and min(box.numbers) >= 0 for box in alike):
            return _PIXELS
        if told in (BoxFault.INVERTED, BoxFault.NO_AREA):
            if len(self.boxes) >= _FEWEST_ALIKE and all(_reads_as_sizes(box) for box in self.boxes):
                return _SIZES
            return _SWAPPED if len(alike) == len(self.boxes) and told is BoxFault.INVERTED else None
        return None

    def _cause_of_ids(self, alike: list[GivenBox]) -> str:
        ids = f"ids are whole numbers from 0 to {self.num_classes - 1}"
        if all(box.class_id != int(box.class_id) and box.size is None for box in alike):
            return f"{ids}, and the class id is the first number of an object; check the order of the numbers"
        if all(box.class_id == int(box.class_id) and box.class_id >= 1 for box in self.boxes) and all(
            box.class_id == self.num_classes for box in alike
        ):
            return f"{ids}, and these seem to count from 1; subtract 1 from each"
        return f"{ids}; correct them, or num_classes and the list of labels"

    def _beyond(self) -> list[GivenBox]:
        return [box for box in self.boxes if max(box.corners()) > 1 + _CLAMPED_TOO_FAR]

    def _looks_like_corners(self) -> bool:
        """Whether the boxes look like xmin, ymin, xmax, ymax in place of left, top, width and height."""
        enough = len(self.boxes) >= _FEWEST_ALIKE and len(self._beyond()) > MOST_LEFT_OUT * len(self.boxes)
        return enough and all(_reads_as_corners(box) for box in self.boxes)


def _reads_as_sizes(box: GivenBox) -> bool:
    """Whether RecordIO's ratios make sense as left, top (or the center), width and height."""
    x, y, width, height = box.numbers
    slack = 1e-6
    from_corner = x + width <= 1 + slack and y + height <= 1 + slack
    from_center = width / 2 <= min(x, 1 - x) + slack and height / 2 <= min(y, 1 - y) + slack
    return box.size is None and min(box.numbers) >= 0 and (from_corner or from_center)


def _reads_as_corners(box: GivenBox) -> bool:
    """Whether left, top, width and height in pixels make sense as xmin, ymin, xmax, ymax."""
    if box.size is None:
        return False
    xmin, ymin, xmax, ymax = box.numbers
    return 0 <= xmin < xmax <= box.size[0] and 0 <= ymin < ymax <= box.size[1]


def _given_numbers(box: GivenBox) -> tuple[float, ...]:
    return box.class_id, *box.numbers


_NAN = "NaN comes from an image size of 0 or an empty cell of a table; correct or remove them"
_INFINITE = (
    "an infinite number comes from a division by 0 or is too large, as 1e999 is; correct or remove them"
)
_PIXELS = (
    "they look like pixels, but RecordIO takes ratios of the image from 0 to 1; divide x by the image's "
    "width and y by its height, then pack again"
)
_RATIOS = (
    "they look like ratios of the image, but this form takes pixels; multiply x by the image's width and y "
    "by its height"
)
_SIZES = (
    "they look like left, top (or the center), width and height, but RecordIO takes xmin, ymin, xmax, ymax; "
    "convert them, then pack again"
)
_CORNERS = "they look like xmin, ymin, xmax, ymax, but this form takes left, top, width, height; convert them"
_SWAPPED = "minimum and maximum seem to be swapped; write the smaller number first"
