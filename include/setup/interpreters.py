"""The CPython 3.11 of both environments: one of this machine, or one that uv brings into ``build/python``."""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from include.setup.errors import SetupError
from include.setup.watch import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from include.setup.uv import Uv

FOLDER = "build/python"
_VERSION = "3.11"
# Parts of the standard library that a Python built without some header lacks, and that we need.
_PARTS = "bz2 ctypes hashlib lzma multiprocessing.synchronize pyexpat sqlite3 ssl zlib"
_PROBE = f"""
import importlib, platform, sys
def lacks():
    name, machine = platform.python_implementation(), platform.machine() if sys.maxsize > 2**32 else "32 bits"
    if (name, sys.version_info[:2], machine) != ("CPython", (3, 11), "x86_64"):
        return "is " + name + " " + platform.python_version() + " for " + machine
    for part in "{_PARTS}".split():
        try:
            importlib.import_module(part)
        except ImportError:
            return "has no " + part
    return ""
print(lacks() or platform.python_version())
sys.exit(bool(lacks()))
"""
_PROBE_SECONDS = 30


class Python:
    """A Python of this machine: its path, and its version when it can be used or its fault when not."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.version = ""
        self.fault = ""
        try:
            answer = subprocess.run(
                [path, "-I", "-c", _PROBE],
                capture_output=True,
                text=True,
                timeout=_PROBE_SECONDS,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            self.fault = "does not run"
            return
        said = answer.stdout.strip()
        if answer.returncode == 0:
            self.version = said
        else:
            self.fault = said or "does not run"


def find(uv: Uv, given: Mapping[str, str]) -> Python:
    """Return a usable CPython 3.11: the one that PYTHON names, one of this machine, or a downloaded one.

    Raises
    ------
    SetupError
        There is none, with the sentence that says what to install.
    """
    named = given.get("PYTHON")
    if named:
        return _named(named, given)
    unusable = []
    for path in _of_this_machine(uv, given):
        python = Python(path)
        if python.version:
            return python
        unusable.append(f"{path} {python.fault}")
    return _downloaded(uv, unusable)


def _named(name: str, given: Mapping[str, str]) -> Python:
    path = shutil.which(name, path=given.get("PATH"))
    if path is None:
        raise SetupError(
            f"PYTHON={name} was not found: name an existing CPython {_VERSION}, or leave PYTHON out."
        )
    python = Python(os.path.abspath(path))
    if not python.version:
        raise SetupError(
            f"PYTHON={name} {python.fault}, and both environments need a complete CPython {_VERSION} "
            "for x86-64: "
            "name another, or leave PYTHON out, and one is looked for or downloaded."
        )
    return python


def _of_this_machine(uv: Uv, given: Mapping[str, str]) -> Iterator[str]:
    """Yield candidates once each: what uv sees, what an earlier set-up downloaded, and pyenv's own."""
    seen = set()
    for path in [*_seen_by(uv), *_in_folder(uv), *_of_pyenv(given)]:
        real = os.path.realpath(path)
        if real not in seen:
            seen.add(real)
            yield path


def _seen_by(uv: Uv, *options: str, **settings: str) -> list[str]:
    arguments = ("python", "list", _VERSION, "--only-installed", "--output-format", "json", *options)
    answer = uv.ask(*arguments, **settings)
    if answer.returncode:
        return []
    return [str(found["path"]) for found in json.loads(answer.stdout or "[]") if found.get("path")]


def _in_folder(uv: Uv) -> list[str]:
    return _seen_by(uv, "--managed-python", UV_PYTHON_INSTALL_DIR=os.path.abspath(FOLDER))


def _of_pyenv(given: Mapping[str, str]) -> list[str]:
    root = given.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    return sorted(glob.glob(f"{glob.escape(root)}/versions/{_VERSION}.*/bin/python{_VERSION}"))


def _downloaded(uv: Uv, unusable: list[str]) -> Python:
    print(f"No usable CPython {_VERSION} is on this machine ({'; '.join(unusable) or 'none was found'}).")
    print(f"Downloading one into {FOLDER} (about 30 MB) ...", flush=True)
    arguments = ["python", "install", f"cpython-{_VERSION}", "--install-dir", FOLDER, "--no-bin"]
    done = run([str(uv.program), *arguments], f"Downloading CPython {_VERSION}", uv.settings)
    for path in _in_folder(uv) if done.code == 0 else []:
        python = Python(path)
        if python.version:
            return python
    raise SetupError(
        f"No usable CPython {_VERSION} is on this machine and uv could not download one: install it "
        f"(Debian 12: sudo apt-get install python{_VERSION}; Fedora: sudo dnf install python{_VERSION}), "
        "or name one with make PYTHON=<path>, and run make again."
    )
