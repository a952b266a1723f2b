"""What the project's DAGs have in common: retries, template macros, and where their operators work."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from secondlook.failures.retry_policy import SecondLookRetryPolicy
from secondlook.nights import night_of
from secondlook.settings import LazySettings, choose

# Bucket and connection of every operator.
PLACE: dict[str, Any] = {
    "bucket": "{{ settings.bucket }}",
    "prefix": "{{ settings.prefix }}",
    "aws_conn_id": "{{ settings.aws_conn_id }}",
    "region_name": "{{ settings.region }}",
}

# Airflow binds a task to its pool when the file is parsed, before any setting is read.
# `airflow pools import include/settings/pools.json` creates all three.
SCORING_POOL = "secondlook_scoring"
LAUNCH_POOL = "secondlook_launch"
TRAINING_POOL = "secondlook_training"

TAGS = ["second-look", "object-detection"]


def task_defaults(*, retries: int, **more: Any) -> dict[str, Any]:
    """Return ``default_args`` for a DAG: how often and how patiently its tasks are tried again, and more."""
    return {
        "retries": retries,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=30),
        "retry_policy": SecondLookRetryPolicy(),
        **more,
    }


def macros() -> dict[str, Any]:
    """Return the template macros of a DAG; they read nothing before a task uses them."""
    return {"settings": LazySettings(), "night_of": night_of, "choose": choose}
