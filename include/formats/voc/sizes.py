"""Whether an annotation was drawn on the pixels that are in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from include.formats.images import ImageFacts

    from .annotation import VocAnnotation

_SAVE_TURNED = "save the image as it is shown, without the orientation (for example mogrify -auto-orient)"


def size_fault(address: str, facts: ImageFacts, annotation: VocAnnotation) -> tuple[str, str] | None:
    """Return code and sentence when the boxes may belong to other pixels than those in the file.

    Boxes count in the pixels as stored. An annotation drawn on the image as shown, turned by its EXIF
    orientation, is known by its swapped sides; where the sides do not tell, the image is left out.
    """
    stored, given = (facts.width, facts.height), (annotation.width, annotation.height)
    if stored == given:
        if facts.upright or (facts.swaps_sides and stored[0] != stored[1]):
            return None
        return "exif-orientation", (
            f"{address} is shown turned or mirrored (EXIF orientation {facts.orientation}), and its sides do "
            f"not tell whether its boxes were drawn on it that way: {_SAVE_TURNED}, and check its boxes."
        )
    sides = f"{address} has {stored[0]}x{stored[1]} px, its annotation says {given[0]}x{given[1]}"
    if stored != given[::-1]:
        return "image-size-mismatch", (
            f"{sides}: use the image that was annotated, or correct the annotation's <size> if its boxes fit."
        )
    if facts.swaps_sides:
        return "exif-orientation", (
            f"{sides}: its boxes were drawn on the image as shown, turned by its EXIF orientation "
            f"{facts.orientation}; {_SAVE_TURNED}, and keep the annotation."
        )
    return "image-size-mismatch", (
        f"{sides}: one of them was turned; turn the image, or draw its boxes on it as it is."
    )
