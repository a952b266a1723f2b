"""The lock files are what both environments and the image are built from: they must agree and be hashed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ["requirements.lock", "requirements.txt", "include/detector/requirements.txt"]


def pins(name: str) -> dict[str, str]:
    """Return the pinned version of every package in one lock file."""
    return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[a-z0-9,_-]+\])?==(\S+)", (ROOT / name).read_text(), re.M))


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_a_hash_and_no_registry_is_named(name: str) -> None:
    text = (ROOT / name).read_text()
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.M)[1:]
    assert blocks
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert "://" not in text
    assert "--index-url" not in text


def test_the_exported_requirements_are_the_locked_ones() -> None:
    locked, exported = pins("requirements.lock"), pins("requirements.txt")
    assert exported
    assert {name: version for name, version in exported.items() if locked.get(name) != version} == {}


def test_the_lock_covers_every_declared_requirement() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = [line for group in groups for line in group]
    names = {re.match(r"[A-Za-z0-9._-]+", line).group().lower() for line in declared}
    assert names <= pins("requirements.lock").keys()


def test_airflow_never_sees_mxnet() -> None:
    assert "mxnet" not in pins("requirements.txt")
    assert pins("include/detector/requirements.txt")["numpy"] == "1.23.5"
