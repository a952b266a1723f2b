"""The reference of what lies where in S3: the methods of ``Layout``, called with placeholders."""

from __future__ import annotations

import inspect
import re
from datetime import date
from typing import TYPE_CHECKING, Any

from markdown_text import code, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

INTRODUCTION = """\
# Where things lie in S3

Every key of a deployment lies below `s3://<bucket>/<prefix>`. `plugins/secondlook/layout/` is the only
package that spells keys, and this page is made from it. Files ending in `.jsonl` are JSON Lines with sorted
keys, UTC times, and no personal data of reviewers. Documents marked *compare-and-swap* are changed by
several runs and must be written that way only.
"""
# Values that the layout checks, and what stands for them on the page.
_SAMPLES: dict[str, Any] = {"2026-11-22": "<night>", "2026-11-23": "<date>", "2026-11": "<month>"}


def page(root: Path) -> str:
    """Return the page."""
    from secondlook.layout import Layout

    layout = Layout("bucket", "prefix")
    parts = [INTRODUCTION]
    for keys in Layout.__bases__:
        for title, names in _sections(inspect.getsource(keys)):
            parts += _section(title, layout, names)
    transform = layout.transform("2026-11-22", "<model>", "<inputs>")
    names = [name for name, _ in inspect.getmembers(type(transform), inspect.isfunction) if name[0] != "_"]
    parts += _section("A night's batch transform", transform, names)
    return "\n\n".join(parts) + "\n"


def _section(title: str, layout: Any, names: list[str]) -> list[str]:
    rows = [row for name in names if (row := _row(layout, name))]
    return [f"## {title}", table(("key", "what", "method"), rows)] if rows else []


def _sections(source: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each heading comment of the class with the public methods below it."""
    title, names = "", []
    for comment, name in re.findall(r"^    # (.+)$|^    def ([a-z]\w*)\(self", source, re.M):
        if comment:
            yield title, names
            title, names = comment.rstrip("."), []
        else:
            names.append(name)
    yield title, names


def _row(layout: Any, name: str) -> tuple[str, str, str] | None:
    method = getattr(layout, name)
    signature = inspect.signature(method)
    if set(signature.parameters) & {"key", "uri"}:
        return None
    arguments = {key: _sample(key, str(given.annotation)) for key, given in signature.parameters.items()}
    key = method(**arguments)
    if not isinstance(key, str):
        return None
    key = key.removeprefix("prefix/")
    for value, placeholder in _SAMPLES.items():
        key = key.replace(value, placeholder)
    return code(key), _meaning(method), code(name)


def _sample(name: str, annotation: str) -> Any:
    known = {"night": "2026-11-22", "taker": "2026-11-22", "month": "2026-11"}
    if name in known:
        return known[name]
    return {"int": 1, "date": date(2026, 11, 23)}.get(annotation, f"<{name}>")


def _meaning(method: Callable[..., Any]) -> str:
    paragraphs = (inspect.getdoc(method) or "").split("\n\n")
    text = " ".join(paragraph for paragraph in paragraphs if not paragraph.startswith(("Raises", "Param")))
    return re.sub(r"^Return (.)", lambda match: match[1].upper(), text.replace("``", "`"))
