"""A checkout, a PATH and Pythons made for the test: what the set-up finds on somebody else's machine."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from tests.setup.machine import ROOT, TOOLS, UV_VERSION, Machine, wheel_of_uv
from tests.support.lanes import starts


@pytest.fixture
@starts("server")
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path, tmp_path / "bin", tmp_path / "wheels")
    made.bin.mkdir()
    for tool in TOOLS:
        (made.bin / tool).symlink_to(shutil.which(tool))
    for part in ("include/setup", "include/detector/system_libraries.sh"):
        target = made.project / part
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, target)
    wheel = wheel_of_uv(made.wheels)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = f"uv=={UV_VERSION} \\\n    --hash=sha256:{digest}\n    # via second-look\n"
    (made.project / "requirements.lock").write_text(lock)
    made.environment = {
        "PATH": str(made.bin),
        "HOME": str(tmp_path),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": wheel.parent.as_uri(),
        # No test waits for a host elsewhere.
        "UV_PYTHON_INSTALL_MIRROR": "http://127.0.0.1:9",
        "UV_HTTP_RETRIES": "0",
    }
    return made
