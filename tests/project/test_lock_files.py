"""The lock files are what both environments and the image are built from: they must agree and be hashed."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from .test_arrows import TREES, Module, modules, within

ROOT = Path(__file__).resolve().parents[2]
DESK = "include/review_desk/requirements.txt"
LOCKS = ["requirements.lock", "requirements.txt", DESK, "include/detector/requirements.txt"]


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


@pytest.mark.parametrize("name", ["requirements.txt", DESK])
def test_the_exported_requirements_are_the_locked_ones(name: str) -> None:
    locked, exported = pins("requirements.lock"), pins(name)
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


def test_the_desks_own_image_has_what_it_imports_and_nothing_of_airflow() -> None:
    named = {
        re.match(r"[a-z0-9-]+", line)[0]
        for line in (ROOT / DESK).with_suffix(".in").read_text().splitlines()
        if not line.startswith("#")
    }
    distributions = metadata.packages_distributions()
    imported = {
        distributions[target.split(".")[0]][0].lower().replace("_", "-")
        for module in reached("include.review_desk")
        for target in module.running
        if target.split(".")[0] in distributions and not within(target, *TREES)
    }
    # Named by URLs and options of others: the driver of PostgreSQL, uvicorn's loop and parser.
    assert imported | {"psycopg", "uvloop", "httptools"} == named
    assert len(pins(DESK)) < 60
    assert not [name for name in pins(DESK) if "airflow" in name or name in ("mxnet", "sagemaker")]


def reached(start: str) -> list[Module]:
    """The modules below ``start`` and all of this project that they import, one from another."""
    known = modules()
    wanted = [name for name in known if within(name, start)]
    found: dict[str, Module] = {}
    while wanted:
        name = wanted.pop()
        if name in known and name not in found:
            found[name] = known[name]
            wanted.extend(known[name].running)
    return list(found.values())
