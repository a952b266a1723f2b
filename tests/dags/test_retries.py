"""How often Airflow's own task runner tries a task whose failure lasts, and one whose failure may pass."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import Any

import pytest
from botocore.config import Config

from secondlook.failures.retry_policy import SecondLookRetryPolicy
from secondlook.layout import Layout
from tests.dags.test_runs import deployment

__all__ = ["deployment"]
CONNECTION = "AIRFLOW_CONN_AWS_DEFAULT"


def tries(dag: Any) -> tuple[str, int]:
    """Run the DAG with two retries and no delay; return its state and how often its task was tried."""
    for task in dag.tasks:
        task.retries, task.retry_delay = 2, timedelta(0)
    result = dag.test()
    (instance,) = result.get_task_instances()
    return str(result.state), instance.try_number


def test_every_task_of_every_dag_has_the_policy(dags: dict[str, Any]) -> None:
    for dag in dags.values():
        for task in dag.tasks:
            assert isinstance(task.retry_policy, SecondLookRetryPolicy), task.task_id
            # For a worker that was killed, which no policy is asked about.
            assert task.retry_exponential_backoff
            assert task.max_retry_delay == timedelta(minutes=30)


def test_wrong_settings_are_tried_once(
    runnable_dags: dict[str, Any],
    deployment: Layout,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_SECONDLOOK_SETTINGS", '{"bucket": "second-look-nobody-made-it"}')
    assert tries(runnable_dags["cleanup"]) == ("failed", 1)
    (last,) = [line for line in capsys.readouterr().out.splitlines() if "Retry policy decision" in line]
    assert "action=fail" in last
    assert "create it, or correct the setting bucket." in last


def test_a_service_that_is_away_is_tried_as_often_as_the_dag_allows(
    runnable_dags: dict[str, Any], deployment: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secondlook.hooks.clients.CLIENT_CONFIG", Config(retries={"total_max_attempts": 1}))
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        away = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    connection = os.environ[CONNECTION]
    here = connection.split('"s3": {"endpoint_url": "')[1].split('"')[0]
    monkeypatch.setenv(CONNECTION, connection.replace(here, away))
    assert tries(runnable_dags["cleanup"]) == ("failed", 3)
