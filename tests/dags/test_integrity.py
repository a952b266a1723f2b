"""The DAG files: they parse anywhere, touch nothing while they do, and say what they are."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import TriggerRule

ROOT = Path(__file__).resolve().parents[2]
DAG_IDS = {"nightly_detection", "bootstrap_detector", "review_workflow", "cleanup"}
NIGHT = [
    "plan",
    "deploy",
    "score",
    "scored",
    "launch",
    "await_reviews",
    "manifest",
    "train",
    "evaluate",
    "decide",
]

# Parses every DAG file with the network cut, the settings file unreadable and Variables out of reach. Large
# libraries are for tasks: Airflow parses each file twice a minute, in a fresh process.
PARSE = """
import builtins, socket, sys, warnings
from airflow.sdk import Variable
from airflow.dag_processing.dagbag import DagBag
from airflow.utils.deprecation_tools import DeprecatedImportWarning

def refuse(*arguments, **more):
    raise AssertionError(f"parsing reached out: {arguments!r}")

real_open = builtins.open
def watched_open(file, *arguments, **more):
    if "secondlook.toml" in str(file):
        refuse(file)
    return real_open(file, *arguments, **more)

socket.socket.connect = refuse
socket.getaddrinfo = refuse
Variable.get = refuse
builtins.open = watched_open
warnings.filterwarnings("error", category=DeprecatedImportWarning)
before = set(sys.modules)
bag = DagBag(sys.argv[1])
assert bag.import_errors == {}, bag.import_errors
large = {"boto3", "botocore", "aiobotocore", "numpy", "sagemaker"} & (set(sys.modules) - before)
assert not large, f"parsing imported {large}"
print(sorted(bag.dags))
"""


@pytest.mark.usefixtures("airflow_programs")
def test_parsing_touches_no_network_no_variable_no_settings_and_no_large_library(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}",
        "AIRFLOW_HOME": str(tmp_path),
        "SECONDLOOK_SETTINGS": str(tmp_path / "there-is-no-such-file.toml"),
    }
    parsed = subprocess.run(
        [sys.executable, "-c", PARSE, str(ROOT / "dags")],
        env=environment,
        cwd=tmp_path,
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert parsed.returncode == 0, parsed.stderr[-3000:]
    assert parsed.stdout.strip().splitlines()[-1] == str(sorted(DAG_IDS))


def test_every_dag_explains_itself_and_survives_a_bad_day(dags: dict[str, Any]) -> None:
    assert set(dags) == DAG_IDS
    for dag in dags.values():
        assert dag.doc_md
        assert "second-look" in dag.tags
        assert dag.catchup is False
        for task in dag.tasks:
            if task.task_id not in {"choose", "decide", "approve"}:
                assert task.retries >= (1 if task.pool == "secondlook_training" else 2), task.task_id
        for name in dag.params:
            param = dag.params.get_param(name)
            assert param.schema.get("title"), (dag.dag_id, name)
            assert param.description, (dag.dag_id, name)


def test_the_night_is_wired_as_documented(dags: dict[str, Any]) -> None:
    dag = dags["nightly_detection"]
    for task_id, following in itertools.pairwise(NIGHT):
        assert following in dag.get_task(task_id).downstream_task_ids
    assert dag.get_task("decide").downstream_task_ids == {"approve", "promote"}
    assert dag.get_task("plan").downstream_task_ids == {"deploy", "score", "score_archive"}
    assert dag.get_task("score_archive").downstream_task_ids == {"scored"}
    assert dag.get_task("scored").trigger_rule == TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    assert dag.get_task("score_archive").pool == "secondlook_scoring"
    assert dag.get_task("score").pool == "secondlook_scoring"
    assert dag.get_task("launch").pool == "secondlook_launch"
    assert dag.get_task("train").pool == "secondlook_training"
    assert dags["bootstrap_detector"].get_task("train").pool == "secondlook_training"
    assert dag.get_task("promote").trigger_rule == TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    assert dag.get_task("deploy_champion").upstream_task_ids == {"promote"}
    # A run that is scored by batch transform deploys nothing, before or after the promotion.
    assert dag.get_task("deploy_champion").skip == dag.get_task("deploy").skip
    assert "plan" in dag.get_task("deploy").skip


@pytest.mark.parametrize(("days", "night"), [(0, "2026-11-20"), (1, "2026-11-21")])
def test_a_scheduled_run_is_about_the_night_its_interval_begins(
    dags: dict[str, Any], days: int, night: str
) -> None:
    from datetime import UTC, datetime, timedelta

    from airflow.timetables.base import DataInterval

    from secondlook.nights import resolve_night

    # The timetable's interval ends at 02:00 of the next day.
    start = datetime(2026, 11, 20, 2, tzinfo=UTC) + timedelta(days=days)
    interval = DataInterval(start, start + timedelta(days=1))
    assert resolve_night({"params": {}, "data_interval_start": interval.start}) == night
    assert dags["nightly_detection"].timetable.expression == "0 2 * * *"


def test_a_backfill_has_one_run_for_each_night_of_its_dates(dags: dict[str, Any]) -> None:
    from datetime import UTC, datetime

    from airflow.serialization.serialized_objects import DagSerialization

    from secondlook.nights import resolve_night

    # What the scheduler keeps of the DAG is what a backfill asks for its intervals.
    dag = DagSerialization.from_dict(DagSerialization.to_dict(dags["nightly_detection"]))
    runs = dag.iter_dagrun_infos_between(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 4, tzinfo=UTC))
    nights = [resolve_night({"params": {}, "data_interval_start": run.data_interval.start}) for run in runs]
    assert nights == ["2026-10-01", "2026-10-02", "2026-10-03"]


@pytest.mark.parametrize(
    ("promote", "require_approval", "following"),
    [(True, False, "promote"), (True, True, "approve"), (False, True, None), (False, False, None)],
)
def test_only_a_winner_is_promoted_and_a_person_is_asked_if_that_is_wanted(
    dags: dict[str, Any], promote: bool, require_approval: bool, following: str | None
) -> None:
    decide = dags["nightly_detection"].get_task("decide").python_callable
    assert decide({"promote": promote}, require_approval) == following


def test_one_file_creates_every_pool_that_a_task_names(dags: dict[str, Any], airflow_database: None) -> None:
    from airflow.cli.commands.pool_command import pool_import_helper
    from airflow.models.pool import Pool

    named = {task.pool for dag in dags.values() for task in dag.tasks} - {Pool.DEFAULT_POOL_NAME}
    assert named == {"secondlook_scoring", "secondlook_launch", "secondlook_training"}
    # Not a copy of the file: what `airflow pools import` makes of it.
    imported, refused = pool_import_helper(str(ROOT / "include/settings/pools.json"))
    assert refused == []
    assert {name for name, *_ in imported} == named
    training = Pool.get_pool("secondlook_training")
    assert training is not None
    # A night that waits for another night's challenger must not hold the slot that this one needs to go on.
    assert (training.slots, training.include_deferred) == (1, False)


def test_dags_survive_serialisation_without_changing(dags: dict[str, Any]) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    for dag in dags.values():
        assert DagSerialization.to_dict(dag) == DagSerialization.to_dict(dag)
