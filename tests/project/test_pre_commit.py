"""pre-commit and ``make check`` run the same commands, so that neither passes what the other refuses."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / ".pre-commit-config.yaml"


def hooks() -> list[dict]:
    return [hook for repo in yaml.safe_load(CONFIG.read_text())["repos"] for hook in repo["hooks"]]


def commands_of_make_check() -> list[str]:
    """Return the recipe of ``check`` with make's variables filled in."""
    text = (ROOT / "Makefile").read_text()
    variables = dict(re.findall(r"^([A-Z_]+) := (.+)$", text, re.M))
    recipe = re.search(r"^check:[^\n]*\n((?:\t[^\n]*\n)+)", text, re.M).group(1)
    lines = [line.strip() for line in recipe.splitlines() if not line.strip().startswith("@#")]
    for _ in variables:
        lines = [re.sub(r"\$\((\w+)\)", lambda match: variables[match[1]], line) for line in lines]
    return lines


def test_the_hooks_are_the_commands_of_make_check() -> None:
    assert sorted(hook["entry"] for hook in hooks()) == sorted(commands_of_make_check())


def test_nothing_comes_from_another_repository() -> None:
    repositories = [repo["repo"] for repo in yaml.safe_load(CONFIG.read_text())["repos"]]
    assert set(repositories) == {"local"}
    assert {hook["language"] for hook in hooks()} == {"system"}


@pytest.mark.usefixtures("programs")
def test_pre_commit_accepts_the_configuration() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-config", str(CONFIG)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
