"""What commands say when the machine fails them: one sentence, never a traceback."""

from __future__ import annotations

import errno
import os
import socket
import sqlite3
import subprocess
import sys

import pytest
from sqlalchemy.exc import OperationalError

from include.review_desk.__main__ import main
from tests.support.desk import unique
from tests.support.reviewer import PASSWORD
from tests.support.servers import ROOT, free_port

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
        apart(
            "serve", "--any-bucket", "--port", str(free_port()), "--database", f"sqlite:///{tmp_path}/desk.db"
        )
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


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--since", "2026-12-02", "--until", "2026-12-01"), "nothing lies between them"),
        (("--since", "2026-12-01", "--until", "2026-12-01"), "nothing lies between them"),
        (("--actor", "nobody-here"), "knows no actor 'nobody-here'"),
    ],
)
def test_a_look_into_the_trail_that_cannot_find_anything_says_so(url, options, part):
    assert part in sentence(run("audit-trail", "--database", url, *options))


def test_the_trail_is_looked_up_by_whoever_acted(url):
    account = run("audit-trail", "--database", url).stdout.splitlines()[0].split("\t")[1]
    kind, name = account.split(" ", 1)
    for actor in (kind, name, "ada"):
        shown = run("audit-trail", "--database", url, "--actor", actor)
        assert (shown.returncode, shown.stderr) == (0, "")


@pytest.mark.usefixtures("programs", "network")
def test_a_taken_port_is_one_sentence_before_anything_begins(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = apart(
            *("serve", "--any-bucket", "--port", str(port), "--database", f"sqlite:///{tmp_path}/desk.db")
        )
    assert f"The port {port} of 127.0.0.1 is taken by another program" in sentence(refused)
    assert "--port" in sentence(refused)
    assert not list(tmp_path.iterdir()), "the database was opened"


@pytest.mark.parametrize("port", ["0", "65536", "99999", "-1", "http"])
def test_a_port_that_is_none_is_refused(port, capsys):
    with pytest.raises(SystemExit):
        main(["serve", "--database", "sqlite:////tmp/desk.db", f"--port={port}"])
    assert "must be a number from 1 to 65535" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--behind-proxy", "nonsense"), "--behind-proxy 'nonsense' must be the proxy's address"),
        (("--behind-proxy", "127.0.0.1,10.0.0.1/8"), "'10.0.0.1/8'"),
        (("--allowed-host", "http://x/"), "--allowed-host 'http://x/' must be a host name alone"),
        (("--allowed-host", "desk.lan:5800"), "without http://, port or path"),
        (("--monitoring-token-file", "/dev/null"), "is for --private-pages"),
        (("--max-connections", "10", "--max-connections-per-address", "100"), "100 is more than"),
        (("--bucket", "Bad_Bucket"), "--bucket 'Bad_Bucket' must be the name of a bucket alone"),
        (("--s3-endpoint", "127.0.0.1:13225"), "--s3-endpoint '127.0.0.1:13225' must be like http://host"),
        (("--s3-endpoint", "localhost", "--image-origin", "https://a.example"), "--s3-endpoint 'localhost'"),
    ],
)
def test_an_option_of_serve_that_makes_no_sense_is_refused(tmp_path, monkeypatch, options, part):
    monkeypatch.setattr("include.review_desk.commands.serve.configure_logging", lambda _level: None)
    buckets = () if "--bucket" in options else ("--any-bucket",)
    said = sentence(run("serve", "--database", f"sqlite:///{tmp_path}/desk.db", *buckets, *options))
    assert part in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bucket", ["b", "s3://b/", "s3://my-bucket"])
def test_a_bucket_of_create_key_is_a_name(tmp_path, bucket):
    given = ("--client", "c", "--operations", "admin", "--any-team", "--bucket", bucket)
    said = sentence(run("create-key", "--database", f"sqlite:///{tmp_path}/desk.db", *given))
    assert f"--bucket {bucket!r} must be the name of a bucket alone" in said
    assert "prefix" not in said


def test_a_wrong_prefix_names_its_option(tmp_path):
    given = ("--client", "c", "--operations", "admin", "--any-team", "--any-bucket", "--read-prefix", "b/x")
    assert "--read-prefix: The prefix 'b/x' must be like s3://" in sentence(
        run("create-key", "--database", f"sqlite:///{tmp_path}/desk.db", *given)
    )
