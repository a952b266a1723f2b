"""The team's compose file, as far as it can be checked where no Docker Engine runs."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.fernet import Fernet
from jsonschema import Draft7Validator, validators
from sqlalchemy import make_url

from include.demo.airflow_programs import PATIENCE
from include.deploy.new_environment import main

from .compose_file import COMPOSE, DEPLOY, EXAMPLE, ROOT, VARIABLE, interpolated, variables

DOCKERFILE = (ROOT / "Dockerfile").read_text()
DESK_DOCKERFILE = (DEPLOY / "review-desk.Dockerfile").read_text()
AIRFLOW = ("api-server", "scheduler", "dag-processor", "triggerer", "celery worker")


def check_words(service: dict) -> list[str]:
    """The words of a health check, of its command line if a shell reads it."""
    kind, *words = service["healthcheck"]["test"]
    if kind == "CMD":
        return words
    assert kind == "CMD-SHELL"
    subprocess.run(["sh", "-n", "-c", words[0]], check=True)
    return shlex.split(words[0])


def test_the_file_follows_the_compose_specification(environment):
    import check_jsonschema

    folder = Path(check_jsonschema.__file__).parent / "builtin_schemas" / "vendor"
    schema = json.loads((folder / "compose-spec.json").read_text())
    validator = validators.validator_for(schema, default=Draft7Validator)(schema)
    read = interpolated(environment)
    assert [error.message for error in validator.iter_errors(read)] == []
    # The check can fail: a key that the specification does not know is found.
    read["services"]["redis"]["restarts"] = "always"
    assert [error.message for error in validator.iter_errors(read)]


def test_every_variable_is_in_the_example_and_used():
    used = {match[1] for match in VARIABLE.finditer(COMPOSE)}
    assert used == set(variables(EXAMPLE))
    assert "$" not in VARIABLE.sub("", COMPOSE).replace("$$", "")


def test_without_an_environment_file_it_refuses_to_start():
    with pytest.raises(AssertionError, match=r"new_environment\.py|name the bucket"):
        interpolated({})


def test_defaults_of_the_file_are_those_of_the_example():
    defaults = {match[1]: match[3] for match in VARIABLE.finditer(COMPOSE) if match[2] == "-"}
    assert defaults == {name: value for name, value in variables(EXAMPLE).items() if name in defaults}


def test_every_airflow_option_exists(services):
    from airflow.configuration import retrieve_configuration_description

    known = retrieve_configuration_description(include_airflow=True, include_providers=True)
    named = {name for service in services.values() for name in service.get("environment", {}) if "__" in name}
    assert len(named) > 12
    for name in named:
        _, section, option = name.lower().split("__")
        assert option in known[section]["options"], name


@pytest.mark.parametrize("section", PATIENCE)
def test_a_team_is_as_patient_with_a_busy_machine_as_the_demo(services, section):
    for name in ("airflow-scheduler", "airflow-dag-processor", "airflow-worker"):
        environment = services[name]["environment"]
        for option, value in PATIENCE[section].items():
            assert environment[f"AIRFLOW__{section.upper()}__{option.upper()}"] == value


def test_airflow_takes_every_command(services):
    from airflow.cli.cli_parser import get_parser

    commands = [service["command"] for name, service in services.items() if "command" in service]
    found = [command for command in commands if isinstance(command, str)]
    assert sorted(found) == sorted(AIRFLOW)
    for command in found:
        assert callable(get_parser().parse_args(command.split()).func)


def test_airflow_takes_the_commands_of_the_first_start():
    from airflow.cli.cli_parser import get_parser

    script = (DEPLOY / "initialise.sh").read_text().replace("\\\n", " ")
    lines = [shlex.split(line) for line in script.splitlines() if line.startswith("airflow ")]
    assert [line[1] for line in lines] == ["db", "pools", "users"]
    for line in lines:
        assert callable(get_parser().parse_args(line[1:]).func)


@pytest.mark.usefixtures("programs")
def test_a_start_imports_only_the_pools_that_are_missing():
    """Slots that a team has changed are not set back."""
    pools = ROOT / "include/settings/pools.json"
    listed = "pool slots description\ndefault_pool 128 Default\nsecondlook_scoring 9 -\n"
    script = [sys.executable, str(DEPLOY / "missing_pools.py"), str(pools)]
    printed = subprocess.run(script, input=listed, capture_output=True, text=True, check=True).stdout
    wanted = json.loads(pools.read_text())
    assert json.loads(printed) == {
        name: pool for name, pool in wanted.items() if name != "secondlook_scoring"
    }


def test_a_teams_settings_stay_out_of_git_and_the_image():
    ignored = [(ROOT / name).read_text().splitlines() for name in (".gitignore", ".dockerignore")]
    assert all("include/deploy/settings.toml" in [line.lstrip("/") for line in lines] for lines in ignored)


@pytest.mark.usefixtures("programs")
def test_every_health_check_asks_what_is_there(services):
    from airflow.cli.cli_parser import get_parser
    from airflow.configuration import conf
    from celery.bin.celery import celery

    for name, job in (("airflow-dag-processor", "DagProcessorJob"), ("airflow-triggerer", "TriggererJob")):
        airflow, *words = check_words(services[name])
        assert airflow == "airflow"
        assert get_parser().parse_args(words).job_type == job
    program, _, app, *words = check_words(services["airflow-worker"])
    assert (program, app) == ("celery", "airflow.providers.celery.executors.celery_executor.app")
    command = celery.commands[words[0]]
    assert command.make_context(words[0], words[1:], resilient_parsing=True).params["destination"]
    ports = {name: urlsplit(check_words(services[name])[-1]) for name in ("airflow-scheduler", "review-desk")}
    assert ports["airflow-scheduler"].port == conf.getint("scheduler", "scheduler_health_check_server_port")
    assert f"--port={ports['review-desk'].port}" in services["review-desk"]["command"]


def test_the_review_desk_takes_its_command(services, monkeypatch):
    from include.review_desk.__main__ import _parser

    command = services["review-desk"]["command"]
    for name, value in services["review-desk"]["environment"].items():
        monkeypatch.setenv(name, value)
    options = _parser().parse_args(command)
    assert (options.host, options.port, options.bucket) == ("0.0.0.0", 5800, ["second-look"])
    assert services["review-desk"]["entrypoint"] == ["python", "-m", "include.review_desk"]
    for option in command[1:]:
        # argparse also takes the beginning of an option's name.
        assert hasattr(options, option.removeprefix("--").partition("=")[0].replace("-", "_"))


def test_ports_are_bound_to_loopback_unless_told(environment):
    def bound(given: dict[str, str]) -> list[str]:
        read = interpolated(given)["services"]
        return [port for service in read.values() for port in service.get("ports", ())]

    assert bound(environment) == ["127.0.0.1:8080:8080", "127.0.0.1:5800:5800"]
    assert bound(environment | {"BIND_ADDRESS": "10.0.0.5"})[0] == "10.0.0.5:8080:8080"
    assert bound(environment | {"BIND_ADDRESS": ""})[0].startswith("127.0.0.1:")


@pytest.mark.usefixtures("programs")
def test_every_service_comes_back_and_says_whether_it_is_well(services):
    for name, service in services.items():
        if name == "airflow-init":
            assert service["restart"] == "on-failure"
            continue
        assert service["restart"] == "unless-stopped", name
        assert check_words(service), name


def test_no_service_may_gain_rights_write_its_own_files_or_take_all_memory(services):
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True, name
        assert re.fullmatch(r"\d+[mg]", service["mem_limit"]), name
        assert service["pids_limit"] <= 1024, name
        assert not service.get("privileged")
    added = {name: service["cap_add"] for name, service in services.items() if "cap_add" in service}
    assert added == {"desk-proxy": ["NET_BIND_SERVICE"]}


def test_databases_are_reached_by_those_alone_who_need_them(environment, services):
    networks = interpolated(environment)["networks"]
    assert {name: bool(network and network.get("internal")) for name, network in networks.items()} == {
        "services": False,
        "data": True,
    }
    joined = {name: set(service["networks"]) for name, service in services.items()}
    assert joined["postgres"] == joined["redis"] == {"data"}
    assert joined["desk-proxy"] == {"services"}
    for name, service in services.items():
        if "ports" in service:
            assert "services" in joined[name]
        for awaited in service.get("depends_on", ()):
            assert joined[name] & joined[awaited], (name, awaited)


def test_images_of_others_are_named_by_their_content(services):
    for name in ("postgres", "redis", "desk-proxy"):
        assert re.fullmatch(r"[a-z]+:[\w.-]+@sha256:[0-9a-f]{64}", services[name]["image"])
    assert re.search(r"^FROM python:[\w.-]+@sha256:[0-9a-f]{64}$", DESK_DOCKERFILE, re.M)


def test_the_desk_has_an_image_and_aws_keys_of_its_own(environment):
    given = environment | {
        "AWS_ACCESS_KEY_ID": "airflows",
        "AWS_SECRET_ACCESS_KEY": "airflows",
        "DESK_AWS_ACCESS_KEY_ID": "desks",
        "DESK_AWS_SECRET_ACCESS_KEY": "desks",
    }
    services = interpolated(given)["services"]
    desk = services["review-desk"]
    assert "airflows" not in json.dumps(desk)
    assert "desks" not in json.dumps({name: it for name, it in services.items() if name != "review-desk"})
    assert desk["image"] != services["airflow-worker"]["image"]
    assert desk["build"]["dockerfile"] == "include/deploy/review-desk.Dockerfile"
    assert json.dumps(desk["entrypoint"]) in DESK_DOCKERFILE
    # What it writes it may write: each volume's folder is made for its user.
    made = re.search(r"install -d -o desk -g desk -m 0700 (.*)", DESK_DOCKERFILE)[1].split()
    assert {volume.partition(":")[2] for volume in desk["volumes"]} == set(made)
    for name in ("DESK_SECRET_KEY_FILE", "DESK_JOURNAL"):
        assert str(Path(desk["environment"][name]).parent) in made


def test_the_policy_of_the_desks_user_gives_two_rights():
    [policy] = re.findall(r"```json\n(.*?)```", (DEPLOY / "README.md").read_text(), re.S)
    actions = [statement["Action"] for statement in json.loads(policy)["Statement"]]
    assert sorted(actions) == ["s3:GetObject", "s3:PutObject"]


def test_what_a_service_waits_for_can_be_waited_for(services):
    for service in services.values():
        for name, awaited in service.get("depends_on", {}).items():
            if awaited["condition"] == "service_healthy":
                assert "healthcheck" in services[name]
            else:
                assert awaited["condition"] == "service_completed_successfully"
                assert services[name]["restart"] == "on-failure"


def test_passwords_survive_the_urls(environment, services):
    told = services["airflow-worker"]["environment"]
    database = make_url(told["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
    assert database.password == environment["AIRFLOW_DATABASE_PASSWORD"]
    assert make_url(told["AIRFLOW__CELERY__RESULT_BACKEND"].removeprefix("db+")) == database
    desk = make_url(services["review-desk"]["environment"]["DESK_DATABASE"])
    assert desk.password == environment["DESK_DATABASE_PASSWORD"]
    assert make_url(told["AIRFLOW__CELERY__BROKER_URL"]).password == environment["REDIS_PASSWORD"]
    Fernet(told["AIRFLOW__CORE__FERNET_KEY"])


def test_the_connections_are_readable(environment):
    given = environment | {"DESK_ACCESS_KEY_ID": "AKIADESK", "DESK_SECRET_ACCESS_KEY": "a/b+c"}
    told = interpolated(given)["services"]["airflow-worker"]["environment"]
    aws, a2i = (json.loads(told[f"AIRFLOW_CONN_{name}_DEFAULT"]) for name in ("AWS", "A2I"))
    assert (a2i["login"], a2i["password"]) == ("AKIADESK", "a/b+c")
    assert aws["extra"] == {"region_name": "us-east-1"}
    endpoints = {service["endpoint_url"] for service in a2i["extra"]["service_config"].values()}
    assert endpoints == {"http://review-desk:5800"}


def test_the_image_holds_what_the_commands_need(services):
    """Every path of the project inside the image is copied there, and every volume can be written."""
    copied = dict(re.findall(r"^COPY --chown=airflow:0 (\S+) (\S+)$", DOCKERFILE, re.M))
    text = json.dumps(services)
    inside = set(re.findall(r"/opt/airflow/((?:dags|plugins|include)/[\w./-]+)", text))
    assert inside == {"include/deploy/initialise.sh"}
    for path in inside:
        assert (ROOT / path).exists()
        assert copied[path.split("/")[0]] == f"/opt/airflow/{path.split('/')[0]}"
    made = re.search(r"install -d -o airflow -g 0 -m 0775 (.*) *$", DOCKERFILE, re.M)[1].split()
    assert {"/opt/second-look", "/var/lib/second-look"} <= set(made)
    assert re.search(r"PYTHONPATH=/opt/airflow:/opt/airflow/plugins\b", DOCKERFILE)


def test_the_image_installs_what_the_services_import():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pinned = set(re.findall(r"^([a-z0-9._-]+)(?:\[.*\])?==", (ROOT / "requirements.txt").read_text(), re.M))
    for extra in ("services", "distributed"):
        assert {re.match(r"[A-Za-z0-9._-]+", line)[0].lower() for line in extras[extra]} <= pinned


def test_the_environment_script_fills_every_secret_and_keeps_what_is_there(tmp_path):
    (tmp_path / "env.example").write_text(EXAMPLE)
    assert main(tmp_path) == 0
    target = tmp_path / ".env"
    assert target.stat().st_mode & 0o777 == 0o600
    first = target.read_text()
    made, example = variables(first), variables(EXAMPLE)
    secrets = {name: value for name, value in made.items() if value != example[name]}
    assert len(secrets) == EXAMPLE.count("# (generated)") == 8
    assert len(set(secrets.values())) == 8
    assert all(example[name] == "" for name in secrets)
    assert main(tmp_path) == 1
    assert target.read_text() == first


def test_the_environment_file_never_reaches_git_or_the_image():
    assert "include/deploy/.env" in (ROOT / ".gitignore").read_text().replace("/include", "include").split()
    assert "include/deploy/.env" in (ROOT / ".dockerignore").read_text().split()


@pytest.mark.usefixtures("programs")
def test_scripts_are_readable_to_their_shell():
    for path in DEPLOY.glob("*.sh"):
        subprocess.run(["bash", "-n", str(path)], check=True)
        assert path.read_text().startswith("#!/usr/bin/env bash\n")
