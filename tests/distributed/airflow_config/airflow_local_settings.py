"""Airflow's cluster policy for the distributed test: short delays, and a training wait that holds its worker.

The DAG files stay as they are; a policy is Airflow's own way to change tasks for one installation.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

__all__ = ["task_policy"]

# While this file exists, `train` waits in its worker instead of the triggerer.
HOLD_WORKER = "SECONDLOOK_TEST_HOLD_WORKER"
RETRY_DELAY = timedelta(seconds=3)


def task_policy(task):
    """Let retries start at once: the delay is not what is tested."""
    task.retry_delay = RETRY_DELAY
    if task.task_id == "train" and Path(os.environ[HOLD_WORKER]).exists():
        task.deferrable = False
