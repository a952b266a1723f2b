"""Pages that are files of the repository elsewhere: they are written once and shown in both places."""

from __future__ import annotations

import posixpath
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from re import Match

_LINK = re.compile(r"(!?)\[([^\]]+)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def page(source: str, target: str) -> Callable[[Path], str]:
    """Return what makes the page ``target`` from the repository's file ``source``."""

    def make(root: Path) -> str:
        def relinked(match: Match[str]) -> str:
            return _relinked(match, source, target)

        return _LINK.sub(relinked, (root / source).read_text(encoding="utf-8"))

    return make


def _relinked(match: Match[str], source: str, target: str) -> str:
    picture, text, address, anchor = match[1], match[2], match[3], match[4] or ""
    if "://" in address:
        return match[0]
    place = posixpath.normpath(str(PurePosixPath(source).parent / address))
    # What is not on the site is named, not linked.
    if not place.startswith("docs/"):
        return text
    relative = posixpath.relpath(place.removeprefix("docs/"), str(PurePosixPath(target).parent))
    return f"{picture}[{text}]({relative}{anchor})"
