"""The reference of operators, sensors, triggers and hooks: one entry per public class of the source."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPERATORS = """\
# Operators, sensors and triggers

Every operator takes the arguments of its base classes as well, which are listed first. *Templated*
arguments are rendered by Airflow.
"""
HOOKS = """\
# Hooks

Hooks over boto3. Each takes an Airflow connection of type *Amazon Web Services* and works in any DAG.
"""


HOOK_NAMES = ("Hook", "ObjectStore", "SageMaker", "SageMakerJobs")
# A search should find a page that explains a word before a signature that contains it.
SEARCHED_LAST = "---\nsearch:\n  boost: 0.2\n---"


def operators(root: Path) -> str:
    """Return the page of what a DAG is made of."""
    parts = [SEARCHED_LAST, OPERATORS, "## Base classes", *_entries(root, "operators", "Operator", base=True)]
    parts += ["## Operators", *_entries(root, "operators", "Operator", base=False)]
    parts += ["## Sensors", *_entries(root, "sensors", "Sensor", base=False)]
    parts += ["## Triggers", *_entries(root, "triggers", "Trigger", base=False)]
    return "\n\n".join(parts) + "\n"


def hooks(root: Path) -> str:
    """Return the page of the hooks."""
    return (
        "\n\n".join([SEARCHED_LAST, HOOKS, *_entries(root, "hooks", HOOK_NAMES, base=False, members=True)])
        + "\n"
    )


def _entries(
    root: Path, room: str, ending: str | tuple[str, ...], *, base: bool, members: bool = False
) -> Iterator[str]:
    for path in sorted((root / "plugins" / "secondlook" / room).rglob("*.py")):
        if (path.stem in {"base", "waiting"}) is not base and ending == "Operator":
            continue
        module = ".".join(path.relative_to(root / "plugins").with_suffix("").parts)
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name.endswith(ending) and node.name[0] != "_":
                options = [f"::: {module}.{node.name}", "    options:", "      docstring_style: sphinx"]
                if members:
                    options += ["      members: null", "      members_order: source"]
                yield "\n".join(options)
