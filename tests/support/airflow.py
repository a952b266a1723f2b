"""What operators use of Airflow while no scheduler runs."""

from __future__ import annotations

import json
import uuid
from typing import Any


class TaskInstance:
    """A task of one run: who it is, and somewhere to push XComs to.

    By default each is of a run of its own.
    """

    dag_id, map_index, try_number = "nightly_detection", -1, 1

    def __init__(self, run_id: str | None = None, task_id: str = "train") -> None:
        self.run_id = run_id or f"manual__{uuid.uuid4().hex[:8]}"
        self.task_id = task_id
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any, **_: Any) -> None:
        """Keep an XCom."""
        self.xcoms[key] = value


class StateStore:
    """What operators use of Airflow's task state: it survives a retry."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        self.values[key] = json.loads(json.dumps(value))
