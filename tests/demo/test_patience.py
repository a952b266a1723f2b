"""What a busy machine needs of Airflow: limits that its load does not reach."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from include.demo.airflow_programs import airflow_environment
from include.demo.state import open_state

# What a task's process goes by in `airflow.sdk.api.client`, and how long a writer waits for SQLite.
ASK = """
import json
from airflow import settings
from airflow.sdk.api import client
settings.engine or settings.configure_orm()
wait = settings.engine.raw_connection().execute("PRAGMA busy_timeout").fetchone()[0] / 1000
print(json.dumps([client.API_TIMEOUT, client.API_RETRIES, client.API_RETRY_WAIT_MAX, wait]))
"""


@pytest.mark.usefixtures("programs")
def test_a_tasks_process_waits_for_a_busy_api_server_and_a_busy_database(tmp_path):
    state = open_state(tmp_path / "a folder's name")
    command, environment = [sys.executable, "-c", ASK], airflow_environment(state)
    asked = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    timeout, attempts, longest_wait, database = json.loads(asked.stdout.splitlines()[-1])
    assert timeout >= 60
    # Waits are drawn between 1 s and a limit that doubles: half of it on average.
    assert sum(min(2**attempt, longest_wait) / 2 for attempt in range(int(attempts) - 1)) > 45
    assert database >= 60
