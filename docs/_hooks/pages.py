"""MkDocs hook: add the pages that are made from the code, so that no page copies what the code says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import class_pages
import command_pages
import dag_page
import desk_api_page
import layout_page
import repository_pages
import settings_page
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parents[2]
GENERATED: dict[str, Callable[[Path], str]] = {
    "reference/settings.md": settings_page.page,
    "reference/dags.md": dag_page.page,
    "reference/s3-layout.md": layout_page.page,
    "reference/operators.md": class_pages.operators,
    "reference/hooks.md": class_pages.hooks,
    "reference/desk-api.md": desk_api_page.page,
    "reference/desk-commands.md": command_pages.desk,
    "reference/make.md": command_pages.make,
    "how-to/team.md": repository_pages.page("include/deploy/README.md", "how-to/team.md"),
    "changelog.md": repository_pages.page("CHANGELOG.md", "changelog.md"),
    "contributing.md": repository_pages.page("CONTRIBUTING.md", "contributing.md"),
    "security.md": repository_pages.page("SECURITY.md", "security.md"),
}
# Docstrings refer to classes in reStructuredText; the page shows the name.
_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc):<code>[~.]?([^<]*)</code>")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    # MkDocs takes back what a hook adds to the path while it is loaded.
    sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]
    for name, make in GENERATED.items():
        files.append(File.generated(config, name, content=make(ROOT)))
    return files


def on_page_content(html: str, **_: Any) -> str:
    """Show the roles of reStructuredText that Markdown does not know as code."""
    return _ROLE.sub(r"<code>\1</code>", html)
