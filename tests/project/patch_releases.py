"""What the standard library got in patch releases of Python 3.11, and where code uses it without a fallback.

3.11 takes security fixes only, and some came with new parameters and names: code that uses them runs on the
newest 3.11 and ends on Debian 12's 3.11.2. Source: the "Changed in version" notes and changelogs of
CPython 3.11.1 to 3.11.14.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

# Keyword of a call, by the last name of what is called.
KEYWORDS = {
    ("extract", "filter"): "3.11.4",
    ("extractall", "filter"): "3.11.4",
    ("unpack_archive", "filter"): "3.11.4",
    ("getaddresses", "strict"): "3.11.10",
    ("parseaddr", "strict"): "3.11.10",
}
NAMES = {
    "AbsoluteLinkError": "3.11.4",
    "AbsolutePathError": "3.11.4",
    "FilterError": "3.11.4",
    "LinkOutsideDestinationError": "3.11.4",
    "OutsideDestinationError": "3.11.4",
    "SpecialFileError": "3.11.4",
    "data_filter": "3.11.4",
    "extraction_filter": "3.11.4",
    "fully_trusted_filter": "3.11.4",
    "tar_filter": "3.11.4",
    "ENOTCAPABLE": "3.11.1",
    "GetReparseDeferralEnabled": "3.11.9",
    "SetReparseDeferralEnabled": "3.11.9",
    "verify_generated_headers": "3.11.10",
    "ALLOW_MISSING": "3.11.13",
    "LinkFallbackError": "3.11.13",
    "SetBillionLaughsAttackProtectionActivationThreshold": "3.11.15",
    "SetBillionLaughsAttackProtectionMaximumAmplification": "3.11.15",
}
_FALLBACK = {"AttributeError", "TypeError", "ImportError"}


def uses(source: str, name: str = "<source>") -> Iterator[str]:
    """Yield a line for each use of what 3.11.0 lacks, outside a ``try`` that expects its absence."""
    tree = ast.parse(source, name)
    expected = {node for attempt in ast.walk(tree) if _expects(attempt) for node in _tried(attempt)}
    for node in ast.walk(tree):
        if node in expected:
            continue
        for what, since in _found(node):
            yield f"{name}:{node.lineno}: {what} came with Python {since}"


def _expects(node: ast.AST) -> bool:
    if not isinstance(node, ast.Try):
        return False
    caught = {
        leaf.id for handler in node.handlers for leaf in ast.walk(handler) if isinstance(leaf, ast.Name)
    }
    return bool(caught & _FALLBACK)


def _tried(attempt: ast.AST) -> Iterator[ast.AST]:
    assert isinstance(attempt, ast.Try)
    for statement in attempt.body:
        yield from ast.walk(statement)


def _found(node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for keyword in node.keywords:
            if since := KEYWORDS.get((called, keyword.arg or "")):
                yield f"{called}({keyword.arg}=)", since
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield node.attr, NAMES[node.attr]
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            if alias.name in NAMES:
                yield alias.name, NAMES[alias.name]


def standard_names(paths: list[Path], modules: frozenset[str]) -> dict[str, list[str]]:
    """Return for each module of the standard library the names that the files take from it."""
    found: dict[str, set[str]] = {}
    for path in paths:
        _names_of(ast.parse(path.read_text(), str(path)), modules, found)
    return {module: sorted(names) for module, names in sorted(found.items())}


def _names_of(tree: ast.AST, modules: frozenset[str], found: dict[str, set[str]]) -> None:
    imported: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] in modules:
                    found.setdefault(alias.name, set())
                    imported[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            module = str(node.module)
            if module.partition(".")[0] in modules - {"__future__"}:
                found.setdefault(module, set()).update(alias.name for alias in node.names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (module := imported.get(ast.unparse(node.value))):
            found[module].add(node.attr)
