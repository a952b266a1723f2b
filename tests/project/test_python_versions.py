"""The code runs on every 3.11, from 3.11.0 on, and is valid for 3.12 and 3.13 as well."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from .patch_releases import standard_names, uses

ROOT = Path(__file__).parents[2]
FOLDERS = ("dags", "plugins", "include", "tests")
FILES = tuple(sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")))
# Compiles every file with warnings as errors, then asks for every name of the standard library that we use.
PROGRAM = """
import importlib, json, sys, warnings
files, names = json.load(sys.stdin)
warnings.simplefilter("error")
faults = []
for path in files:
    with open(path, "rb") as file:
        try:
            compile(file.read(), path, "exec")
        except Exception as error:
            faults.append(f"{path}: {error}")
warnings.simplefilter("ignore")
for module, wanted in names.items():
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        faults.append(str(error))
        continue
    for name in wanted:
        if not hasattr(found, name):
            try:
                importlib.import_module(f"{module}.{name}")
            except ImportError:
                faults.append(f"{module}.{name} is missing")
print(json.dumps(faults))
"""


def interpreters() -> dict[str, str]:
    """Return a Python of each version from 3.11 on that this machine has, by version."""
    show = "import platform, sys; print(platform.python_version() if sys.version_info >= (3, 11) else '')"
    places = [*os.environ["PATH"].split(os.pathsep), "/usr/bin", "/usr/local/bin"]
    names = [f"python3.{minor}" for minor in range(11, 16)]
    found = {}
    for program in [sys.executable, *(f"{place}/{name}" for place in places for name in names)]:
        if shutil.which(program):
            done = subprocess.run([program, "-I", "-c", show], capture_output=True, text=True, check=False)
            if done.returncode == 0 and done.stdout.strip():
                found.setdefault(done.stdout.strip(), program)
    return found


@cache
def question(files: tuple[Path, ...]) -> str:
    names = standard_names(list(files), sys.stdlib_module_names)
    return json.dumps([[str(path) for path in files], names])


def faults_with(program: str, files: tuple[Path, ...] = FILES) -> list[str]:
    command = [program, "-I", "-c", PROGRAM]
    done = subprocess.run(
        command, input=question(files), capture_output=True, text=True, check=True, timeout=120
    )
    return json.loads(done.stdout)


def test_nothing_is_used_that_only_a_patch_release_of_3_11_brought() -> None:
    assert [line for path in FILES for line in uses(path.read_text(), str(path.relative_to(ROOT)))] == []


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ('tar.extractall(folder, filter="data")', "extractall(filter=) came with Python 3.11.4"),
        ('shutil.unpack_archive(a, b, filter="data")', "unpack_archive(filter=) came with Python 3.11.4"),
        ("tar.extraction_filter = None", "extraction_filter came with Python 3.11.4"),
        ("from tarfile import data_filter", "data_filter came with Python 3.11.4"),
        ("os.path.realpath(p, strict=os.path.ALLOW_MISSING)", "ALLOW_MISSING came with Python 3.11.13"),
        ("try:\n    tarfile.data_filter\nexcept OSError:\n    pass", "data_filter came with Python 3.11.4"),
    ],
)
def test_such_a_use_is_found(source: str, what: str) -> None:
    assert [line.partition(": ")[2] for line in uses(source)] == [what]


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    tarfile.data_filter\nexcept AttributeError:\n    pass",
        "try:\n    tar.extractall(filter='data')\nexcept (OSError, TypeError):\n    tar.extractall()",
        "tar.add(path, filter=anonymous)",
        "parser.parse_args(strict=True)",
    ],
)
def test_a_use_with_a_fallback_and_another_one_of_that_name_are_none(source: str) -> None:
    assert list(uses(source)) == []


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize(
    ("version", "program"), interpreters().items(), ids=lambda value: value.replace("/", "_")
)
def test_every_file_compiles_without_a_warning_and_finds_its_names(version: str, program: str) -> None:
    assert faults_with(program) == [], f"on Python {version}"


@pytest.mark.usefixtures("programs")
def test_a_missing_name_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import os.path\nfrom shutil import no_such\nimport ssl as s\ns.nothing\nx = 1 is 1\n")
    first, *rest = faults_with(sys.executable, (wrong,))
    assert first.startswith(f'{wrong}: "is" with ')
    assert rest == ["shutil.no_such is missing", "ssl.nothing is missing"]
