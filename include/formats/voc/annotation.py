"""PASCAL VOC annotations: read safely, checked box by box, turned into what the detector trains on.

VOC counts pixels from 1 and includes both ends: ``xmin`` 1 and ``xmax`` 640 span a whole image of width 640.
Here a box is ``[xmin, xmax)`` counted from 0, so ``xmin`` and ``ymin`` lose one and a width is simply ``xmax
- xmin`` (The PASCAL Visual Object Classes Challenge 2012, Development Kit).
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import VocError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.formats.boxes import Row

MAX_XML_BYTES = 16 * 1024 * 1024
MAX_SIDE_PX = 100_000


class _BoxFault(Exception):
    """One object cannot be used; the message completes "object 3 ('RBC') ..."."""


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


@dataclass(frozen=True)
class VocAnnotation:
    """What one annotation file says of one image.

    ``faults`` holds one sentence for each object that was left out or clamped.
    """

    filename: str
    width: int
    height: int
    depth: int
    objects: tuple[VocObject, ...]
    faults: tuple[str, ...]

    def rows(self) -> list[Row]:
        """Return the objects as rows of a detection record: class id and ratios of the image."""
        return [
            (
                float(found.class_id),
                found.xmin / self.width,
                found.ymin / self.height,
                found.xmax / self.width,
                found.ymax / self.height,
            )
            for found in self.objects
        ]


class _SafeTreeBuilder(ElementTree.TreeBuilder):
    """Refuses a document type: an annotation needs none, and entities expand without limit."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise _BoxFault("declares a DOCTYPE, which an annotation never needs; remove it")


def parse_annotation(xml: bytes, labels: Sequence[str], source: str) -> VocAnnotation:
    """Read one annotation file.

    :param xml: the bytes of the file
    :param labels: the label names; the index is the class id
    :param source: what to call the file in errors and faults
    :raises VocError: when the file as a whole is unusable (bad XML, a DOCTYPE, no image size)
    """
    root = _parse_xml(xml, source)
    if root.tag != "annotation":
        raise VocError(
            f"{source} is not a PASCAL VOC annotation: its root element is <{root.tag}>, not <annotation>."
        )
    width, height, depth = _image_size(root, source)
    objects: list[VocObject] = []
    faults: list[str] = []
    for number, element in enumerate(root.iterfind("object"), start=1):
        name = f"{source}: object {number} ({_text(element, 'name') or 'no name'!r})"
        try:
            found, clamped = _parse_object(element, labels, (width, height))
            if found in objects:
                raise _BoxFault("repeats an earlier box of the same label and was left out")
        except _BoxFault as fault:
            faults.append(f"{name} {fault}.")
            continue
        objects.append(found)
        if clamped:
            faults.append(f"{name} reaches beyond the image of {width}x{height} px and was clamped to it.")
    return VocAnnotation(_text(root, "filename"), width, height, depth, tuple(objects), tuple(faults))


def _parse_xml(xml: bytes, source: str) -> ElementTree.Element:
    if len(xml) > MAX_XML_BYTES:
        raise VocError(f"{source} has {len(xml)} bytes; an annotation has at most {MAX_XML_BYTES}.")
    parser = ElementTree.XMLParser(target=_SafeTreeBuilder())
    try:
        parser.feed(xml)
        root: ElementTree.Element = parser.close()
    except _BoxFault as fault:
        raise VocError(f"{source} {fault}.") from None
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise VocError(f"{source} is not well-formed XML: {error}.") from error
    return root


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _image_size(root: ElementTree.Element, source: str) -> tuple[int, int, int]:
    sides = []
    for name in ("width", "height"):
        text = _text(root, f"size/{name}")
        try:
            side = _number(text, name)
        except _BoxFault:
            side = 0.0
        if not (1 <= side <= MAX_SIDE_PX and side == int(side)):
            raise VocError(
                f"{source} gives no usable image {name} in <size> (found {text!r}); write it in pixels."
            )
        sides.append(int(side))
    depth = _text(root, "size/depth")
    return sides[0], sides[1], int(depth) if depth in ("1", "2", "3", "4") else 3


def _number(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _BoxFault(f"has no number in <{what}> (found {text!r}) and was left out") from None
    if not math.isfinite(value):
        raise _BoxFault(f"has no finite number in <{what}> (found {text!r}) and was left out")
    return value


def _parse_object(
    element: ElementTree.Element, labels: Sequence[str], size: tuple[int, int]
) -> tuple[VocObject, bool]:
    """Return the object and whether it had to be clamped; raise :class:`_BoxFault` when it cannot be used."""
    label = _text(element, "name")
    if label not in labels:
        raise _BoxFault(f"has a label that is none of {', '.join(labels)} and was left out")
    left, top, right, bottom = (
        _number(_text(element, f"bndbox/{name}"), name) for name in ("xmin", "ymin", "xmax", "ymax")
    )
    box = f"({left:g}, {top:g}, {right:g}, {bottom:g})"
    if right < left or bottom < top:
        raise _BoxFault(f"is inverted, {box} has its minimum above its maximum, and was left out")
    if right == left or bottom == top:
        raise _BoxFault(f"has no area, {box}, and was left out")
    width, height = size
    xmin, ymin = max(left - 1, 0.0), max(top - 1, 0.0)
    xmax, ymax = min(right, float(width)), min(bottom, float(height))
    if xmax <= xmin or ymax <= ymin:
        raise _BoxFault(f"lies outside the image of {width}x{height} px, {box}, and was left out")
    # A minimum of 0 comes from tools that count from 0: one pixel, not a fault worth a sentence.
    clamped = left < 0 or top < 0 or right > width or bottom > height
    difficult = _text(element, "difficult") == "1"
    return VocObject(labels.index(label), label, xmin, ymin, xmax, ymax, difficult), clamped


def annotation_manifest_fields(annotation: VocAnnotation) -> dict[str, Any]:
    """Return the annotation as the label attribute of an augmented manifest line, in pixels."""
    return {
        "annotations": [
            {
                "class_id": found.class_id,
                "left": _pixels(found.xmin),
                "top": _pixels(found.ymin),
                "width": _pixels(found.xmax - found.xmin),
                "height": _pixels(found.ymax - found.ymin),
            }
            for found in annotation.objects
        ],
        "image_size": [{"width": annotation.width, "height": annotation.height, "depth": annotation.depth}],
    }


def _pixels(value: float) -> int | float:
    return int(value) if value == int(value) else round(value, 2)
