"""Airflow's four processes on loopback: api-server, scheduler, dag-processor and triggerer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from include.demo import node
from include.demo.machine import LOOPBACK, clean_environment
from include.demo.processes import Program
from include.demo.services import desk_access
from include.demo.state import REGION, ROOT

if TYPE_CHECKING:
    from include.demo.state import State

ADMIN = "admin"
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
READY_SECONDS = 600.0
# Their own log servers would listen on every interface; on one machine the api-server reads the files itself.
WITHOUT_LOG_SERVER = ("scheduler", "triggerer")
# Airflow's own limits suit servers with cores to spare. On a busy laptop an answer of its API takes longer
# than 5 s. After five attempts (35 s in all, or 10 s while the API server starts again) the task's process is
# killed before it has begun, and that costs the task one of its tries.
PATIENCE = {
    "core": {"dagbag_import_timeout": "120"},
    "dag_processor": {"dag_file_processor_timeout": "180", "stale_dag_threshold": "180"},
    # A scheduler that could not write its heartbeat for this long takes itself for dead, and its tasks too.
    # The second is how soon the tasks of one that is dead start over.
    "scheduler": {"scheduler_health_check_threshold": "60", "orphaned_tasks_check_interval": "60"},
    "workers": {
        "execution_api_timeout": "60",
        "execution_api_retries": "12",
        "execution_api_retry_wait_max": "15",
    },
}
# How long a writer waits for the one that SQLite is serving (5 s by default).
SQLITE_SECONDS = 60


def migrate_program(state: State) -> Program:
    """Create or upgrade Airflow's database, or what the deployment does instead; ends by itself."""
    command = state.deployment.initialise
    return Program("airflow-migrate", command, airflow_environment(state), ROOT, task=True)


def airflow_programs(state: State) -> list[Program]:
    """The four processes, to start once the database is there."""
    return [component_program(state, component) for component in COMPONENTS]


def component_program(state: State, component: str) -> Program:
    """One of `COMPONENTS`."""
    options = ["--skip-serve-logs"] if component in WITHOUT_LOG_SERVER else []
    command = [airflow_command(), component, *options]
    return Program(
        f"airflow-{component}",
        command,
        airflow_environment(state),
        ROOT,
        may_start=state.deployment.database_answers,
    )


def celery_worker_program(state: State, name: str, slots: int) -> Program:
    """A Celery worker with a host name of its own, as on a machine of its own; for `CeleryExecutor`."""
    command = [airflow_command(), "celery", "worker", "--celery-hostname", name, "--concurrency", str(slots)]
    # One worker more or less is nothing the others have to know, and their gossip costs time at each start.
    command += ["--skip-serve-logs", "--without-gossip", "--without-mingle"]
    environment = airflow_environment(state) | {
        node.VARIABLE: name,
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": f"{node.__name__}.{node.host_name.__name__}",
    }
    return Program(name, command, environment, ROOT)


def airflow_environment(state: State) -> dict[str, str]:
    """Configuration and connections as environment variables: no file outside the state folder is written."""
    home = state.folder / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    passwords = state.write_private("airflow-passwords.json", {ADMIN: state.secrets.admin_password})
    url = state.url("airflow")
    options = {
        "core": {
            "load_examples": "False",
            "executor": "include.demo.executor.PreloadingLocalExecutor",
            "parallelism": "4",
            "dags_folder": str(ROOT / "dags"),
            "plugins_folder": str(ROOT / "plugins"),
            "execution_api_server_url": f"{url}/execution/",
            "simple_auth_manager_users": f"{ADMIN}:admin",
            "simple_auth_manager_passwords_file": str(passwords),
            "fernet_key": state.secrets.fernet_key,
        },
        "database": {"sql_alchemy_conn": f"sqlite:///{home / 'airflow.db'}?timeout={SQLITE_SECONDS}"},
        "logging": {"base_log_folder": str(state.logs / "tasks"), "colored_console_log": "False"},
        # The nights of the archive are played by hand; a schedule would also start one for last night,
        # without images.
        # And every running night is looked at in every round, however many wait for people.
        "scheduler": {"use_job_schedule": "False", "max_dagruns_per_loop_to_schedule": "200"},
        "dag_processor": {
            "refresh_interval": "30",
            "min_file_process_interval": "120",
            "parsing_processes": "1",
        },
        "api": {
            "host": LOOPBACK,
            "port": str(state.secrets.ports["airflow"]),
            "base_url": url,
            "workers": "1",
            "secret_key": state.secrets.api_secret,
        },
        "api_auth": {"jwt_secret": state.secrets.jwt_secret},
        "usage_data_collection": {"enabled": "False"},
    }
    environment = clean_environment(ROOT) | {
        "AIRFLOW_HOME": str(home),
        "SECONDLOOK_SETTINGS": str(state.settings_file),
        "AIRFLOW_CONN_AWS_DEFAULT": _connection(
            state,
            (state.secrets.access_key, state.secrets.secret_key),
            {"s3": "s3"} | dict.fromkeys(("sagemaker", "sagemaker-runtime", "logs"), "sagemaker"),
        ),
        "AIRFLOW_CONN_A2I_DEFAULT": _connection(
            state,
            desk_access(state),
            dict.fromkeys(("sagemaker", "sagemaker-a2i-runtime"), "desk"),
        ),
        "AIRFLOW_CONN_AIRFLOW_API": json.dumps(
            {"conn_type": "http", "host": url, "login": ADMIN, "password": state.secrets.admin_password}
        ),
    }
    for chosen in (PATIENCE, options, state.deployment.airflow_options):
        environment |= {
            f"AIRFLOW__{section.upper()}__{name.upper()}": value
            for section, values in chosen.items()
            for name, value in values.items()
        }
    return environment | dict(state.deployment.airflow_environment)


def _connection(state: State, key: tuple[str, str], answered_by: dict[str, str]) -> str:
    """An AWS connection that differs from one to AWS in nothing but endpoints and its access key.

    ``answered_by`` names for each AWS service the one of ours that answers.
    """
    endpoints = {service: state.url(ours) for service, ours in answered_by.items()}
    return json.dumps(
        {
            "conn_type": "aws",
            "login": key[0],
            "password": key[1],
            "extra": {
                "region_name": REGION,
                "service_config": {name: {"endpoint_url": endpoint} for name, endpoint in endpoints.items()},
            },
        }
    )


def airflow_command() -> str:
    """The `airflow` program of this environment."""
    return str(Path(sys.executable).parent / "airflow")
