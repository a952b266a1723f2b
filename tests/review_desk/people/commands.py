"""The desk's commands, run within this process, and what they leave in the database."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

from include.review_desk.__main__ import main
from tests.support.desk import unique
from tests.support.servers import ROOT, free_port

if TYPE_CHECKING:
    from tests.support.desk import Site


# A key without limits.
ANYTHING = ("--operations", "admin", "--any-team", "--any-bucket")


@dataclass(frozen=True)
class Result:
    returncode: int
    stdout: str
    stderr: str


def run(*arguments: str, stdin: str = "", **environment: str) -> Result:
    """One command of the desk; ``serve`` is not for here, it stays.

    Within this process: what a command does lies in the database, and starting Python takes a second.
    """
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch("sys.stdin", io.StringIO(stdin)),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = main(arguments)
    return Result(code, out.getvalue(), err.getvalue())


def refused_start(*options: str) -> Result:
    """``serve`` with options that it cannot start with, in a process of its own."""
    process = subprocess.run(
        [
            sys.executable,
            "-m",
            "include.review_desk",
            "serve",
            "--port",
            str(free_port()),
            "--any-bucket",
            *options,
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Result(process.returncode, process.stdout, process.stderr)


def invite(site: Site, *options: str, team: str | None = None) -> str:
    """The path of a link that the command prints."""
    result = run(
        *("invite", "--database", str(site.database_url), "--team", team or unique("team")),
        *("--public-url", site.url, *options),
    )
    assert result.returncode == 0, result.stderr
    link = result.stdout.strip()
    assert link.startswith(f"{site.url}/join/")
    return link.removeprefix(site.url)


def row(site: Site, query: Any) -> Any:
    with site.database.read() as connection:
        return connection.execute(query).one_or_none()
