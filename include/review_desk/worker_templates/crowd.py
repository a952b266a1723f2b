"""The crowd elements of a rendered worker template: what a worker's answer has to fit."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from typing import Any, Literal

from include.review_desk.worker_templates.literals import LiteralError, read_literal

BOUNDING_BOX = "crowd-bounding-box"
_NATIVE = frozenset({"input", "select", "textarea"})
# As in static/crowd/kinds.js; a test holds the two together.
_ANSWERING = frozenset(
    {
        BOUNDING_BOX,
        "crowd-checkbox",
        "crowd-classifier",
        "crowd-image-classifier",
        "crowd-input",
        "crowd-radio-button",
        "crowd-slider",
        "crowd-text-area",
    }
)
_SILENT = frozenset({"crowd-alert", "crowd-button", "crowd-form", "crowd-radio-group"})
_FURNITURE = re.compile(r"crowd-(?:badge|card|fab|icon.*|instructions|modal|tab|tabs|toast)")


@dataclass(frozen=True)
class CrowdElement:
    """One named crowd element; answerContent has its answer under ``name``.

    ``labels`` is None where the element has none, they cannot be read, or a script in the template may add
    to them (samples of AWS do); ``initial_value`` is what the element begins with, None likewise.
    """

    tag: str
    name: str
    labels: tuple[str, ...] | None
    initial_value: Any = None


def kind_of(tag: str) -> Literal["answers", "silent", "furniture", "unknown"]:
    """How a crowd element contributes to an answer; unknown: the desk does not have it, and it might."""
    if tag in _ANSWERING:
        return "answers"
    if tag in _SILENT:
        return "silent"
    return "furniture" if _FURNITURE.fullmatch(tag) else "unknown"


def find_elements(html: str) -> list[CrowdElement]:
    """The crowd elements that have a ``name`` of their own, in document order.

    One that shares its name with a native field is left out: the field answers in its place, which is how
    templates keep an element out of the answer.
    """
    parser = _ElementParser()
    # Not close(): that would look at unfinished tags again and again, for minutes where there are many.
    parser.feed(html)
    found = [element for element in parser.elements if element.name not in parser.native_names]
    return [replace(element, labels=None) for element in found] if parser.has_script else found


class _ElementParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[CrowdElement] = []
        self.native_names: set[str] = set()
        self.has_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        name = attributes.get("name")
        if tag == "script":
            self.has_script = self.has_script or "src" not in attributes
        elif tag in _NATIVE and name:
            self.native_names.add(name)
        elif tag.startswith("crowd-") and name:
            labels, initial = _literal(attributes.get("labels")), _literal(attributes.get("initial-value"))
            self.elements.append(CrowdElement(tag, name, _labels(labels), initial))

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """``<![...``: a comment, as in browsers; the parser's own method would fail."""
        return self.parse_bogus_comment(i)


def _literal(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return read_literal(text)
    except LiteralError:
        return None


def _labels(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
        return None
    return tuple(value)
