"""The reference of command lines: what ``--help`` and the Makefile say."""

from __future__ import annotations

import argparse
import os
import re
from typing import TYPE_CHECKING

from markdown_text import code, table

if TYPE_CHECKING:
    from pathlib import Path

DESK = """\
# The Review Desk's commands

`python -m include.review_desk <command> --help` prints what this page shows. How to run the Desk is in [Run
the Review Desk](../how-to/review-desk.md).
"""
MAKE = """\
# make targets

Each target sets up what is missing. `make help` prints this list.
"""


def desk(_: Path) -> str:
    """Return the page of the Review Desk's commands."""
    from include.review_desk.__main__ import _parser

    # argparse wraps at the terminal's width; the page has one of its own.
    os.environ["COLUMNS"] = "110"
    parser = _parser()
    parts = [DESK, _help(parser)]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                parts += [f"## {name}", _help(command)]
    return "\n\n".join(parts) + "\n"


def _help(parser: argparse.ArgumentParser) -> str:
    text = re.sub(r"\bmkdocs\b|\b__main__\.py\b", "python -m include.review_desk", parser.format_help())
    return f"```text\n{text.strip()}\n```"


def make(root: Path) -> str:
    """Return the page of the Makefile's targets."""
    text = (root / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):[^\n#]*## (.+)$", text, re.M)
    rows = [(code(f"make {name}"), meaning) for name, meaning in targets]
    return "\n\n".join([MAKE, table(("command", "what it does"), rows)]) + "\n"
