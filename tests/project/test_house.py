"""The shape of plugins/secondlook: small files, two storeys to an operator, one word for each thing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "plugins" / "secondlook"
FILES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES = 250
MOST_LINES_OF_AN_OPERATOR = 150
# Words that meant several things each; docs/explanation/words.md names what to write instead.
FORBIDDEN = re.compile(r"^(candidates?|settle[sd]?|settling|anew|deferred|chunks?)$")
# Names that Airflow and botocore gave.
OTHERS = {"TaskDeferred", "iter_chunks"}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def identifiers(tree: ast.AST) -> Iterator[str]:
    """Every name that the code defines or uses."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.keyword(arg=str(name)) | ast.alias(name=name):
                yield name.rpartition(".")[2]


def words(name: str) -> list[str]:
    """Split ``snake_case`` and ``CamelCase`` into lower-case words."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_fits_in_one_head(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    most = MOST_LINES_OF_AN_OPERATOR if path.parent.name == "operators" else MOST_LINES

    assert lines <= most, f"{name_of(path)} has {lines} lines: it holds two ideas, give one a file of its own"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_one_word_for_each_thing(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {
        name for name in identifiers(tree) if name not in OTHERS and any(map(FORBIDDEN.match, words(name)))
    }
    found |= {
        part
        for part in path.relative_to(PACKAGE).with_suffix("").parts
        if any(map(FORBIDDEN.match, words(part)))
    }

    assert not found


def project_bases(name: str, classes: dict[str, list[str]]) -> set[str]:
    """The classes of the project that a class inherits, directly or not."""
    found: set[str] = set()
    for base in classes.get(name, []):
        if base in classes:
            found |= {base} | project_bases(base, classes)
    return found


def classes_in(folder: str) -> dict[str, list[str]]:
    found = {}
    for path in (PACKAGE / folder).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
                found[node.name] = [base.id if isinstance(base, ast.Name) else base.attr for base in bases]
    return found


def test_an_operator_has_two_storeys():
    classes = classes_in("operators")
    operators = {name for name in classes if name.endswith("Operator")}

    assert len(operators) > 10
    assert {name: bases for name in operators if len(bases := project_bases(name, classes)) > 2} == {}


def test_hooks_are_hooks():
    """Each module of hooks/ has a class over a client, or is the data of one."""
    for path in (PACKAGE / "hooks").glob("*.py"):
        if path.name in {"__init__.py", "flow_waiters.py"}:
            continue
        classes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
        assert any(isinstance(part, ast.FunctionDef) for node in classes for part in node.body), path.name
