"""PASCAL VOC annotations: read safely, checked box by box, turned into what the detector trains on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.formats.text import normal

from .boxes import BoxFault, BoxRefusedError, VocObject, clamp, class_of, number
from .errors import VocError
from .xml_file import is_encoding_guessed, parse_xml

if TYPE_CHECKING:
    import xml.etree.ElementTree as ElementTree
    from collections.abc import Sequence

    from include.formats.boxes import Row

MAX_SIDE_PX = 100_000
MAX_LABEL = 80
_UNSURE = "has letters in an encoding that the file does not declare; save the file as UTF-8"


@dataclass(frozen=True)
class VocAnnotation:
    """What one annotation file says of one image.

    ``faults`` holds one sentence for each object that was left out or clamped, ``left_out`` why each of the
    former was, ``unknown_labels`` the labels that are not among the given ones.
    """

    filename: str
    width: int
    height: int
    depth: int
    objects: tuple[VocObject, ...]
    faults: tuple[str, ...]
    left_out: tuple[BoxFault, ...]
    unknown_labels: tuple[str, ...] = ()

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


def parse_annotation(xml: bytes, labels: Sequence[str], source: str) -> VocAnnotation:
    """Read one annotation file.

    Parameters
    ----------
    xml
        The bytes of the file.
    labels
        The label names; the index is the class id.
    source
        What to call the file in errors and faults.

    Raises
    ------
    VocError
        The file as a whole is unusable (bad XML, a DOCTYPE, no image size).
    """
    root = _annotation(xml, source)
    width, height, depth = _image_size(root, source)
    objects: dict[VocObject, None] = {}
    faults: list[str] = []
    left_out: list[BoxFault] = []
    unknown: list[str] = []
    for count, element in enumerate(root.iterfind("object"), start=1):
        name = f"{source}: object {count} ({_text(element, 'name')[:MAX_LABEL] or 'no name'!r})"
        try:
            found, clamped = _parse_object(element, labels, (width, height))
            if found in objects:
                raise BoxRefusedError(BoxFault.REPEATED, "repeats an earlier box of the same label")
        except BoxRefusedError as error:
            label = _text(element, "name")
            unsure = error.fault is BoxFault.LABEL and _is_misread(label, xml)
            faults.append(f"{name} {_UNSURE if unsure else error}.")
            left_out.append(error.fault)
            if error.fault is BoxFault.LABEL:
                unknown.append(label[:MAX_LABEL])
            continue
        objects[found] = None
        if clamped:
            faults.append(f"{name} reaches beyond the image of {width}x{height} px and was clamped to it.")
    return VocAnnotation(
        filename=_text(root, "filename"),
        width=width,
        height=height,
        depth=depth,
        objects=tuple(objects),
        faults=tuple(faults),
        left_out=tuple(left_out),
        unknown_labels=tuple(unknown),
    )


def annotation_labels(xml: bytes, source: str) -> tuple[str, ...]:
    """Return the label of each object, with single spaces and composed letters.

    Raises
    ------
    VocError
        The file is no annotation, or a label has letters of an unknown encoding.
    """
    found = [normal(_text(element, "name")) for element in _annotation(xml, source).iterfind("object")]
    misread = next((label for label in found if _is_misread(label, xml)), None)
    if misread is not None:
        raise VocError(f"{source}: the label {misread[:MAX_LABEL]!r} {_UNSURE}.")
    return tuple(label for label in found if label)


def _is_misread(label: str, xml: bytes) -> bool:
    """Whether a label in a guessed encoding is no Western word: accents are letters, and few in a word."""
    accented = [letter for letter in label if not letter.isascii()]
    western = all(map(str.isalpha, accented)) and 2 * len(accented) <= len(label)
    return not western and is_encoding_guessed(xml)


def _annotation(xml: bytes, source: str) -> ElementTree.Element:
    root = parse_xml(xml, source)
    if root.tag != "annotation":
        raise VocError(
            f"{source} is not a PASCAL VOC annotation: its root element is <{root.tag}>, not <annotation>."
        )
    return root


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _image_size(root: ElementTree.Element, source: str) -> tuple[int, int, int]:
    sides = []
    for name in ("width", "height"):
        text = _text(root, f"size/{name}")
        try:
            side = number(text, name)
        except BoxRefusedError:
            side = 0.0
        if not (1 <= side <= MAX_SIDE_PX and side == int(side)):
            raise VocError(
                f"{source} gives no usable image {name} in <size> (found {text[:40]!r}); write it in pixels."
            )
        sides.append(int(side))
    depth = _text(root, "size/depth")
    return sides[0], sides[1], int(depth) if depth in ("1", "2", "3", "4") else 3


def _parse_object(
    element: ElementTree.Element, labels: Sequence[str], size: tuple[int, int]
) -> tuple[VocObject, bool]:
    """Return the object and whether it had to be clamped."""
    class_id = class_of(_text(element, "name"), labels)
    left, top, right, bottom = (
        number(_text(element, f"bndbox/{name}"), name) for name in ("xmin", "ymin", "xmax", "ymax")
    )
    (xmin, ymin, xmax, ymax), clamped = clamp((left, top, right, bottom), size)
    difficult = _text(element, "difficult") == "1"
    return VocObject(class_id, labels[class_id], xmin, ymin, xmax, ymax, difficult), clamped
