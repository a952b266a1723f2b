"""What became of the model's boxes in a person's answer: accepted, moved, relabelled, removed, added.

Boxes are compared in four steps; a box that has been matched is left out of the next:

1. same sides, same label: accepted;
2. same sides, other label: relabelled;
3. same label, intersection over union at least MIN_IOU, the best pair first: accepted when no edge is more
   than HALF_PIXEL away (the page may have rounded), else moved;
4. other label, likewise: relabelled, moved or not.

Unmatched boxes of the model were removed, unmatched boxes of the person were added. So accepted, moved,
relabelled and removed add up to the model's boxes, and all but removed to the person's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from include.review_desk.worker_templates.crowd import BOUNDING_BOX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from include.review_desk.worker_templates.crowd import CrowdElement

MIN_IOU = 0.1
HALF_PIXEL = 0.5
# No person draws thousands of boxes in one spot; comparing all with all would block the desk.
MAX_OVERLAPS = 100_000
_FAR = 1e9


@dataclass(frozen=True)
class Box:
    """A label and the edges in pixels; ``xmin <= xmax`` and ``ymin <= ymax``."""

    label: str
    xmin: float
    ymin: float
    xmax: float
    ymax: float

    @classmethod
    def read(cls, value: Any) -> Box | None:
        """A box as crowd-bounding-box writes it, or None for anything else."""
        if not isinstance(value, dict) or not isinstance(value.get("label"), str):
            return None
        sides = [value.get(side) for side in ("left", "top", "width", "height")]
        if any(isinstance(side, bool) or not isinstance(side, int | float) for side in sides):
            return None
        # No image is that large, and the number can still be multiplied without overflow.
        left, top, width, height = (float(max(-_FAR, min(_FAR, side))) for side in sides if side is not None)
        return cls(value["label"], left, top, left + max(width, 0.0), top + max(height, 0.0))

    @property
    def sides(self) -> tuple[float, float, float, float]:
        """The four edges."""
        return self.xmin, self.ymin, self.xmax, self.ymax

    def is_at(self, other: Box) -> bool:
        """No edge is more than HALF_PIXEL from the other's."""
        return all(abs(a - b) <= HALF_PIXEL for a, b in zip(self.sides, other.sides, strict=True))

    def iou(self, other: Box) -> float:
        """Intersection over union; 0 where both have no area."""
        width = min(self.xmax, other.xmax) - max(self.xmin, other.xmin)
        height = min(self.ymax, other.ymax) - max(self.ymin, other.ymin)
        if width <= 0 or height <= 0:
            return 0.0
        common = width * height
        return common / (self._area + other._area - common)

    @property
    def _area(self) -> float:
        return (self.xmax - self.xmin) * (self.ymax - self.ymin)


@dataclass(frozen=True)
class BoxEdits:
    """How many boxes had which fate."""

    accepted: int = 0
    moved: int = 0
    relabelled: int = 0
    removed: int = 0
    added: int = 0

    def __add__(self, other: BoxEdits) -> BoxEdits:
        """The sum of both."""
        mine, theirs = asdict(self), asdict(other)
        return BoxEdits(**{fate: mine[fate] + theirs[fate] for fate in mine})


def count_answer(elements: Iterable[CrowdElement], content: dict[str, Any]) -> BoxEdits | None:
    """The edits in a checked answer, over all crowd-bounding-box elements that began with boxes.

    None where no element has an ``initial-value``, or where more than MAX_OVERLAPS pairs would have to be
    compared.
    """
    total = None
    for element in elements:
        if element.tag != BOUNDING_BOX or not isinstance(element.initial_value, list):
            continue
        edits = count_edits(_boxes(element.initial_value), _boxes(content[element.name]["boundingBoxes"]))
        if edits is None:
            return None
        total = edits if total is None else total + edits
    return total


def count_edits(before: Sequence[Box], after: Sequence[Box]) -> BoxEdits | None:
    """Compare the model's boxes with the person's as the module says; None past MAX_OVERLAPS."""
    left, found = list(before), list(after)
    accepted = _take_equal(left, found, lambda box: (box.label, *box.sides))
    relabelled = _take_equal(left, found, lambda box: box.sides)
    pairs = _overlaps(left, found)
    if pairs is None:
        return None
    moved = 0
    taken_left: set[int] = set()
    taken_found: set[int] = set()
    for _same, _iou, i, j in sorted(pairs):
        if i in taken_left or j in taken_found:
            continue
        taken_left.add(i)
        taken_found.add(j)
        if left[i].label != found[j].label:
            relabelled += 1
        elif left[i].is_at(found[j]):
            accepted += 1
        else:
            moved += 1
    return BoxEdits(accepted, moved, relabelled, len(left) - len(taken_left), len(found) - len(taken_found))


def _boxes(values: Iterable[Any]) -> list[Box]:
    return [box for value in values if (box := Box.read(value)) is not None]


def _take_equal(left: list[Box], found: list[Box], key: Callable[[Box], object]) -> int:
    """Remove pairs of equal ``key`` from both lists; how many there were."""
    waiting: defaultdict[object, list[int]] = defaultdict(list)
    for index in reversed(range(len(left))):
        waiting[key(left[index])].append(index)
    rest, taken = [], set()
    for box in found:
        if same := waiting.get(key(box)):
            taken.add(same.pop())
        else:
            rest.append(box)
    left[:] = [box for index, box in enumerate(left) if index not in taken]
    found[:] = rest
    return len(taken)


def _overlaps(left: Sequence[Box], found: Sequence[Box]) -> list[tuple[bool, float, int, int]] | None:
    """All pairs that may be one box, as (labels differ, -IoU, index, index); sorting puts the best first."""
    pairs = []
    for seen, (i, j) in enumerate(_near(left, found)):
        if seen >= MAX_OVERLAPS:
            return None
        iou = left[i].iou(found[j])
        if iou >= MIN_IOU:
            pairs.append((left[i].label != found[j].label, -iou, i, j))
    return pairs


def _near(left: Sequence[Box], found: Sequence[Box]) -> Iterator[tuple[int, int]]:
    """Pairs of indices whose boxes can overlap: found boxes that begin before the other ends."""
    order = sorted(range(len(found)), key=lambda j: found[j].xmin)
    begins = [found[j].xmin for j in order]
    widest = max((box.xmax - box.xmin for box in found), default=0.0)
    for i, box in enumerate(left):
        first = bisect_right(begins, box.xmin - widest)
        for j in order[first : bisect_right(begins, box.xmax)]:
            yield i, j
