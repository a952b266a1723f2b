"""Browsers, commands and people for the tests about who may come in."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.review_desk.conftest import PASSWORD, ROOT, unique

from .browser import Browser

if TYPE_CHECKING:
    from tests.review_desk.conftest import Site


def run(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """One command of the desk, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "include.review_desk", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def browser(site: Site):
    with Browser(site.url) as browser:
        yield browser


@pytest.fixture
def person(site: Site) -> str:
    """The name of somebody with an account."""
    name = unique("person")
    site.add_worker(unique("team"), name)
    return name


@pytest.fixture
def signed_in(browser: Browser, person: str) -> Browser:
    assert browser.sign_in(person, PASSWORD).status_code == 303
    return browser


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
