"""Only ``secondlook.layout`` spells S3 keys and takes them apart. Reads the sources; runs nothing of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYOUT = ROOT / "plugins/secondlook/layout"
ROOMS = (ROOT / "plugins", ROOT / "include/demo", ROOT / "dags")
CUTS = frozenset({"partition", "rpartition", "split", "rsplit"})
TRIMS = frozenset({"removeprefix", "removesuffix"})

# What looks like a key and is none.
NO_KEYS = {
    "plugins/secondlook/training/hyperparameters.py": "the address of a container's image",
    "plugins/secondlook/review/budget.py": "a reservation's <night>/<round>",
    "include/demo/voc_folder.py": "paths of files on this machine",
    "include/demo/drawn.py": "names of files on this machine",
}


def calls_layout(node: ast.expr) -> bool:
    """Whether an expression is a key that a layout gave."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    owner = node.func.value
    name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    return name.lower().strip("_") == "layout" and node.func.attr != "uri"


def text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def names_a_key(node: ast.expr) -> bool:
    return (node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")) == "key"


def cuts(call: ast.Call) -> bool:
    """Whether a call takes a text apart at a slash, or at a part of a path."""
    if not isinstance(call.func, ast.Attribute) or not call.args:
        return False
    first, method = call.args[0], call.func.attr
    if method in TRIMS and names_a_key(call.func.value):
        return True
    if method in CUTS:
        return text(first) == "/"
    if method in TRIMS:
        return isinstance(first, ast.JoinedStr) or calls_layout(first) or calls_layout(call.func.value)
    if method == "endswith":
        given = first.elts if isinstance(first, ast.Tuple) else [first]
        return any(text(item).startswith("/") and text(item) != "/" for item in given)
    return method == "replace" and "/" in text(first).rstrip("/")


def spells(node: ast.AST) -> bool:
    """Whether a key that a layout gave is continued by hand; a slash alone is for listing a folder."""
    pairs: list[tuple[ast.expr, ast.expr]] = []
    if isinstance(node, ast.JoinedStr):
        values = [value.value if isinstance(value, ast.FormattedValue) else value for value in node.values]
        pairs = list(pairwise(values))
    elif isinstance(node, ast.BinOp):
        pairs = [(node.left, node.right)]
    return any(calls_layout(key) and text(after) not in ("", "/") for key, after in pairs)


def surgery(source: str) -> Iterator[int]:
    """Lines in which a key is spelled or taken apart."""
    for node in ast.walk(ast.parse(source)):
        if (isinstance(node, ast.Call) and cuts(node)) or spells(node):
            yield node.lineno


def test_keys_are_spelled_and_taken_apart_in_the_layout_only() -> None:
    found, no_keys = [], set()
    paths = sorted(path for room in ROOMS for path in room.rglob("*.py") if LAYOUT not in path.parents)
    for path in paths:
        name = str(path.relative_to(ROOT))
        lines = list(surgery(path.read_text(encoding="utf-8")))
        if name in NO_KEYS:
            no_keys |= {name} if lines else set()
        else:
            found += [f"{name}:{line}" for line in lines]
    assert not found, f"give secondlook.layout a method for these: {', '.join(found)}"
    assert no_keys == NO_KEYS.keys(), f"take these off the list: {NO_KEYS.keys() - no_keys}"


@pytest.mark.parametrize(
    "source",
    [
        'key.split("/")[-2]',
        'key.rpartition("/")[2]',
        'layout.models().removesuffix("models/x")',
        'key.removeprefix(f"{folder}/")',
        "key.removeprefix(layout.budgets())",
        'folder.replace("manifests/2", "reviews/2")',
        'key.endswith("/ledger.jsonl")',
        'f"{self.layout.holdout(version)}/voc"',
        'LAYOUT.budgets() + "/2026-11.json"',
    ],
)
def test_the_check_finds(source: str) -> None:
    assert list(surgery(source)) == [1]


@pytest.mark.parametrize(
    "source",
    [
        'f"{layout.budgets()}/"',
        'layout.budgets() + "/"',
        "steps(folder, key)[0]",
        '"a b".split()',
        'key.endswith("/")',
    ],
)
def test_the_check_leaves_alone(source: str) -> None:
    assert list(surgery(source)) == []
