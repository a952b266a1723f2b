"""Which part of the project may import which. Reads the sources; runs nothing of them."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[2]
TREES = {"secondlook": ROOT / "plugins/secondlook", "include": ROOT / "include", "dags": ROOT / "dags"}

PURE = ("detection", "scoring", "review", "training")
SERVICES = (
    "review_desk",
    "local_sagemaker",
    "local_s3",
    "aws_protocol",
    "http_limits",
    "formats",
    "detector",
)
# From top to bottom: each imports only its own floor and those below.
DESK_FLOORS = (
    ("app", "background", "backup", "commands", "__main__"),
    ("aws_api", "web"),
    ("loops", "work", "people", "events"),
    ("audit_trail",),
    ("worker_templates", "storage"),
)


@dataclass(frozen=True)
class Module:
    """A source file. ``imported`` are all its imports; ``types`` those that only a type checker follows."""

    name: str
    imported: frozenset[str]
    types: frozenset[str]

    @property
    def running(self) -> frozenset[str]:
        return self.imported - self.types


def names() -> dict[str, Path]:
    found = {"secondlook_plugin": ROOT / "plugins/secondlook_plugin.py"}
    for tree, folder in TREES.items():
        for path in folder.rglob("*.py"):
            parts = (tree, *path.relative_to(folder).with_suffix("").parts)
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


PATHS = names()


def import_statements(node: ast.AST, *, typing: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """Every import in ``node``, those in functions too, and whether it is for type checkers only."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node, typing
    for_types = []
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        for_types = node.body
    for child in ast.iter_child_nodes(node):
        yield from import_statements(child, typing=typing or child in for_types)


def targets(statement: ast.stmt, name: str, path: Path) -> Iterator[str]:
    """The modules that an import statement names; of ``from package import module`` the module."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom):
        base = statement.module or ""
        if statement.level:
            package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
            above = package[: len(package) - statement.level + 1]
            base = ".".join([*above, base]).rstrip(".")
        for alias in statement.names:
            full = f"{base}.{alias.name}"
            yield full if full in PATHS else base


def read(name: str, path: Path) -> Module:
    runs: set[str] = set()
    types: set[str] = set()
    for statement, typing in import_statements(ast.parse(path.read_text(encoding="utf-8"))):
        (types if typing else runs).update(targets(statement, name, path))
    return Module(name, frozenset(runs | types), frozenset(types - runs))


@cache
def modules() -> dict[str, Module]:
    """Every module by its name."""
    return {name: read(name, path) for name, path in PATHS.items()}


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def arrows(importers: Iterable[str], imported: Iterable[str]) -> list[str]:
    """``a -> b`` for every import of something in ``imported`` by a module in ``importers``."""
    importers, imported = tuple(importers), tuple(imported)
    return sorted(
        f"{module.name} -> {target}"
        for module in modules().values()
        if within(module.name, *importers)
        for target in module.imported
        if within(target, *imported)
    )


def desk_arrows(importers: Iterable[str], imported: Iterable[str]) -> list[str]:
    return arrows(
        [f"include.review_desk.{room}" for room in importers],
        [f"include.review_desk.{room}" for room in imported],
    )


def circles(tree: str, *, types: bool) -> list[list[str]]:
    """The groups of modules that import each other, found by Tarjan's algorithm."""
    graph = {
        name: [target for target in (module.imported if types else module.running) if target in modules()]
        for name, module in modules().items()
        if within(name, tree)
    }
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        stack.append(name)
        for target in graph.get(name, []):
            if target not in order:
                visit(target)
                lowest[name] = min(lowest[name], lowest[target])
            elif target in stack:
                lowest[name] = min(lowest[name], order[target])
        if lowest[name] == order[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1 or name in graph.get(name, []):
                found.append(sorted(group))

    for name in graph:
        if name not in order:
            visit(name)
    return found


def test_the_rooms_named_here_exist() -> None:
    rooms = [
        *(f"secondlook.{room}" for room in PURE),
        *(f"include.{room}" for room in SERVICES),
        *(f"include.review_desk.{room}" for floor in DESK_FLOORS for room in floor),
    ]
    assert [room for room in rooms if not any(within(name, room) for name in modules())] == []


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_import_neither_airflow_nor_an_aws_client(room: str) -> None:
    assert arrows([f"secondlook.{room}"], ["airflow", "boto3", "botocore", "aiobotocore"]) == []


@pytest.mark.parametrize("room", [*PURE, "layout", "hooks"])
def test_rooms_import_nothing_of_those_that_are_built_on_them(room: str) -> None:
    above = {"records", "jobs", "launching", "operators", "sensors", "triggers", "runtime"}
    above |= {"hooks"} - {room}
    assert arrows([f"secondlook.{room}"], [f"secondlook.{name}" for name in above]) == []


def test_plugins_and_dags_import_nothing_of_include_but_formats() -> None:
    found = arrows(["secondlook", "secondlook_plugin", "dags"], ["include"])
    assert [arrow for arrow in found if not within(arrow.split(" -> ")[1], "include.formats")] == []
    assert found


@pytest.mark.parametrize("service", SERVICES)
def test_services_know_nothing_of_airflow_and_the_plugins(service: str) -> None:
    assert arrows([f"include.{service}"], ["airflow", "secondlook", "secondlook_plugin", "dags"]) == []


@pytest.mark.parametrize(
    ("service", "uses"),
    [
        ("formats", ()),
        ("http_limits", ()),
        ("aws_protocol", ("http_limits",)),
        ("detector", ("formats",)),
        ("local_sagemaker", ("aws_protocol", "http_limits", "formats")),
        ("local_s3", ("aws_protocol", "http_limits")),
        ("review_desk", ("aws_protocol", "http_limits", "formats")),
    ],
)
def test_a_service_imports_no_other_but_those_it_is_built_on(service: str, uses: tuple[str, ...]) -> None:
    allowed = tuple(f"include.{room}" for room in (service, *uses))
    found = arrows([f"include.{service}"], ["include"])
    assert [arrow for arrow in found if not within(arrow.split(" -> ")[1], *allowed)] == []


@pytest.mark.parametrize("floor", range(1, len(DESK_FLOORS)))
def test_the_desk_imports_downwards_only(floor: int) -> None:
    above = [room for rooms in DESK_FLOORS[:floor] for room in rooms]
    assert desk_arrows(DESK_FLOORS[floor], above) == []


def test_only_the_desks_composition_root_imports_its_aws_api() -> None:
    desk = (name.split(".") for name in modules() if within(name, "include.review_desk"))
    rooms = {parts[2] for parts in desk if len(parts) > 2}
    assert desk_arrows(rooms - {"aws_api"}, ["aws_api"]) == [
        "include.review_desk.app -> include.review_desk.aws_api.handlers"
    ]


def test_no_modules_of_the_plugins_import_each_other() -> None:
    assert circles("secondlook", types=False) == []


def test_no_modules_of_include_import_each_other_even_for_types() -> None:
    assert circles("include", types=True) == []
