"""Airflow with a database of its own, set up before it is first imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = "dags-folder"


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Airflow's tables."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(scope="session")
def dags() -> dict[str, Any]:
    """All DAGs of the project by id, parsed once."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(ROOT / "dags"))
    assert bag.import_errors == {}
    return dict(bag.dags)


@pytest.fixture
def runnable_dags(airflow_database: None) -> dict[str, Any]:
    """All DAGs, parsed afresh and known to the database, so that ``dag.test()`` can run them at once."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.serialization.serialized_objects import LazyDeserializedDAG
    from airflow.utils.session import create_session

    dags = DagBag(str(ROOT / "dags")).dags
    with create_session() as session:
        if session.get(DagBundleModel, BUNDLE) is None:
            session.add(DagBundleModel(name=BUNDLE))
            session.flush()
        for dag in dags.values():
            # A test does not wait a minute before it tries again.
            for task in dag.tasks:
                task.retries = 0
            serialized = LazyDeserializedDAG.from_dag(dag)
            SerializedDAG.bulk_write_to_db(BUNDLE, None, [serialized], session=session)
            SerializedDagModel.write_dag(serialized, bundle_name=BUNDLE, session=session)
    return dict(dags)
