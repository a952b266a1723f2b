"""What a start of `make up` does about the first model and the review workflow, look by look."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from include.demo import up
from include.demo.airflow_api import AirflowRefused
from include.demo.progress import Progress
from include.demo.state import open_state
from include.demo.up import UNANSWERED_LOOKS, FirstRuns


class Airflow:
    """The runs by DAG; `away` while it is being started again."""

    def __init__(self, **latest: tuple[str, str]) -> None:
        self.latest = latest
        self.triggered: list[str] = []
        self.away = False

    def latest_run(self, dag_id: str) -> tuple[str, str] | None:
        if self.away:
            raise AirflowRefused("Airflow refused GET: 500 the database is away")
        return self.latest.get(dag_id)

    def trigger(self, dag_id: str, _date: str | None, _conf: dict) -> str:
        self.triggered.append(dag_id)
        self.latest[dag_id] = (f"new-{dag_id}", "running")
        return f"new-{dag_id}"

    def task_states(self, dag_id: str, run_id: str) -> dict:
        assert self.latest_run(dag_id)[0] == run_id
        return {}

    def run_state(self, dag_id: str, _run_id: str) -> str:
        return self.latest_run(dag_id)[1]


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """Everything as after a start with `airflow`, with or without a first model."""

    def start(airflow, champion=False):
        monkeypatch.setattr(up, "_has_champion", lambda _state: champion)
        stream = io.StringIO()
        stack = SimpleNamespace(
            airflow=airflow, progress=Progress(0, stream), state=open_state(tmp_path / "state")
        )
        return FirstRuns(stack, ("2026-03-02",)), stream

    return start


def test_what_is_missing_is_started_once(begin):
    airflow = Airflow()
    first, stream = begin(airflow)
    for _ in range(3):
        first.look()
    assert airflow.triggered == ["bootstrap_detector", "review_workflow"]
    assert "Trigger nightly_detection" not in stream.getvalue()
    airflow.latest = {dag_id: (run_id, "success") for dag_id, (run_id, _) in airflow.latest.items()}
    for _ in range(3):
        first.look()
    assert stream.getvalue().count("Trigger nightly_detection in Airflow with night = 2026-03-02.") == 1


def test_a_run_that_an_earlier_start_left_is_followed_and_not_made_twice(begin):
    airflow = Airflow(bootstrap_detector=("old", "running"), review_workflow=("older", "success"))
    first, stream = begin(airflow)
    first.look()
    assert airflow.triggered == []
    airflow.latest["bootstrap_detector"] = ("old", "success")
    first.look()
    assert "Trigger nightly_detection" in stream.getvalue()


def test_with_a_model_but_without_its_flow_only_the_flow_is_made(begin):
    airflow = Airflow(review_workflow=("older", "failed"))
    begin(airflow, champion=True)[0].look()
    assert airflow.triggered == ["review_workflow"]


def test_a_failure_is_told_once_and_again_only_after_a_clear(begin):
    airflow = Airflow(review_workflow=("r", "success"))
    first, stream = begin(airflow)
    first.look()
    run_id = airflow.latest["bootstrap_detector"][0]
    for state in ("failed", "failed", "running", "failed", "failed"):
        airflow.latest["bootstrap_detector"] = (run_id, state)
        first.look()
    assert stream.getvalue().count("then clear the failed task there") == 2


def test_an_airflow_that_stays_away_is_told_once(begin):
    airflow = Airflow()
    first, stream = begin(airflow)
    airflow.away = True
    for _ in range(UNANSWERED_LOOKS):
        first.look()
    assert stream.getvalue().count("the database is away") == 1
    airflow.away = False
    first.look()
    assert airflow.triggered == ["bootstrap_detector", "review_workflow"]
