"""What commands say when the machine fails them: one sentence, never a traceback."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys

import pytest
from sqlalchemy.exc import OperationalError

from tests.support.desk import unique
from tests.support.reviewer import PASSWORD
from tests.support.servers import ROOT

from .people.commands import Result, run

# A person's symbol, which ASCII does not have.
EMOJI = "Ada \N{PARTY POPPER}"


def add(url: str, name: str = "ada") -> tuple[str, ...]:
    return ("add-worker", "--database", url, "--team", "team", "--name", name)


@pytest.fixture
def url(tmp_path) -> str:
    """A database with one person."""
    url = f"sqlite:///{tmp_path}/desk.db"
    assert run(*add(url), "--password-stdin", stdin=PASSWORD).returncode == 0
    return url


def apart(*arguments: str, stdout=subprocess.PIPE, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, without a terminal and without input."""
    return subprocess.run(
        [sys.executable, "-m", "include.review_desk", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
        start_new_session=True,
    )


def sentence(result: Result | subprocess.CompletedProcess[str], code: int = 2) -> str:
    """The one that the command said, after its own name."""
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("review_desk: ")
    return line


def failing(error: BaseException):
    def fail(*_given, **_named):
        raise error

    return fail


@pytest.mark.parametrize(
    ("number", "advice"),
    [(errno.ENOSPC, "make room on that disk"), (errno.EROFS, "choose a place that can be written")],
)
def test_a_disk_that_takes_nothing_is_one_sentence(url, monkeypatch, number, advice):
    error = OSError(number, os.strerror(number), "/data/desk.db.lock")
    monkeypatch.setattr("include.review_desk.commands.people.add_worker", failing(error))
    said = sentence(run(*add(url), "--password-stdin", stdin=PASSWORD))
    assert f"/data/desk.db.lock: {os.strerror(number)}: {advice}" in said


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("disk I/O error", "check its disk"),
        ("attempt to write a readonly database", "let this user write"),
        ("database or disk is full", "make room on its disk"),
    ],
)
def test_a_database_that_breaks_is_one_sentence(url, monkeypatch, words, advice):
    error = OperationalError("INSERT", None, sqlite3.OperationalError(words))
    monkeypatch.setattr("include.review_desk.commands.people.add_worker", failing(error))
    said = sentence(run(*add(url), "--password-stdin", stdin=PASSWORD))
    assert f"desk.db failed: {words} ({advice}" in said


@pytest.mark.usefixtures("programs")
def test_a_full_disk_for_the_output_is_one_sentence(url):
    with open("/dev/full", "w") as full:
        said = sentence(apart("list-workers", "--database", url, stdout=full, PYTHONUNBUFFERED=""))
    assert "Standard output: No space left on device" in said


@pytest.mark.usefixtures("programs")
def test_a_lock_that_cannot_be_made_is_one_sentence(tmp_path):
    lock = tmp_path / "desk.db.lock"
    lock.mkdir()
    said = sentence(
        apart("serve", "--any-bucket", "--port", "1", "--database", f"sqlite:///{tmp_path}/desk.db")
    )
    assert f"{lock}: Is a directory" in said


@pytest.mark.usefixtures("programs")
def test_a_password_prompt_without_a_terminal_names_the_option(tmp_path):
    assert "--password-stdin" in sentence(apart(*add(f"sqlite:///{tmp_path}/desk.db")))


def test_ctrl_c_at_the_password_prompt_stops_quietly(tmp_path, monkeypatch):
    monkeypatch.setattr("getpass.getpass", failing(KeyboardInterrupt()))
    assert sentence(run(*add(f"sqlite:///{tmp_path}/desk.db")), 130) == "review_desk: Stopped."
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("programs")
def test_a_name_that_the_terminal_cannot_show_is_escaped(url):
    assert run(*add(url, EMOJI), "--password-stdin", stdin=PASSWORD).returncode == 0
    shown = apart("list-workers", "--database", url, PYTHONIOENCODING="ascii")
    assert shown.returncode == 0, shown.stderr
    assert r"Ada \U0001f389" in shown.stdout


@pytest.mark.parametrize(
    "command",
    [
        ("list-workers",),
        ("list-keys",),
        ("revoke-key", "AKIA"),
        ("remove-worker", "--name", "ada"),
        ("remove-from-team", "--team", "team", "--name", "ada"),
        ("demote-lead", "--team", "team", "--name", "ada"),
        ("erase-worker", "--name", "ada", "--yes"),
        ("list-invitations",),
        ("withdraw-invitation", "0123"),
        ("reset-second-factor", "--name", "ada"),
        ("audit-trail",),
    ],
)
def test_a_command_about_what_is_there_makes_no_database(tmp_path, command):
    file = tmp_path / f"{unique('mistyped')}.db"
    said = sentence(run(*command, "--database", f"sqlite:///{file}"))
    assert f"There is no database {file}" in said
    assert not list(tmp_path.iterdir())


def test_a_command_without_a_database_names_option_and_environment():
    said = sentence(run("list-workers", DESK_DATABASE=""))
    assert "--database URL" in said
    assert "DESK_DATABASE" in said
