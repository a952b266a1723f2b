"""The file to source: exactly the environment of `make up`'s Airflow, in any shell, for this user alone."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from include.demo.airflow_programs import airflow_environment
from include.demo.deployment import Deployment
from include.demo.shell import source_command, write_shell_file
from include.demo.state import open_state

pytestmark = pytest.mark.usefixtures("programs")

SHELLS = [shell for shell in ("bash", "dash", "zsh", "busybox") if shutil.which(shell)]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_that_sources_it_has_airflows_environment(tmp_path, shell, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "the user's own")
    monkeypatch.setenv("AWS_PROFILE", "work")
    state = open_state(tmp_path / 'it\'s a $HOME "place"')
    url = "postgresql+psycopg://airflow:a'b$c\\d\"e@127.0.0.1:5/airflow"
    state = replace(state, deployment=Deployment({"database": {"sql_alchemy_conn": url}}))
    file = write_shell_file(state)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    command = [shell, *(["sh"] if shell == "busybox" else []), "-c"]
    read = source_command(file).replace("source ", ". ", 1)
    theirs = {"AIRFLOW__CORE__EXECUTOR": "mine", "AWS_PROFILE": "work", "KEPT": "yes"}
    done = subprocess.run(
        [*command, f"{read} && env -0"],
        env={"PATH": "/usr/bin:/bin"} | theirs,
        capture_output=True,
        text=True,
        check=True,
    )
    found = dict(pair.split("=", 1) for pair in done.stdout.split("\0") if pair)
    wanted = airflow_environment(state)
    names = [name for name in wanted if name.startswith(("AIRFLOW", "SECONDLOOK", "AWS_", "PYTHONPATH"))]
    assert len(names) > 20
    assert {name: found.get(name) for name in names} == {name: wanted[name] for name in names}
    assert found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == url
    assert json.loads(found["AIRFLOW_CONN_AWS_DEFAULT"])["password"] == state.secrets.secret_key
    assert "AWS_PROFILE" not in found
    assert found["KEPT"] == "yes"
    assert shutil.which("airflow", path=found["PATH"]) == shutil.which("airflow", path=wanted["PATH"])
    assert found["PATH"].endswith(":/usr/bin:/bin")


def test_writing_it_again_replaces_it(tmp_path):
    state = open_state(tmp_path / "state")
    write_shell_file(state).write_text("old")
    assert "AIRFLOW_HOME" in write_shell_file(state).read_text()


def test_what_to_type_is_short_where_the_user_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert source_command(tmp_path / "build" / "up" / "airflow.env") == "source build/up/airflow.env"
    assert source_command(Path("/else where/airflow.env")) == "source '/else where/airflow.env'"
