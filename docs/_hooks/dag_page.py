"""The reference of the DAGs: documentation and parameters, read from the files without importing Airflow."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from markdown_text import code, table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INTRODUCTION = """\
# DAGs and their parameters

What follows is each DAG's own documentation, as Airflow shows it, and its parameters. How the parameters
decide which night a run is about is in [Start a run by hand](../how-to/runs.md).
"""


def page(root: Path) -> str:
    """Return the page."""
    return "\n\n".join([INTRODUCTION, *_dags(root)]) + "\n"


def _dags(root: Path) -> Iterator[str]:
    for path in sorted((root / "dags").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        dag_id = _dag_id(tree)
        if dag_id is None:
            continue
        yield f"## {dag_id}"
        # The file's headings are for Airflow's page; here the DAG's name is the heading.
        text = re.sub(r"^#+ (.+)$", r"**\1**", ast.get_docstring(tree) or "", flags=re.M)
        yield re.sub(r"\bdocs/([\w/-]+\.md(?:#[\w-]+)?)", r"[\g<0>](../\1)", text)
        rows = list(_rows(tree))
        if rows:
            yield f"### Parameters of {dag_id}"
            yield table(("parameter", "default", "value", "meaning"), rows)


def _dag_id(tree: ast.AST) -> str | None:
    """Return the id of a file's DAG; None for a file without one, which may be the reader's own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "DAG":
            named = [given.value for given in node.keywords if given.arg == "dag_id"]
            for value in (*node.args[:1], *named):
                if isinstance(value, ast.Constant):
                    return str(value.value)
    return None


def _rows(tree: ast.AST) -> Iterator[tuple[str, str, str, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Dict):
            continue
        for key, call in zip(node.keys, node.values, strict=True):
            if key is not None and isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Param":
                yield _row(str(_value(key)), call)


def _row(name: str, call: ast.Call) -> tuple[str, str, str, str]:
    given = {str(keyword.arg): _value(keyword.value) for keyword in call.keywords}
    default = _value(call.args[0])
    shown = "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
    return code(name), code(shown), _kind(given), str(given.get("description", ""))


def _kind(given: dict[str, Any]) -> str:
    if "enum" in given:
        return ", ".join(code(value) for value in given["enum"] if value is not None)
    kinds = given.get("type", "any")
    names = [kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"]
    if given.get("format"):
        names = [str(given["format"])]
    bounds = [
        f"{word} {given[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in given
    ]
    return " ".join([*names, *bounds])


def _value(node: ast.AST) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)
