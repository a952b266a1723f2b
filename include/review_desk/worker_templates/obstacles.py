"""What would keep people from submitting a rendered worker template, found before a loop starts.

The page itself refuses these answers (static/crowd/obstacles.js), since something would be missing from them
unnoticed. Faults that only show in a browser, such as a script that throws, cannot be found here.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from include.review_desk.worker_templates.crowd import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST = 20
_INSTRUCTIONS = frozenset({"short-instructions", "full-instructions", "crowd-instructions"})
_PICTURES = frozenset({"img", "video", "audio", "source"})
_PAGES = {"iframe": "src", "embed": "src", "object": "data"}
_AWS_SCRIPT = re.compile(
    r"\s*(?:https?:)?//assets\.crowd\.aws/crowd-html-elements(?:-v2)?\.js(?:\?.*)?\s*", re.IGNORECASE
)
# Types of script elements that hold data.
_SCRIPT_TYPES = re.compile(r"|module|.*javascript.*", re.IGNORECASE)


def find_obstacles(html: str, image_origins: Sequence[str] = ()) -> list[str]:
    """Why an answer to this page would be refused, one sentence each, at most MOST.

    ``image_origins`` are those that pictures, sound and video may come from; ``https://*.host`` covers the
    hosts below.
    """
    parser = _Reader(image_origins)
    # Not close(): that would look at unfinished tags again and again, for minutes where there are many.
    parser.feed(html)
    return list(parser.sentences)[:MOST]


class _Reader(HTMLParser):
    def __init__(self, image_origins: Sequence[str]) -> None:
        super().__init__(convert_charrefs=True)
        # In their order, each once.
        self.sentences: dict[str, None] = {}
        self._image_origins = image_origins
        self._instructions = 0

    def say(self, sentence: str) -> None:
        self.sentences.setdefault(sentence)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self._instructions += tag in _INSTRUCTIONS
        if tag.startswith("crowd-") and "disabled" not in attributes:
            self._look_at_element(tag, attributes)
        elif tag == "script" and "src" in attributes:
            self._look_at_script(attributes)
        elif not self._instructions:
            self._look_at_object(tag, attributes)

    def handle_endtag(self, tag: str) -> None:
        if tag in _INSTRUCTIONS and self._instructions:
            self._instructions -= 1

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """``<![...``: a comment, as in browsers; the parser's own method would fail."""
        return self.parse_bogus_comment(i)

    def _look_at_element(self, tag: str, attributes: dict[str, str]) -> None:
        kind = kind_of(tag)
        if kind == "unknown":
            self.say(f"<{tag}> is not known to the Review Desk: an answer would be incomplete.")
        elif kind == "answers" and not attributes.get("name"):
            self.say(f"<{tag}> has no name: what people enter there would be lost.")

    def _look_at_script(self, attributes: dict[str, str]) -> None:
        address = attributes["src"]
        if _SCRIPT_TYPES.fullmatch(attributes.get("type", "")) and not _AWS_SCRIPT.fullmatch(address):
            self.say(
                f"The script {address[:200]} is not loaded, as the Review Desk loads none from outside: "
                "write it into the template."
            )

    def _look_at_object(self, tag: str, attributes: dict[str, str]) -> None:
        address = attributes.get(_PAGES.get(tag, "src"), "")
        if tag in _PAGES and address and "srcdoc" not in attributes:
            if not re.match(r"\s*(?:about|javascript):", address, re.IGNORECASE):
                self.say(f"The page embedded with <{tag}> is not shown: link a picture, sound or video.")
        elif tag in _PICTURES and address:
            self._look_at_picture(tag, address.strip())

    def _look_at_picture(self, tag: str, address: str) -> None:
        try:
            scheme, host = urlsplit(address)[:2]
        except ValueError:
            scheme, host = "", address
        known = any(_covers(origin, scheme, host.lower()) for origin in self._image_origins)
        if not known and scheme not in ("data", "blob"):
            where = host[:200] or "the template's own address"
            self.say(f"<{tag}> would load from {where}, which is not one of --image-origin: it is not shown.")


def _covers(origin: str, scheme: str, host: str) -> bool:
    allowed = urlsplit(origin.lower())
    if scheme != allowed.scheme and (allowed.scheme, scheme) != ("http", "https"):
        return False
    if allowed.netloc.startswith("*."):
        return host.endswith(allowed.netloc[1:])
    return host == allowed.netloc
