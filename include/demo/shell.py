"""A file to source, with which a shell's `airflow` commands reach the Airflow that `make up` runs."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from include.demo.airflow_programs import airflow_command, airflow_environment
from include.demo.machine import is_foreign

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.demo.state import State

NAME = "airflow.env"


def write_shell_file(state: State) -> Path:
    """Write the file, readable by this user alone: it holds keys and passwords."""
    path = state.folder / NAME
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write("".join(f"{line}\n" for line in _lines(state)))
    part.replace(path)
    return path


def _lines(state: State) -> Iterable[str]:
    """Shell lines for bash, zsh and dash alike: what must not be there, then what must."""
    environment = airflow_environment(state)
    yield "# Written by make up at each start; `source` it. What it names is there as long as make up runs."
    # Of the shell's own settings those that are in the way. Others may have been set since.
    foreign = sorted(
        {"AWS_PROFILE", "AWS_DEFAULT_PROFILE", *filter(is_foreign, os.environ)} - set(environment)
    )
    yield f"unset {' '.join(foreign)}"
    for name, value in sorted(environment.items()):
        if name == "PATH":
            yield f'export PATH={shlex.quote(str(Path(airflow_command()).parent))}:"$PATH"'
        elif name == "PYTHONPATH" or is_foreign(name):
            yield f"export {name}={shlex.quote(value)}"
    # The API server is on this machine, whatever proxy the shell sets again.
    yield "export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1"


def source_command(path: Path) -> str:
    """What to type, relative to where the user is if the file lies below."""
    with suppress(ValueError):
        path = path.relative_to(Path.cwd())
    return f"source {shlex.quote(str(path))}"
