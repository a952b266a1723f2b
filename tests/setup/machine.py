"""A checkout, a PATH and Pythons made for the test: what the set-up finds on another machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = Path(sys.prefix)
TOOLS = ("bash", "dirname", "env", "id", "sh", "timeout")
UV_VERSION = "9.9.9"


@dataclass
class Machine:
    """A checkout below `folder`, with nothing on the PATH but `bin`."""

    folder: Path
    bin: Path
    wheels: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def project(self) -> Path:
        return self.folder / "a check-out"

    def set_up(self, part: str = "airflow", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the set-up of one environment with this machine's programs alone."""
        return subprocess.run(
            ["bash", "include/setup/start.sh", part],
            cwd=self.project,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )

    def script(self, name: str, text: str) -> Path:
        """Put a shell script onto the PATH."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def python(self, name: str, folder: str, without: tuple[str, ...] = ()) -> Path:
        """Put a Python onto the PATH that lacks some of the standard library."""
        program = lay_python(self.folder / folder, without)
        self.script(name, f'exec "{program}" "$@"')
        return program

    def python_of_environment(self) -> str:
        """Return version and prefix of the Python in the environment that was set up."""
        program = self.project / "build/venv/bin/python"
        show = "import sys; print(sys.version_info[:2], sys.base_prefix)"
        return subprocess.check_output([program, "-I", "-c", show], text=True, env={}).strip()


def lay_python(folder: Path, without: tuple[str, ...] = ()) -> Path:
    """Lay an interpreter with its own prefix: this one's program, and links to its standard library."""
    library = folder / "lib/python3.11"
    (folder / "bin").mkdir(parents=True)
    (library / "site-packages").mkdir(parents=True)
    program = folder / "bin/python3.11"
    shutil.copy2(os.path.realpath(sys._base_executable), program)
    for entry in Path(sysconfig.get_path("stdlib")).iterdir():
        if entry.name not in {*without, "site-packages", "EXTERNALLY-MANAGED"}:
            (library / entry.name).symlink_to(entry)
    return program


def wheel_of_uv(folder: Path) -> Path:
    """Make a wheel whose program is the uv of this environment under another version."""
    name = f"uv-{UV_VERSION}"
    folder.mkdir()
    wheel = folder / f"{name}-py3-none-any.whl"
    real = ENVIRONMENT / "bin/uv"
    says = f'#!/bin/sh\n[ "$1" != --version ] || {{ echo "uv {UV_VERSION}"; exit; }}\nexec "{real}" "$@"\n'
    with zipfile.ZipFile(wheel, "w") as archive:
        program = zipfile.ZipInfo(f"{name}.data/scripts/uv")
        program.external_attr = 0o100755 << 16
        archive.writestr(program, says)
        archive.writestr(
            f"{name}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: uv\nVersion: {UV_VERSION}\n"
        )
        tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{name}.dist-info/WHEEL", tags)
        archive.writestr(f"{name}.dist-info/RECORD", "")
    return wheel


def has_ensurepip() -> bool:
    command = [sys._base_executable, "-I", "-c", "import ensurepip"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


needs_ensurepip = pytest.mark.skipif(
    not has_ensurepip(), reason="this Python has no ensurepip (python3-venv)"
)
