"""Which database `make up` runs on, and what it says when that is not PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from include.demo import postgres
from include.demo.machine import is_free
from include.demo.postgres import PostgresUnusableError, open_postgres
from include.demo.processes import Supervisor
from include.demo.progress import Progress
from include.demo.state import PORTS, open_state
from include.demo.up import _with_database


@pytest.fixture
def said(tmp_path):
    """A supervisor and what is said while it chooses a database for the folder `state`."""
    stream = (tmp_path / "said").open("w+")

    def choose(state):
        with Supervisor(state.logs) as supervisor:
            chosen = _with_database(state, supervisor, Progress(0, stream))
        stream.seek(0)
        return chosen.deployment.airflow_options, stream.read()

    return choose


def test_without_postgresql_one_sentence_says_what_will_not_work(tmp_path, said, monkeypatch):
    monkeypatch.setattr(postgres, "installed", dict)
    options, sentence = said(open_state(tmp_path / "state"))
    assert options == {}
    assert "Airflow runs on SQLite: creating a backfill fails there" in sentence
    assert "PostgreSQL is not installed (Debian: apt-get install postgresql)." in sentence


def test_one_that_is_too_old_is_named(tmp_path, said, monkeypatch):
    monkeypatch.setattr(postgres, "installed", lambda: {12: Path("/usr/lib/postgresql/12/bin")})
    assert "PostgreSQL 12 is too old for Airflow" in said(open_state(tmp_path / "state"))[1]


def test_a_folder_that_was_begun_on_sqlite_stays_on_it(tmp_path, said):
    state = open_state(tmp_path / "state")
    (state.folder / "airflow").mkdir()
    (state.folder / "airflow" / "airflow.db").write_bytes(b"runs")
    options, sentence = said(state)
    assert options == {}
    assert f"{state.folder} was begun on it and stays on it, so that nothing is lost" in sentence
    assert (state.folder / "airflow" / "airflow.db").read_bytes() == b"runs"


def test_data_of_a_version_that_is_gone_are_left_alone(tmp_path, monkeypatch):
    state = open_state(tmp_path / "state")
    (state.folder / "postgres").mkdir()
    (state.folder / "postgres" / "PG_VERSION").write_text("14\n")
    monkeypatch.setattr(postgres, "installed", lambda: {17: Path("/usr/lib/postgresql/17/bin")})
    with pytest.raises(PostgresUnusableError, match=r"begun on PostgreSQL 14.*apt-get install postgresql-14"):
        open_postgres(state)


@pytest.mark.usefixtures("programs")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as somebody else")
def test_a_folder_that_its_user_may_not_enter_is_named(tmp_path, said, monkeypatch):
    monkeypatch.setattr(postgres, "installed", lambda: {15: Path("/usr/lib/postgresql/15/bin")})
    state = open_state(tmp_path / "state")
    tmp_path.chmod(0o700)
    assert f"may not enter {state.folder}" in said(state)[1]


@pytest.mark.usefixtures("programs")
def test_a_server_that_was_killed_makes_way_for_the_next(tmp_path):
    """Its file may name a process id that another program has by now, or itself may still run."""
    data = tmp_path / "postgres"
    data.mkdir()
    file = data / "postmaster.pid"
    file.write_text(f"{os.getpid()}\n{data}\n")
    postgres._end_earlier(data)
    assert not file.exists()

    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], cwd=data)
    file.write_text(f"{left.pid}\n{data}\n")
    try:
        postgres._end_earlier(data)
    finally:
        left.wait(20)
    assert not file.exists()


def test_an_older_folder_gets_the_secrets_that_came_later(tmp_path):
    state = open_state(tmp_path / "state")
    file = state.folder / "secrets.json"
    old = json.loads(file.read_text())
    del old["database_password"], old["ports"]["postgres"]
    old["forgotten"] = "an option that is gone"
    file.write_text(json.dumps(old))
    again = open_state(tmp_path / "state")
    assert set(again.secrets.ports) == set(PORTS)
    assert is_free(again.secrets.ports["postgres"])
    kept = replace(
        again.secrets,
        database_password=state.secrets.database_password,
        ports=again.secrets.ports | {"postgres": state.secrets.ports["postgres"]},
    )
    assert kept == state.secrets
