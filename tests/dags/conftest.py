"""Airflow with a database of its own, set up before it is first imported."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.lanes import starts
from tests.support.servers import Server, free_port

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = "dags-folder"


@pytest.fixture(scope="session")
@starts("airflow")
def airflow_database() -> None:
    """Airflow's tables."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(scope="session")
@starts("airflow")
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


@pytest.fixture(scope="session")
def airflow_api_server(airflow_database: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Airflow's own API server over the tests' database; yields its connection as a JSON object."""
    folder, port, password = tmp_path_factory.mktemp("airflow-api"), free_port(), "the admin's long password"
    (folder / "passwords.json").write_text(json.dumps({"admin": password}))
    options = {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / "passwords.json"),
        "AIRFLOW__API_AUTH__JWT_SECRET": "a secret of the tests that is long enough",
    }
    command = [str(Path(sys.executable).parent / "airflow"), "api-server", "--host", "127.0.0.1"]
    server = Server(
        [*command, "--port", str(port), "--workers", "1"],
        f"http://127.0.0.1:{port}",
        folder / "server.log",
        options,
    )
    server.wait_ready("/api/v2/version")
    yield json.dumps({"conn_type": "http", "host": server.url, "login": "admin", "password": password})
    server.stop()


@pytest.fixture
def airflow_api(airflow_api_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a connection to Airflow's own API."""
    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", airflow_api_server)
    return "airflow_api"


@pytest.fixture
@starts("airflow")
def airflow_programs() -> None:
    """What a test requests that starts programs of Airflow itself."""
