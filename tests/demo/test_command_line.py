"""What a person meets who starts the demo in a way that cannot work, and what the demo leaves behind it."""

from __future__ import annotations

import io
import json
import socket
import stat
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from include.demo.__main__ import main
from include.demo.airflow_programs import airflow_environment, celery_worker_program
from include.demo.archive import Archive
from include.demo.dag_runs import task_log_tail
from include.demo.demo_settings import DRAWN, PHOTOS, batch_size, demo_settings, write_settings
from include.demo.deployment import Deployment
from include.demo.driver import DemoError, check_data
from include.demo.executor import PRELOADED
from include.demo.machine import LOOPBACK
from include.demo.processes import Supervisor
from include.demo.progress import Progress
from include.demo.state import open_state
from secondlook.settings import parse_settings


def test_a_data_folder_that_is_not_there_is_one_sentence(tmp_path, capsys):
    assert main(["demo", "--data", str(tmp_path / "nowhere"), "--state", str(tmp_path / "state")]) == 1
    assert f"DATA={tmp_path / 'nowhere'} is not a folder" in capsys.readouterr().out
    assert not (tmp_path / "state").exists()


def test_a_folder_with_other_peoples_files_is_never_cleaned(tmp_path, capsys):
    precious = tmp_path / "state" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("two years of work")
    assert main(["demo", "--state", str(tmp_path / "state")]) == 1
    assert "holds files that no demo made" in capsys.readouterr().out
    assert precious.read_text() == "two years of work"


@pytest.mark.parametrize("schedule", [DRAWN, PHOTOS])
def test_the_settings_file_is_one_that_the_nightly_run_accepts(tmp_path, schedule):
    write_settings(tmp_path / "settings.toml", demo_settings(("RBC", 'a "quoted" label'), schedule))
    settings = parse_settings(tomllib.loads((tmp_path / "settings.toml").read_text()), "the demo")
    assert settings.labels == ("RBC", 'a "quoted" label')
    assert settings.review.limit == schedule.review_limit
    assert settings.training.control_arm


def test_a_batch_is_never_larger_than_what_a_small_folder_validates_with(tmp_path):
    archive = Archive(tmp_path, ("cell",), ())
    archive.write_image_sets(["a", "b"], [f"c {number}" for number in range(5)])
    assert archive.validation_images() == 5
    assert [batch_size(count) for count in (0, 1, 2, 5, 15, 16, 400)] == [1, 1, 1, 2, 7, 8, 8]
    settings = parse_settings(demo_settings(("cell",), PHOTOS, batch_size(5)), "the demo")
    assert settings.bootstrap.hyperparameters["mini_batch_size"] == 2


def test_secrets_are_kept_between_runs_and_from_others(tmp_path):
    first = open_state(tmp_path / "state")
    again = open_state(tmp_path / "state")
    assert again.secrets == first.secrets
    for path in (first.folder / "secrets.json", first.write_private("more.json", {})):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_port_that_another_program_took_meanwhile_is_replaced_and_named(tmp_path):
    first = open_state(tmp_path / "state")
    assert first.moved == ()
    with socket.create_server((LOOPBACK, first.secrets.ports["desk"])):
        again = open_state(tmp_path / "state")
    assert again.moved == ("desk",)
    ports = dict(first.secrets.ports), dict(again.secrets.ports)
    assert ports[0].pop("desk") != ports[1].pop("desk")
    assert ports[0] == ports[1]
    assert open_state(tmp_path / "state").moved == ()


def test_airflow_gets_two_connections_that_differ_in_endpoint_and_key_only(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "somebody's own account")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    state = open_state(tmp_path / "state")
    environment = airflow_environment(state)
    assert "AWS_PROFILE" not in environment
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "include.demo.executor.PreloadingLocalExecutor"
    aws, a2i = (json.loads(environment[f"AIRFLOW_CONN_{name}_DEFAULT"]) for name in ("AWS", "A2I"))
    services = aws["extra"].pop("service_config")
    assert services["sagemaker"]["endpoint_url"] == state.url("sagemaker")
    assert a2i["extra"].pop("service_config")["sagemaker-a2i-runtime"]["endpoint_url"] == state.url("desk")
    # The Desk's key is made once the Desk is there.
    assert aws.pop("login")
    assert aws.pop("password")
    assert (a2i.pop("login"), a2i.pop("password")) == ("", "")
    assert aws == a2i


@pytest.mark.usefixtures("programs")
def test_another_deployment_goes_over_the_options_of_one_machine(tmp_path):
    deployment = Deployment({"core": {"executor": "CeleryExecutor"}}, {"PLACE": "elsewhere"})
    state = open_state(tmp_path / "state", deployment)
    environment = airflow_environment(state)
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    assert environment["AIRFLOW__CORE__FERNET_KEY"] == state.secrets.fernet_key
    assert environment["PLACE"] == "elsewhere"
    worker = celery_worker_program(state, "worker-7", slots=2)
    name = worker.environment["AIRFLOW__CORE__HOSTNAME_CALLABLE"]
    printed = subprocess.run(
        [sys.executable, "-c", f"from {name.rpartition('.')[0]} import host_name; print(host_name())"],
        env=worker.environment, cwd=worker.working_directory, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert printed == "worker-7\n"


def test_a_failed_task_is_told_with_the_end_of_its_log(tmp_path):
    folder = tmp_path / "tasks" / "dag_id=nightly" / "run_id=r" / "task_id=score"
    folder.mkdir(parents=True)
    events = [
        {"event": "scoring"},
        {
            "event": "Task failed",
            "error_detail": [{"exc_type": "NoImagesError", "exc_value": "There are no images."}],
        },
    ]
    (folder / "attempt=1.log").write_text(
        "".join(json.dumps(event) + "\n" for event in events) + "not JSON\n"
    )
    told = task_log_tail(tmp_path, "nightly", "r", "score")
    assert told.splitlines()[1:] == [
        "  | scoring",
        "  | Task failed",
        "  | NoImagesError: There are no images.",
        "  | not JSON",
    ]
    assert "no log of launch" in task_log_tail(tmp_path, "nightly", "r", "launch")


def test_without_a_terminal_progress_is_plain_lines():
    stream = io.StringIO()
    progress = Progress(started=0.0, stream=stream)
    progress.count("3 of 9 answered")
    progress.count("4 of 9 answered")
    progress.say("done")
    assert [line.split("  ")[1] for line in stream.getvalue().splitlines()] == ["3 of 9 answered", "done"]
    assert "\r" not in stream.getvalue()


def test_a_supervisor_that_never_started_anything_stops(tmp_path):
    with Supervisor(tmp_path / "logs"):
        pass


def test_what_the_demos_executor_loads_beforehand_is_there():
    assert [import_module(name).__name__ for name in PRELOADED] == list(PRELOADED)


@pytest.mark.parametrize("command", ["demo", "up"])
@pytest.mark.parametrize(("kind", "sentence"), [("a file", "is not a folder"), ("empty", "is empty")])
def test_data_that_cannot_be_a_data_set_is_refused_before_anything_starts(
    tmp_path, capsys, command, kind, sentence
):
    data = tmp_path / "data"
    data.write_text("images") if kind == "a file" else data.mkdir()
    assert main([command, "--data", str(data), "--state", str(tmp_path / "state")]) == 1
    assert f"DATA={data} {sentence}; give a PASCAL VOC folder." in capsys.readouterr().out
    assert not (tmp_path / "state").exists()


def test_data_that_may_not_be_read_is_one_sentence(tmp_path, capsys, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(DemoError, match="cannot be read: Permission denied; make it readable"):
        check_data(tmp_path)
