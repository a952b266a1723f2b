"""No exception class is forgotten: each says whether trying again helps, or stands in the table that does."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from secondlook.failures import explain as failures
from secondlook.failures.explain import fault_of

ROOT = Path(__file__).parents[2]
# Raised and caught by the same caller; a note is never worth a task.
CAUGHT = {"NoteError"}


def imported(path: Path) -> Iterator[str]:
    """The modules of `include` that a file imports, wherever in it."""
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.startswith("include."))


def file_of(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def reached_from_plugins() -> set[str]:
    """Every module of `include` that an operator may run, imports of imports included."""
    found: set[str] = set()
    waiting = [name for path in (ROOT / "plugins").rglob("*.py") for name in imported(path)]
    while waiting:
        name = waiting.pop()
        file = file_of(name)
        if file is None or name in found:
            continue
        found.add(name)
        waiting += imported(file)
    return found


def exception_classes(module: str) -> list[type[BaseException]]:
    """The public ones that a module defines; what begins with an underscore never leaves its module."""
    loaded = importlib.import_module(module)
    return [
        value
        for name, value in vars(loaded).items()
        if inspect.isclass(value)
        and issubclass(value, BaseException)
        and value.__module__ == module
        and not name.startswith("_")
    ]


def modules() -> set[str]:
    formats = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "include/formats").rglob("*.py")
    }
    formats = {name.removesuffix(".__init__") for name in formats}
    return formats | reached_from_plugins()


CLASSES = [found for module in sorted(modules()) for found in exception_classes(module)]


def test_the_search_finds_what_pack_may_raise():
    assert {"VocError", "RecordIOError"} <= {found.__name__ for found in CLASSES}


@pytest.mark.parametrize("error_class", CLASSES, ids=lambda found: f"{found.__module__}.{found.__name__}")
def test_an_error_of_include_has_its_cause_in_the_table(error_class):
    decided = fault_of(error_class.__new__(error_class))
    assert decided.known, f"decide in secondlook/failures/explain.py what {error_class.__name__} means"


def class_definitions() -> dict[str, tuple[list[str], ast.ClassDef]]:
    """Every class of the plugins with the names of its bases."""
    found = {}
    for path in (ROOT / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
                found[node.name] = (bases, node)
    return found


def test_every_error_of_the_plugins_says_itself_whether_it_passes():
    """By their sources: importing all modules would bring Airflow."""
    known = class_definitions()

    def ancestors(name: str) -> set[str]:
        bases = known[name][0] if name in known else []
        return {name, *bases}.union(*(ancestors(base) for base in bases))

    errors = {name for name in known if ancestors(name) & {"Exception", "BaseException", "SecondLookError"}}
    assert len(errors) > 40
    undecided = {
        name
        for name in errors
        if not name.startswith("_")
        and "SecondLookError" not in ancestors(name)
        and not ancestors(name) & set(failures._BY_CLASS)
    }
    assert undecided == CAUGHT
    for name in errors - undecided:
        decisions = [
            ast.unparse(statement.value)
            for statement in known[name][1].body
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "passing"
        ]
        assert all(decision in ("True", "False", "None") for decision in decisions), name
