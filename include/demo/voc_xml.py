"""PASCAL VOC annotation files, one XML document per image; pixels count from 1, both ends included."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.demo.scenes import TrueBox


def annotation_xml(filename: str, size_px: tuple[int, int, int], boxes: Iterable[TrueBox]) -> bytes:
    """Write one annotation; `size_px` is (width, height, depth)."""
    root = ElementTree.Element("annotation")
    _text(root, "folder", "JPEGImages")
    _text(root, "filename", filename)
    size = ElementTree.SubElement(root, "size")
    for name, value in zip(("width", "height", "depth"), size_px, strict=True):
        _text(size, name, value)
    _text(root, "segmented", 0)
    for box in boxes:
        item = ElementTree.SubElement(root, "object")
        _text(item, "name", box.label)
        _text(item, "pose", "Unspecified")
        _text(item, "truncated", 0)
        _text(item, "difficult", 0)
        bounds = ElementTree.SubElement(item, "bndbox")
        _text(bounds, "xmin", box.left + 1)
        _text(bounds, "ymin", box.top + 1)
        _text(bounds, "xmax", box.left + box.width)
        _text(bounds, "ymax", box.top + box.height)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8")) + b"\n"


def _text(parent: ElementTree.Element, name: str, value: object) -> None:
    ElementTree.SubElement(parent, name).text = str(value)
