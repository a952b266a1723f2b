"""The compose file as Docker Compose reads it."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "include" / "deploy"
COMPOSE = (DEPLOY / "compose.yaml").read_text()
EXAMPLE = (DEPLOY / "env.example").read_text()
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::([-?])([^}]*))?\}")


def variables(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if re.match(r"\w+=", line))


def interpolated(environment: dict[str, str]) -> dict:
    """The file as Compose reads it: YAML first, then variables in every text, then `$$` for `$`."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        given = environment.get(name, "")
        if kind == "?":
            assert given, f"{name}: {rest}"
        return given or (rest if kind == "-" else "")

    def read(node):
        if isinstance(node, dict):
            return {key: read(item) for key, item in node.items()}
        if isinstance(node, list):
            return [read(item) for item in node]
        return VARIABLE.sub(value, node).replace("$$", "$") if isinstance(node, str) else node

    return read(yaml.safe_load(COMPOSE))
