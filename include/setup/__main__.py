"""``python -m include.setup airflow|detector``: set up one of the two environments."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import time
from pathlib import Path

from include.setup.errors import SetupError
from include.setup.index import options
from include.setup.interpreters import find
from include.setup.uv import Uv, bring
from include.setup.watch import run

AIRFLOW = Path("build/venv")
DETECTOR = Path("build/venv-detector")
OLDEST_GLIBC = (2, 28)


def check_machine() -> None:
    """Refuse a machine for which the packages have no builds.

    Raises
    ------
    SetupError
        It is not Linux on x86-64 with the GNU C library.
    """
    library, version = platform.libc_ver()
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    machine = (
        f"{platform.system()} on {platform.machine()} with {library or 'another C library'} {version}".strip()
    )
    if (platform.system(), platform.machine()) != ("Linux", "x86_64") or numbers < OLDEST_GLIBC:
        raise SetupError(
            f"Second Look runs on Linux x86-64 with glibc 2.28 or newer, and this is {machine}: "
            "MXNet and other packages have no builds for it. Use such a machine, or a Debian 12 container."
        )


def airflow() -> None:
    """Set up Airflow's environment, of Airflow, its providers, the services and the tools of development."""
    uv = bring(os.environ)
    print("Looking for a usable CPython 3.11 ...", flush=True)
    python = find(uv, os.environ)
    print(f"Python {python.version}, {python.path}", flush=True)
    install(
        uv, python.path, AIRFLOW, Path("requirements.lock"), "Airflow's environment", "one to three minutes"
    )


def detector() -> None:
    """Set up MXNet's environment, on the Python of Airflow's."""
    uv = bring(os.environ)
    python = AIRFLOW / "bin" / "python"
    libraries = ["env", f"PYTHON={python}", "bash", "include/detector/system_libraries.sh"]
    if run(libraries, "MXNet's system libraries").code:
        raise SetupError("The system libraries that MXNet needs are missing; the lines above say what to do.")
    locked = Path("include/detector/requirements.txt")
    install(uv, str(python), DETECTOR, locked, "the detector's environment", "up to a minute")


def install(uv: Uv, python: str, folder: Path, lock: Path, what: str, lasts: str) -> None:
    """Make an environment with exactly the packages of a lock file; what is there already is replaced."""
    began = time.monotonic()
    count = len(re.findall(r"^[a-z0-9][^\n]*==", lock.read_text(encoding="utf-8"), re.MULTILINE))
    print(f"Setting up {what} in {folder}: {count} packages to download, install and compile.", flush=True)
    print(f"That takes {lasts} with a fast line, the compiling about half of it.", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    name = what[0].upper() + what[1:]
    uv.run(name, "venv", "--quiet", "--no-project", "--python", python, str(folder))
    locked = ["--compile-bytecode", "--require-hashes", "--requirements", str(lock), *options(os.environ)]
    uv.run(name, "pip", "install", "--python", str(folder / "bin" / "python"), *locked)
    uv.run(name, "pip", "check", "--quiet", "--python", str(folder / "bin" / "python"))
    print(f"{name} is ready after {time.monotonic() - began:.0f} s.", flush=True)


def main(arguments: list[str]) -> int:
    """Run the part that the arguments name, and return the exit code."""
    parts = {"airflow": airflow, "detector": detector}
    try:
        check_machine()
        parts[arguments[0]]()
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted: run make again to go on.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
