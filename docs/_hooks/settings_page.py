"""The reference of the settings, made from the pydantic models' JSON schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markdown_text import code, sentence, table

if TYPE_CHECKING:
    from pathlib import Path

INTRODUCTION = """\
# Settings

One TOML file holds the facts of a deployment. The environment variable `SECONDLOOK_SETTINGS` names it; the
default is `plugins/secondlook/settings/secondlook.toml`, which shows what most deployments change. The
Airflow Variable `secondlook_settings`, a JSON object of the same shape, overrides single keys. Settings are
read inside tasks, never while a DAG file is parsed, and every mistake is reported in one sentence that
names the key. Hyperparameters are checked by the rules in [Boxes, labels and
hyperparameters](training-input.md#hyperparameters).
"""
_BOUNDS = (
    ("minimum", "at least {}"),
    ("exclusiveMinimum", "more than {}"),
    ("maximum", "at most {}"),
    ("minItems", "at least {} entries"),
    ("maxItems", "at most {} entries"),
    ("maxLength", "at most {} characters"),
)
_NAMES = {"integer": "whole number", "boolean": "true or false", "string": "text", "object": "table"}


def page(_: Path) -> str:
    """Return the page."""
    from secondlook.settings import Settings

    schema = Settings.model_json_schema()
    sections = {name: _target(entry, schema) for name, entry in schema["properties"].items()}
    plain = {name: schema["properties"][name] for name, target in sections.items() if target is None}
    parts = [INTRODUCTION, "## The deployment", _table("", plain, schema.get("required", []))]
    for name, target in sections.items():
        if target is not None:
            parts += [f"## `[{name}]`", sentence(target.get("description", ""))]
            parts.append(_table(f"{name}.", target["properties"], target.get("required", [])))
    return "\n\n".join(parts) + "\n"


def _target(entry: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any] | None:
    references = [entry, *entry.get("allOf", [])]
    names = [item["$ref"].rpartition("/")[2] for item in references if "$ref" in item]
    return schema["$defs"][names[0]] if names else None


def _table(prefix: str, entries: dict[str, Any], required: list[str]) -> str:
    rows = [
        (code(prefix + name), _default(entry, name in required), _kind(entry), sentence(_meaning(entry)))
        for name, entry in entries.items()
    ]
    return table(("key", "default", "value", "meaning"), rows)


def _meaning(entry: dict[str, Any]) -> str:
    return str(entry.get("description") or entry.get("items", {}).get("description", ""))


def _default(entry: dict[str, Any], required: bool) -> str:
    if required:
        return "required"
    default = entry.get("default")
    if default is None:
        return "{}" if _options(entry)[0].get("type") == "object" else "none"
    if isinstance(default, bool):
        return code(str(default).lower())
    return code(default if default != "" else '""')


def _options(entry: dict[str, Any]) -> list[dict[str, Any]]:
    found = [item for item in entry.get("anyOf", [entry]) if item.get("type") != "null"]
    # Money may be a number or its text; the number says it all.
    numbers = [item for item in found if item.get("type") == "number"]
    return numbers or found


def _kind(entry: dict[str, Any]) -> str:
    option = _options(entry)[0]
    if "enum" in option:
        return ", ".join(map(code, option["enum"]))
    kind = str(option.get("type", "any"))
    name = "list of texts" if kind == "array" else _NAMES.get(kind, kind)
    bounds = [text.format(option[key]) for key, text in _BOUNDS if key in option]
    return ", ".join([name, *bounds])
