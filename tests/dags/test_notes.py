"""A task's note through Airflow's own API server, and what is said when that refuses."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from secondlook.runtime.notes import NoteError, write_note

NOBODYS = SimpleNamespace(
    dag_id="nightly_detection", run_id="manual__never+1", task_id="launch", map_index=-1
)


def test_a_task_that_airflow_does_not_know_is_named(airflow_api: str) -> None:
    path = r"/dagRuns/manual__never%2B1/taskInstances/launch returned HTTP status 404"
    with pytest.raises(NoteError, match=path):
        write_note(airflow_api, NOBODYS, "a note")


@pytest.mark.parametrize("login", ["admin", None], ids=["wrong password", "wrong token"])
def test_who_is_not_let_in_is_told(
    airflow_api_server: str, monkeypatch: pytest.MonkeyPatch, login: str | None
) -> None:
    connection = json.loads(airflow_api_server) | {"login": login, "password": "guessed"}
    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", json.dumps(connection))
    with pytest.raises(NoteError, match=r"returned HTTP status 40[13]") as refused:
        write_note("airflow_api", NOBODYS, "a note")
    assert "guessed" not in str(refused.value)


def test_another_server_than_airflows_is_told(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {"conn_type": "http", "host": s3_server, "login": "admin", "password": "guessed"}
    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", json.dumps(connection))
    with pytest.raises(NoteError, match="/auth/token"):
        write_note("airflow_api", NOBODYS, "a note")
