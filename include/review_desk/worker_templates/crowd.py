"""The crowd elements of a rendered worker template: what a worker's answer has to fit."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from include.review_desk.worker_templates.literals import LiteralError, read_literal

BOUNDING_BOX = "crowd-bounding-box"


@dataclass(frozen=True)
class CrowdElement:
    """One named crowd element; its answer stands under ``name`` in answerContent.

    ``labels`` is None where the element has none or they cannot be read, and so is ``initial_value``: what
    the element begins with.
    """

    tag: str
    name: str
    labels: tuple[str, ...] | None
    initial_value: Any = None


def find_elements(html: str) -> list[CrowdElement]:
    """The crowd elements that have a ``name``, in document order."""
    parser = _ElementParser()
    # Not close(): that would look at unfinished tags again and again, for minutes where there are many.
    parser.feed(html)
    return parser.elements


class _ElementParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[CrowdElement] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        name = attributes.get("name")
        if tag.startswith("crowd-") and name:
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
