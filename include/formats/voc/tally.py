"""What the faults of a set's boxes have in common: whether the set itself is at fault, and what to do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from include.formats.text import some

from .boxes import BoxFault

if TYPE_CHECKING:
    from .annotation import VocAnnotation

# From this many boxes on, and beyond this share of all, one kind of fault is the set's, not the boxes'.
_FEWEST_ALIKE = 3
_SHARE_ALIKE = 0.5


@dataclass
class BoxTally:
    """Counts a set's boxes, used and faulty, to tell a fault of the set from faults of single boxes."""

    used: int = 0
    faults: Counter[BoxFault] = field(default_factory=Counter)
    unknown_labels: Counter[str] = field(default_factory=Counter)

    def add(self, annotation: VocAnnotation) -> None:
        """Count the boxes of one annotation."""
        self.used += len(annotation.objects)
        self.faults.update(annotation.left_out)
        self.unknown_labels.update(annotation.unknown_labels)

    def labels_note(self) -> str | None:
        """Return the sentence about boxes whose label is not in the settings, None without any."""
        if not self.unknown_labels:
            return None
        shown = some([f"{label!r} ({count})" for label, count in self.unknown_labels.most_common()])
        return f"Boxes of labels that are not in the settings are left out: {shown}."

    def cause(self) -> str | None:
        """Return what is wrong with most boxes of the set and what to do, None when most can be used.

        A label that is not wanted is no fault of the set, unless no box has a label that is; where no box can
        be used at all, the most frequent fault is reported.
        """
        total = self.used + self.faults.total()
        for fault, count in self.faults.most_common():
            alike = count >= _FEWEST_ALIKE and count > _SHARE_ALIKE * total
            if not self.used or (alike and fault is not BoxFault.LABEL):
                boxes = f"{count} of {total} boxes" if total > 1 else "the only box"
                labels = f" {self.labels_note()}" if fault is BoxFault.LABEL else ""
                return f"{boxes} cannot be used for the same reason: {fault.value}.{labels}"
        return None
