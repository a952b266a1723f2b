"""The compose file's own scripts and commands, run on this machine's PostgreSQL and Redis."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psycopg
import pytest
import redis
from sqlalchemy import make_url

from include.demo.machine import LOOPBACK, clean_environment, free_ports

from .compose_file import DEPLOY, ROOT

DESK_DOCKERFILE = (DEPLOY / "review-desk.Dockerfile").read_text()

# As README.md says.
KEY_OF_AIRFLOW = (
    *("--operations", "admin", "--team", "second-look"),
    *("--read-prefix", "s3://second-look/second-look/", "--write-prefix", "s3://second-look/second-look/"),
)


@pytest.fixture(scope="module")
def postgres(environment, fresh_postgres):
    given = {
        "PGHOST": LOOPBACK,
        "PGPORT": str(fresh_postgres.port),
        "PGPASSWORD": make_url(fresh_postgres.url()).password,
        "AIRFLOW_DATABASE_PASSWORD": environment["AIRFLOW_DATABASE_PASSWORD"],
        "DESK_DATABASE_PASSWORD": environment["DESK_DATABASE_PASSWORD"],
    }
    subprocess.run(["bash", str(DEPLOY / "databases.sh")], env=os.environ | given, check=True, timeout=60)
    return fresh_postgres


def until(condition, process):
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, "the process has ended"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def ended(process):
    process.send_signal(signal.SIGTERM)
    process.wait(30)


def test_each_of_the_two_has_a_database_that_is_its_own(postgres, environment):
    for user, other, password in (
        ("airflow", "desk", environment["AIRFLOW_DATABASE_PASSWORD"]),
        ("desk", "airflow", environment["DESK_DATABASE_PASSWORD"]),
    ):
        address = f"host={LOOPBACK} port={postgres.port} user={user} password={password}"
        with psycopg.connect(f"{address} dbname={user}") as connection:
            connection.execute("CREATE TABLE mine (id integer)")
        with (
            psycopg.connect(f"{address} dbname={other}") as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute("CREATE TABLE theirs (id integer)")


def test_the_review_desk_runs_by_its_command(postgres, services, tmp_path):
    service = services["review-desk"]
    port = free_ports(1)[0]
    given = dict(service["environment"])
    given["DESK_DATABASE"] = given["DESK_DATABASE"].replace("@postgres:5432", f"@{LOOPBACK}:{postgres.port}")
    given["DESK_SECRET_KEY_FILE"] = str(tmp_path / "desk.key")
    given["DESK_JOURNAL"] = str(tmp_path / "journal.jsonl")
    program = [sys.executable, *service["entrypoint"][1:]]
    run = {"cwd": ROOT, "env": clean_environment(ROOT) | given}
    made = subprocess.run(
        [*program, "create-key", "--client", "airflow", *KEY_OF_AIRFLOW],
        **run,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert made.startswith("AWS_ACCESS_KEY_ID=")
    command = [word.replace("--port=5800", f"--port={port}") for word in service["command"]]
    command = [word.replace("--host=0.0.0.0", f"--host={LOOPBACK}") for word in command]
    process = subprocess.Popen([*program, *command], **run, stderr=subprocess.DEVNULL)
    check = service["healthcheck"]["test"][-1].replace("localhost:5800", f"{LOOPBACK}:{port}")

    def healthy():
        try:
            with urllib.request.urlopen(check, timeout=5) as answer:
                return answer.status == 200
        except urllib.error.URLError:
            return False

    try:
        until(healthy, process)
    finally:
        ended(process)


# Makes the root read-only, and leaves one folder writable.
READ_ONLY = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -o remount,ro,bind /
cd "$2"
shift 2
exec "$@"
"""


def read_only(writable, folder, *command):
    return ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", str(writable), str(folder), *command]


def can_be_read_only(folder):
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(read_only(folder, folder, "touch", "/usr/x"), capture_output=True, check=False)
    return b"Read-only file system" in tried.stderr


def test_the_desk_runs_from_its_image_alone_on_a_read_only_file_system(postgres, services, tmp_path):
    """With the files that the Dockerfile copies; its volumes are the only place that can be written."""
    image, volumes = tmp_path / "image", tmp_path / "volumes"
    for _, source, target in re.findall(r"^(COPY) (\S+) /opt/review-desk/(\S+)$", DESK_DOCKERFILE, re.M):
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, image / target, ignore=shutil.ignore_patterns("__pycache__"))
    volumes.mkdir()
    if not can_be_read_only(volumes):
        pytest.skip("needs root and unshare")
    service = services["review-desk"]
    given = dict(service["environment"]) | {"PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"]}
    # In the container a file system in memory is there for it.
    assert service["tmpfs"] == ["/tmp"]
    given["TMPDIR"] = str(volumes)
    # The database of the deployment has seen another key already.
    given["DESK_DATABASE"] = postgres.create_database()
    given["DESK_SECRET_KEY_FILE"] = str(volumes / "desk.key")
    given["DESK_JOURNAL"] = str(volumes / "journal.jsonl")
    port = free_ports(1)[0]
    program = [sys.executable, *service["entrypoint"][1:]]
    serve = [*program, *service["command"], f"--port={port}", f"--host={LOOPBACK}"]
    with (volumes / "log").open("wb") as log:
        process = subprocess.Popen(read_only(volumes, image, *serve), env=given, stdout=log, stderr=log)

    def healthy():
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/healthz", timeout=5) as answer:
                return answer.status == 200
        except urllib.error.URLError:
            return False

    try:
        until(healthy, process)
        invited = ["invite", "--team", "second-look", "--public-url", "http://localhost"]
        for command in (invited, ["backup", "--to", str(volumes / "backups")]):
            subprocess.run(read_only(volumes, image, *program, *command), env=given, check=True, timeout=60)
    finally:
        ended(process)
    [backup] = (volumes / "backups").iterdir()
    given["DESK_DATABASE"] = postgres.create_database()
    restore = [*program, "restore", "--from", str(backup)]
    done = subprocess.run(
        read_only(volumes, image, *restore), env=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Everybody is signed out" in done.stdout


@pytest.mark.usefixtures("programs")
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server")
def test_redis_runs_by_its_command_and_wants_the_password(services, environment, tmp_path):
    service = services["redis"]
    port = free_ports(1)[0]
    shell, option, script = service["command"]
    script = script.replace("dir /data", f"dir {tmp_path}\nport {port}\nbind {LOOPBACK}")
    given = os.environ | service["environment"]
    process = subprocess.Popen([shell, option, script], env=given, stdout=subprocess.DEVNULL)
    password = environment["REDIS_PASSWORD"]

    def answers():
        with redis.Redis(LOOPBACK, port, password=password) as client:
            try:
                return client.ping()
            except redis.ConnectionError:
                return False

    try:
        until(answers, process)
        with redis.Redis(LOOPBACK, port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        check = service["healthcheck"]["test"][1].replace("redis-cli", f"redis-cli -p {port}")
        assert subprocess.run(["sh", "-c", check], env=given, check=False).returncode == 0
        wrong = given | {"REDISCLI_AUTH": "another"}
        failed = subprocess.run(["sh", "-c", check], env=wrong, check=False, stderr=subprocess.DEVNULL)
        assert failed.returncode != 0
        arguments = Path(f"/proc/{process.pid}/cmdline").read_text()
        assert "redis-server" in arguments
        assert password not in arguments
    finally:
        ended(process)
