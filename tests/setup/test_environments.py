"""Set-up on machines of other people: which Python it takes, how it comes by uv, and what it says."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.setup.machine import ENVIRONMENT, ROOT, UV_VERSION, Machine, lay_python, needs_ensurepip

NO_UV = ("ensurepip",)


def test_without_any_python_one_sentence_says_what_to_install(machine: Machine) -> None:
    machine.script("python3", "exit 127")
    done = machine.set_up()
    assert done.returncode == 1
    assert done.stdout.count("\n") == 1
    assert "No Python from 3.9 on was found on the PATH: install python3" in done.stdout


@needs_ensurepip
def test_a_broken_shim_is_passed_over_and_habits_of_the_user_do_no_harm(machine: Machine) -> None:
    machine.script("python3", "echo 'pyenv: python3: command not found' >&2; exit 127")
    machine.python("python3.11", "usr")
    elsewhere = machine.folder / "elsewhere"
    done = machine.set_up(
        PIP_USER="1",
        PIP_TARGET=str(elsewhere),
        PIP_REQUIRE_VIRTUALENV="1",
        PYTHONHOME="/nowhere",
        VIRTUAL_ENV=str(elsewhere),
        CONDA_PREFIX=str(elsewhere),
    )
    assert done.returncode == 0, done.stdout
    assert f"Fetching uv {UV_VERSION}" in done.stdout
    assert "Setting up Airflow's environment in build/venv: 1 packages to download" in done.stdout
    assert machine.python_of_environment() == f"(3, 11) {machine.folder}/usr"
    assert (machine.project / "build/venv/bin/uv").exists()
    assert not elsewhere.exists()


def test_a_uv_of_another_content_than_the_locks_is_refused(machine: Machine) -> None:
    lock = machine.project / "requirements.lock"
    lock.write_text(re.sub("sha256:[0-9a-f]+", "sha256:" + "0" * 64, lock.read_text()))
    machine.python("python3", "usr", NO_UV)
    uv_on_the_path(machine)
    done = machine.set_up()
    assert done.returncode == 1
    assert "uv could not be fetched: " in done.stdout.splitlines()[-1]
    assert not (machine.project / "build/uv/bin/uv").exists()


def test_without_venv_pip_is_taken_though_the_distribution_manages_its_own_environment(
    machine: Machine,
) -> None:
    pip = next((ENVIRONMENT.resolve().parent / "uv/lib").glob("python3*/site-packages/pip"), None)
    if pip is None:
        pytest.skip("the set-up of this checkout did not need pip")
    machine.python("python3", "usr", NO_UV)
    library = machine.folder / "usr/lib/python3.11"
    # Debian's own interpreter, if the tests run on it, looks into the latter.
    for place in ("python3.11/site-packages", "python3/dist-packages"):
        packages = library.parent / place
        packages.mkdir(parents=True, exist_ok=True)
        (packages / "pip").symlink_to(pip)
    (library / "EXTERNALLY-MANAGED").write_text("[externally-managed]\nError=Use apt\n")
    done = machine.set_up()
    assert done.returncode == 0, done.stdout
    assert machine.python_of_environment() == f"(3, 11) {machine.folder}/usr"


def test_a_machine_with_uv_of_another_version_needs_neither_venv_nor_pip(machine: Machine) -> None:
    machine.python("python3", "usr", NO_UV)
    uv_on_the_path(machine)
    done = machine.set_up()
    assert done.returncode == 0, done.stdout
    assert machine.python_of_environment() == f"(3, 11) {machine.folder}/usr"


def uv_on_the_path(machine: Machine) -> None:
    machine.script("uv", f'exec "{ENVIRONMENT}/bin/uv" "$@" --no-index --find-links "{machine.wheels}"')


def test_without_venv_pip_and_uv_one_sentence_says_what_to_install(machine: Machine) -> None:
    machine.python("python3", "usr", NO_UV)
    done = machine.set_up()
    assert done.returncode == 1
    assert (
        "Install one of them (Debian and Ubuntu: sudo apt-get install python3-venv)"
        in done.stdout.splitlines()[-1]
    )
    assert "Traceback" not in done.stdout


def with_uv(machine: Machine) -> None:
    """Let uv be there from an earlier set-up: the test is about what comes after."""
    program = machine.project / "build/uv/bin/uv"
    program.parent.mkdir(parents=True)
    says = f'[ "$1" != --version ] || {{ echo "uv {UV_VERSION}"; exit; }}'
    program.write_text(f'#!/bin/sh\n{says}\nexec "{ENVIRONMENT}/bin/uv" "$@"\n')
    program.chmod(0o755)


def test_a_python_without_a_part_that_we_need_is_not_taken(machine: Machine) -> None:
    with_uv(machine)
    machine.python("python3", "usr", ("sqlite3",))
    done = machine.set_up()
    assert done.returncode == 1
    assert "/bin/python3 has no sqlite3)." in done.stdout
    sentence = done.stdout.splitlines()[-1]
    assert sentence.startswith(
        "No usable CPython 3.11 is on this machine and uv could not download one: install it"
    )
    assert "make PYTHON=<path>" in sentence


@pytest.mark.parametrize(
    "place", ["a check-out/build/python/cpython-{}-linux-x86_64-gnu", ".pyenv/versions/{}"]
)
def test_what_an_earlier_set_up_downloaded_or_pyenv_has_is_found_without_the_path(
    machine: Machine, place: str
) -> None:
    with_uv(machine)
    machine.python("python3", "usr", ("sqlite3",))
    machine.script("python3.11", "echo 'pyenv: python3.11: command not found' >&2; exit 127")
    laid = machine.folder / place.format(".".join(map(str, sys.version_info[:3])))
    lay_python(laid)
    done = machine.set_up()
    assert done.returncode == 0, done.stdout
    assert machine.python_of_environment() == f"(3, 11) {laid}"


def test_without_a_usable_python_one_is_downloaded_into_build(machine: Machine) -> None:
    with_uv(machine)
    machine.python("python3", "usr", ("sqlite3",))
    archive = machine.folder / "python.tar.gz"
    packed_python(machine.folder / "packed", archive)
    listed = machine.folder / "downloads.json"
    listed.write_text(json.dumps({"cpython-3.11.99-linux-x86_64-gnu": download_of(archive)}))
    done = machine.set_up(UV_PYTHON_DOWNLOADS_JSON_URL=str(listed), UV_PYTHON_INSTALL_MIRROR="")
    assert done.returncode == 0, done.stdout
    assert "Downloading one into build/python" in done.stdout
    assert machine.python_of_environment().startswith(f"(3, 11) {machine.project}/build/python/cpython-3.11")
    assert not (machine.folder / ".local").exists()


def packed_python(folder: Path, archive: Path) -> None:
    """Pack an interpreter as the download of one: below `python/`, with its standard library."""
    lay_python(folder)
    with tarfile.open(archive, "w:gz", compresslevel=1, dereference=True) as packed:
        packed.add(folder, "python", filter=_needed)


def _needed(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    big = (
        "/test",
        "/idlelib",
        "/lib2to3",
        "/tkinter",
        "/__pycache__",
        "/config-3.11",
        "/dist-packages",
        "/ensurepip",
    )
    return None if any(part in member.name for part in big) else member


def download_of(archive: Path) -> dict[str, object]:
    return {
        "name": "cpython",
        "arch": {"family": "x86_64", "variant": None},
        "os": "linux",
        "libc": "gnu",
        "major": 3,
        "minor": 11,
        "patch": 99,
        "prerelease": "",
        "url": archive.as_uri(),
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "variant": None,
        "build": None,
    }


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("/no/python3.11", "PYTHON=/no/python3.11 was not found"),
        ("broken", "PYTHON=broken does not run, and both environments need a complete CPython 3.11"),
        ("incomplete", "PYTHON=incomplete has no sqlite3, and both environments need"),
    ],
)
def test_a_python_that_the_user_names_is_taken_or_refused(
    machine: Machine, named: str, sentence: str
) -> None:
    with_uv(machine)
    machine.python("python3", "usr")
    machine.python("incomplete", "opt", ("sqlite3",))
    machine.script("broken", "exit 127")
    done = machine.set_up(PYTHON=named)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith(sentence)


def test_the_python_that_the_user_names_is_preferred(machine: Machine) -> None:
    with_uv(machine)
    machine.python("python3", "usr")
    mine = machine.python("mine", "opt")
    done = machine.set_up(PYTHON=str(mine))
    assert done.returncode == 0, done.stdout
    assert machine.python_of_environment() == f"(3, 11) {machine.folder}/opt"


def test_without_the_package_index_one_sentence_says_so(machine: Machine) -> None:
    with_uv(machine)
    machine.python("python3", "usr")
    done = machine.set_up(PIP_NO_INDEX="", UV_OFFLINE="1")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith(
        "Airflow's environment failed: the package index cannot be reached or lacks a package"
    )


@pytest.mark.parametrize(
    ("kernel", "machine_name", "library"),
    [("Darwin", "arm64", ("", "")), ("Linux", "x86_64", ("", "")), ("Linux", "x86_64", ("glibc", "2.17"))],
)
def test_a_machine_without_builds_is_refused(
    monkeypatch: pytest.MonkeyPatch, kernel: str, machine_name: str, library: tuple[str, str]
) -> None:
    from include.setup import __main__ as program
    from include.setup.errors import SetupError

    monkeypatch.setattr("platform.system", lambda: kernel)
    monkeypatch.setattr("platform.machine", lambda: machine_name)
    monkeypatch.setattr("platform.libc_ver", lambda: library)
    with pytest.raises(SetupError, match=r"runs on Linux x86-64 with glibc 2\.28 or newer, and this is"):
        program.check_machine()


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("change", ["moved", "without its Python", None])
def test_make_sets_up_again_what_was_moved_or_lost_its_python(tmp_path: Path, change: str | None) -> None:
    for name in ("Makefile", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    for venv in ("venv", "venv-detector"):
        (tmp_path / "build" / venv / "bin").mkdir(parents=True)
        (tmp_path / "build" / venv / "bin/python").symlink_to(
            "/no" if change == "without its Python" else sys.executable
        )
        (tmp_path / "build" / venv / ".ready").write_text("/old\n" if change == "moved" else f"{tmp_path}\n")
    target = "build/venv/.ready"
    question = subprocess.run(["make", "--question", target], cwd=tmp_path, check=False, capture_output=True)
    assert question.returncode == (1 if change else 0), question.stderr


@pytest.mark.usefixtures("programs")
def test_a_checkout_in_a_folder_that_python_cannot_name_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "a:b"
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    done = subprocess.run(["make", "help"], cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "has a colon in it, which PYTHONPATH cannot have: move it to another folder." in done.stderr


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("target", ["demo", "up"])
@pytest.mark.parametrize("from_environment", [False, True])
def test_make_hands_over_what_the_user_gave_as_typed(
    tmp_path: Path, target: str, from_environment: bool
) -> None:
    for name in ("Makefile", "requirements.lock", "include/detector/requirements.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "include/detector/system_libraries.sh").touch()
    for venv in ("venv", "venv-detector"):
        python = tmp_path / "build" / venv / "bin/python"
        python.parent.mkdir(parents=True)
        python.write_text('#!/bin/sh\nprintf "%s\\0" "$@" > arguments\n')
        python.chmod(0o755)
        (tmp_path / "build" / venv / ".ready").write_text(f"{tmp_path}\n")
    given = {
        "DATA": "a$b $$ $(c ${d} `touch ran` $(shell touch ran) \"e\" 'f' g\\h #i, j*",
        "SEED": "1;touch ran",
        "REVIEWERS": "'me' $HOME",
    }
    done = subprocess.run(
        ["make", target, *([] if from_environment else [f"{name}={text}" for name, text in given.items()])],
        cwd=tmp_path,
        env={**os.environ, **(given if from_environment else {})},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    arguments = (tmp_path / "arguments").read_text().split("\0")
    assert arguments[:3] == ["-m", "include.demo", target]
    for name, text in given.items():
        assert arguments[arguments.index(f"--{name.lower()}") + 1] == text
    assert not (tmp_path / "ran").exists()


def test_the_lock_names_the_uv_that_the_set_up_fetches() -> None:
    from include.setup.uv import requirement

    block = requirement((ROOT / "requirements.lock").read_text())
    assert block.startswith("uv==")
    assert block.count("--hash=sha256:") > 1
    assert "# via" not in block


def test_the_set_up_itself_is_valid_for_the_oldest_python() -> None:
    for path in sorted((ROOT / "include/setup").glob("*.py")):
        ast.parse(path.read_text(), str(path), feature_version=(3, 9))
