"""The runner itself: a night without faults, retries, deaths, clear, and two runs at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.faults.deployment import FIRST_MODEL, Deployment, artifact
from tests.faults.night import Night
from tests.faults.together import together


def test_a_night_without_faults_ends_with_a_new_champion(new_deployment: Callable[[], Deployment]) -> None:
    deployment = new_deployment()
    night = Night(deployment)
    states = night.run()
    assert night.succeeded, night.log.read_text()[-6000:]
    assert states["approve"] == "skipped"
    champion = deployment.champion()
    assert (champion["version"], champion["parent"]) == (2, FIRST_MODEL)
    cleanup = Night(deployment, dag_id="cleanup", conf={"dry_run": False, "min_age_hours": 0})
    assert cleanup.run() == {"cleanup": "success"}


def test_a_gap_in_an_archive_is_skipped(new_deployment: Callable[[], Deployment]) -> None:
    night = Night(new_deployment(), run_type="backfill", night="2019-04-08")
    assert set(night.run().values()) == {"skipped"}
    assert "No images at s3://" in night.log.read_text()


def endless_training(deployment: Deployment) -> tuple[Path, dict[str, Any]]:
    """A file, and arguments of ``train`` that make its job last as long as the file exists."""
    held = deployment.folder / "held"
    held.touch()
    hyperparameters = {"epochs": 1, "mini_batch_size": 2, "wait_while": str(held)}
    return held, {"training": f"{{{{ settings.training.override(hyperparameters={hyperparameters}) }}}}"}


def _is_waiting(night: Night, task_id: str) -> bool:
    """Whether a triggerer has taken over the wait of a task."""
    process = night.instance(task_id).process if (task_id, -1) in night.instances else None
    return process is not None and process.step == "trigger"


def test_killed_cleared_and_marked_tasks_go_on_as_in_airflow(
    new_deployment: Callable[[], Deployment],
) -> None:
    deployment = new_deployment()
    held, endless = endless_training(deployment)
    night = Night(deployment, overrides={"train": endless})
    night.run(until=lambda night: night.states()["launch"] == "running")
    night.kill("launch")
    night.run(until=lambda night: _is_waiting(night, "train"))
    assert night.instance("launch").kills == 1
    assert night.instance("launch").try_number == 2

    night.mark_failed("train")
    assert "is being stopped: no other run uses it" in night.log.read_text()
    assert night.run()["evaluate"] == "upstream_failed"
    held.unlink()
    night.clear("train")
    night.run()
    assert night.succeeded, night.log.read_text()[-6000:]
    assert deployment.champion()["version"] == 2


def test_a_training_that_outlives_the_tasks_time_is_stopped_once_and_a_clear_trains_again(
    new_deployment: Callable[[], Deployment],
) -> None:
    deployment = new_deployment()
    in_the_worker = {"deferrable": False, "retries": 0, "execution_timeout": timedelta(seconds=5)}
    held, endless = endless_training(deployment)
    night = Night(deployment, overrides={"train": in_the_worker | endless})
    stopped = deployment.servers.calls("StopTrainingJob")
    assert night.run()["train"] == "failed"
    jobs = json.loads(deployment.get(deployment.layout.open_challenger()))["jobs"]
    assert deployment.sagemaker.describe_training_job(TrainingJobName=jobs[0])["TrainingJobStatus"] in {
        "Stopping",
        "Stopped",
    }
    assert deployment.servers.calls("StopTrainingJob") == stopped + 1

    held.unlink()
    # On a busy machine a whole training may take longer than that.
    del night.overrides["train"]["execution_timeout"]
    night.clear("train")
    night.run()
    assert night.succeeded, night.log.read_text()[-6000:]
    assert deployment.servers.calls("StopTrainingJob") == stopped + 1
    assert deployment.champion()["version"] == 2


def test_a_trigger_that_dies_is_taken_over_and_two_runs_go_side_by_side(
    new_deployment: Callable[[], Deployment],
) -> None:
    deployment = new_deployment()
    first, second = Night(deployment, run_id="first"), Night(deployment, run_id="second")
    together([first, second], until=lambda night: night.states()["await_reviews"] == "deferred")
    first.kill("await_reviews")
    together([first, second])
    assert first.done
    assert second.done
    assert deployment.champion()["version"] == 2


def asked_about(deployment: Deployment) -> int:
    """How many human loops there are."""
    flow = deployment.control.describe_flow_definition(FlowDefinitionName=deployment.name)
    loops = deployment.a2i.list_human_loops(FlowDefinitionArn=flow["FlowDefinitionArn"])
    return len(loops["HumanLoopSummaries"])


def test_a_model_that_turns_out_to_be_no_detector_makes_the_night_red_and_asks_nobody(
    new_deployment: Callable[[], Deployment],
) -> None:
    deployment = new_deployment()
    page = deployment.folder / "page"
    deployment.put(deployment.layout.artifact(FIRST_MODEL), artifact(skill=0, page_while=str(page)))
    night, old_night = Night(deployment), Night(deployment, run_id="2", conf={"scoring": "transform"})

    night.run(until=lambda night: night.states()["deploy"] == "success")
    page.touch()
    assert night.run()["score"] == "failed"
    assert old_night.run()["score_archive"] == "failed"
    for run, task_id in ((night, "score"), (old_night, "score_archive")):
        assert run.states()["launch"] == "upstream_failed"
        assert {i.try_number for (task, _), i in run.instances.items() if task == task_id} == {1}
        assert "or a setting is at fault, not the images" in run.log.read_text()
    assert deployment.keys(deployment.layout.predictions("2026-11-20", FIRST_MODEL)) == []
    assert asked_about(deployment) == 0
    # A deployment finds it out before any image is sent.
    night.clear("deploy")
    assert night.run()["deploy"] == "failed"

    page.unlink()
    old_night.clear("score_archive")
    old_night.run(until=lambda night: night.states()["scored"] == "success")
    night.clear("deploy")
    night.run()
    assert night.succeeded, night.log.read_text()[-6000:]
    assert asked_about(deployment) > 0
    assert deployment.champion()["version"] == 2
