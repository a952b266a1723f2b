"""The project's DAGs, loaded once for all tasks of a process."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import Any

from tests.faults.warm import shared_loader

DAGS = Path(__file__).resolve().parents[2] / "dags"


@cache
def load_dag(dag_id: str) -> Any:
    """The DAG of a file in ``dags/``; a task's process inherits it, and changes its own copy only."""
    spec = importlib.util.spec_from_file_location(f"faults_{dag_id}", DAGS / f"{dag_id}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    shared_loader()
    return module.dag
