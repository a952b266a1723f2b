"""uv, of the version and with the hashes of the lock file, by whichever way this machine offers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from include.setup.errors import SetupError
from include.setup.index import environment, pip_settings
from include.setup.watch import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LOCK = Path("requirements.lock")
FOLDER = Path("build/uv")
_NETWORK = re.compile(
    r"error sending request|dns error|Connection refused|timed out|NewConnectionError"
    r"|No matching distribution|Name or service not known|Temporary failure in name"
    r"|Network connectivity is disabled|unreachable|ProxyError|SSLError"
    r"|certificate|No route to host|was not found in the",
    re.IGNORECASE,
)


class Uv:
    """The uv program, with the environment to run it in."""

    def __init__(self, program: Path, settings: Mapping[str, str]) -> None:
        self.program = program
        self.settings = dict(settings)

    def run(self, what: str, *arguments: str) -> None:
        """Run uv and pass on what it prints.

        Raises
        ------
        SetupError
            It fails.
        """
        done = run([str(self.program), *arguments], what, self.settings)
        if done.code:
            raise SetupError(f"{what} failed: {reason(done.lines)}")

    def ask(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run uv for its answer."""
        return subprocess.run(
            [str(self.program), *arguments],
            env=self.settings | settings,
            capture_output=True,
            text=True,
            check=False,
        )


def reason(lines: list[str]) -> str:
    """Say in one sentence why packages could not be had, from the last lines of pip or uv."""
    text = "\n".join(lines)
    if "No space left" in text or "os error 28" in text:
        return "the disk is full (README.md says how much is needed); make room and run make again."
    if _NETWORK.search(text):
        return (
            "the package index cannot be reached or lacks a package, as the lines above say. The set-up "
            "needs it once: check the network and HTTPS_PROXY, or name a mirror in PIP_INDEX_URL, and run "
            "make again."
        )
    return "the lines above say why; run make again when that is fixed."


def bring(given: Mapping[str, str]) -> Uv:
    """Return uv in the lock's version, fetched into ``build/uv`` unless it is there already.

    Raises
    ------
    SetupError
        No way leads to it.
    """
    pinned = requirement(LOCK.read_text(encoding="utf-8"))
    version = pinned.split()[0].partition("==")[2]
    program = FOLDER / "bin" / "uv"
    if not _is(program, version):
        print(f"Fetching uv {version}, which installs everything else ...", flush=True)
        FOLDER.parent.mkdir(exist_ok=True)
        wanted = FOLDER.with_name("uv-requirements.txt")
        wanted.write_text(pinned, encoding="utf-8")
        _fetch(wanted, given)
        if not _is(program, version):
            raise SetupError(f"uv {version} was installed in {FOLDER} but does not run on this machine.")
    return Uv(program.absolute(), environment(given, pip_settings(_any_pip())))


def requirement(lock: str) -> str:
    """Return the block of uv in a lock file: name, version and hashes."""
    found = re.search(r"^uv==.*(?:\n .*)*", lock, re.MULTILINE)
    if found is None:
        raise SetupError(f"{LOCK} does not name uv: restore the file (git checkout {LOCK}).")
    return "\n".join(line for line in found.group().splitlines() if not line.lstrip().startswith("#")) + "\n"


def _is(program: Path, version: str) -> bool:
    try:
        answer = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return answer.stdout.split()[1:2] == [version]


def _any_pip() -> list[str]:
    own = FOLDER / "bin" / "python"
    return [str(own) if own.exists() else sys.executable, "-m", "pip"]


def _fetch(wanted: Path, given: Mapping[str, str]) -> None:
    failed: list[str] = []
    for command in _ways(wanted, given):
        done = run(command, "Fetching uv", environment(given))
        if done.code == 0:
            return
        failed += done.lines
    if failed:
        raise SetupError(f"uv could not be fetched: {reason(failed)}")
    raise SetupError(
        f"uv cannot be fetched: {sys.executable} has neither venv nor pip, and no uv is on the PATH. Install "
        "one of them (Debian and Ubuntu: sudo apt-get install python3-venv) and run make again."
    )


def _ways(wanted: Path, given: Mapping[str, str]) -> Iterator[list[str]]:
    """Yield the commands that may bring uv into the folder, the most usual first.

    A way that this machine does not have is left out; one that has been yielded and fails has a message.
    """
    options = ["--quiet", "--no-deps", "--require-hashes", "--requirement", str(wanted)]
    target = ["--target", str(FOLDER)]
    in_environment = [str(FOLDER / "bin" / "python"), "-m", "pip", "install", *options]
    if _makes_environment(given):
        yield in_environment
    elif _has_pip(given):
        # Into a folder: the distribution's own environment is not touched, so it has nothing against it.
        yield [sys.executable, "-m", "pip", "install", *options, *target]
    elif _installs_venv() and _makes_environment(given):
        yield in_environment
    own = shutil.which("uv", path=given.get("PATH"))
    if own:
        yield [own, "pip", "install", *options, *target, "--python", sys.executable]


def _makes_environment(given: Mapping[str, str]) -> bool:
    """Make a virtual environment with pip in the folder; Debian's Python without python3-venv cannot."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    command = [sys.executable, "-m", "venv", str(FOLDER)]
    made = subprocess.run(command, env=environment(given), capture_output=True, check=False)
    if made.returncode:
        shutil.rmtree(FOLDER, ignore_errors=True)
    return made.returncode == 0


def _has_pip(given: Mapping[str, str]) -> bool:
    command = [sys.executable, "-m", "pip", "--version"]
    return subprocess.run(command, env=environment(given), capture_output=True, check=False).returncode == 0


def _installs_venv() -> bool:
    """Install Debian's package where that is allowed; it belongs to the distribution's Python only."""
    is_debians = os.path.realpath(sys.executable).startswith("/usr/bin/")
    if not (is_debians and os.geteuid() == 0 and shutil.which("apt-get")):
        return False
    run(["apt-get", "update", "-qq"], "Reading the lists of the distribution")
    install = "apt-get install -y -qq --no-install-recommends python3-venv"
    return (
        run(["env", "DEBIAN_FRONTEND=noninteractive", *install.split()], "Installing python3-venv").code == 0
    )
