"""Keys of programs: made, used with boto3, listed and revoked while the desk runs."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import select

from include.review_desk.storage import schema
from tests.review_desk.people.commands import ANYTHING, refused_start, row, run
from tests.support.desk import unique
from tests.support.servers import ServerProcess, free_port, wait_for

KEY_OF_ADMIN = ("create-key", "--client", "a", "--operations", "admin")


def make_key(site, client: str, *options: str, **environment: str) -> dict[str, str]:
    create = ("create-key", "--database", str(site.database_url), "--client", client)
    create += options if "--operations" in options else (*ANYTHING, *options)
    result = run(*create, **environment)
    assert result.returncode == 0, result.stderr
    pairs = dict(line.split("=", 1) for line in result.stdout.splitlines())
    return {
        "aws_access_key_id": pairs["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": pairs["AWS_SECRET_ACCESS_KEY"],
    }


def refusal(client) -> str | None:
    try:
        client.list_workteams()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


def test_a_key_works_at_once_is_listed_and_is_refused_once_revoked(site):
    name = unique("client")
    key, other = make_key(site, name), make_key(site, unique("client"))
    key_id = key["aws_access_key_id"]
    assert (len(key_id), key_id[:4], len(key["aws_secret_access_key"])) == (20, "SLDK", 40)
    client = site.client("sagemaker", **key)
    assert refusal(client) is None
    keys = schema.api_keys
    used = select(keys.c.last_used_ms).where(keys.c.access_key_id == key_id)
    wait_for(lambda: row(site, used).last_used_ms)
    database = ("--database", site.database_url)
    listing = run("list-keys", *database).stdout
    assert f"{key_id}\t{name}\tadmin\tany team\treads anything\twrites anything\tmade 2" in listing
    assert key["aws_secret_access_key"] not in listing
    assert run("revoke-key", *database, key_id).stdout == f"Revoked {key_id}.\n"
    assert wait_for(lambda: refusal(client)) == "UnrecognizedClientException"
    assert refusal(site.client("sagemaker", **other)) is None
    assert "already" in run("revoke-key", *database, key_id).stdout
    assert "revoked 2" in run("list-keys", *database).stdout


def test_a_guessed_secret_or_id_is_refused(site):
    key = make_key(site, unique("client"))
    wrong = site.client("sagemaker", **key | {"aws_secret_access_key": "x" * 40})
    assert refusal(wrong) == "InvalidSignatureException"
    unknown = site.client("sagemaker", **key | {"aws_access_key_id": "SLDK" + "A" * 16})
    assert refusal(unknown) == "UnrecognizedClientException"


def test_secrets_are_neither_in_the_database_nor_in_the_log(site):
    key = make_key(site, unique("client"))
    refusal(site.client("sagemaker", **key))
    secret = key["aws_secret_access_key"].encode()
    desk_key = Path(f"{site.folder}/desk.db.key")
    assert stat.S_IMODE(desk_key.stat().st_mode) == 0o600
    assert len(desk_key.read_bytes()) == 32
    for path in site.folder.glob("desk*"):
        assert secret not in path.read_bytes(), path
        assert path == desk_key or desk_key.read_bytes() not in path.read_bytes(), path


def test_on_postgresql_the_key_file_must_be_named(postgres_site, tmp_path):
    database = ("--database", postgres_site.database_url)
    refused = run("create-key", *database, "--client", "a", *ANYTHING, DESK_SECRET_KEY_FILE="")
    assert (refused.returncode, "--secret-key" in refused.stderr) == (2, True)
    # Made and revoked again: the desk of the other tests runs without a key of its own.
    file = str(tmp_path / "desk.key")
    by_option = make_key(postgres_site, "a", "--secret-key", file)
    by_environment = make_key(postgres_site, "b", DESK_SECRET_KEY_FILE=file)
    other = run(
        "create-key", *database, "--client", "c", *ANYTHING, "--secret-key", str(tmp_path / "other.key")
    )
    assert (other.returncode, "cannot be read" in other.stderr) == (2, True)
    for key in (by_option, by_environment):
        assert run("revoke-key", *database, key["aws_access_key_id"]).returncode == 0


@pytest.mark.usefixtures("programs")
def test_another_desk_key_is_noticed_before_anything_breaks(tmp_path):
    database = ("--database", f"sqlite:///{tmp_path}/desk.db")
    made = run("create-key", *database, "--client", "a", *ANYTHING)
    assert made.returncode == 0
    (tmp_path / "desk.db.key").write_bytes(b"k" * 32)
    for refused in (run("create-key", *database, "--client", "b", *ANYTHING), refused_start(*database)):
        assert (refused.returncode, "is not the one" in refused.stderr) == (2, True), refused.stderr
    (tmp_path / "desk.db.key").write_bytes(b"short")
    assert "32 random bytes" in run("create-key", *database, "--client", "b", *ANYTHING).stderr
    (tmp_path / "desk.db.key").unlink()
    assert "cannot be read" in refused_start(*database).stderr
    assert not (tmp_path / "desk.db.key").exists(), "a lost key is not replaced in silence"


@pytest.mark.usefixtures("programs")
def test_a_desk_without_any_key_says_how_to_make_one(tmp_path):
    port = free_port()
    desk = ServerProcess(
        [
            *(sys.executable, "-m", "include.review_desk", "serve", "--port", str(port)),
            *(
                "--database",
                f"sqlite:///{tmp_path}/desk.db",
                "--s3-endpoint",
                "http://127.0.0.1:9",
                "--any-bucket",
            ),
        ],
        {},
        f"http://127.0.0.1:{port}/healthz",
        tmp_path / "desk.log",
    )
    try:
        desk.start()
    finally:
        desk.stop()
    assert "create-key" in desk.log.read_text()


@pytest.mark.parametrize(
    ("command", "part"),
    [
        (("create-key", "--client", " ", *ANYTHING), "client's name"),
        (("create-key", "--client", "a\nb", *ANYTHING), "client's name"),
        (("revoke-key", "SLDKNONE"), "list-keys"),
        (
            ("create-key", "--client", "a", "--operations", "admin", "--any-team"),
            "Say what the key may reach",
        ),
        (("create-key", "--client", "a", *ANYTHING, "--bucket", "b-1"), "contradicts --bucket"),
        ((*KEY_OF_ADMIN, "--any-team", "--bucket", "b-1", "--read-prefix", "s3://b-2/x"), "must lie in one"),
        (
            (*KEY_OF_ADMIN, "--any-team", "--any-bucket", "--read-prefix", "images/"),
            "like s3://bucket/folder/",
        ),
        (
            (*KEY_OF_ADMIN, "--any-team", "--any-bucket", "--read-prefix", "s3://b-1/x/../y"),
            "like s3://bucket",
        ),
        ((*KEY_OF_ADMIN, "--team", "a_b", "--any-bucket"), "team name"),
    ],
)
def test_a_wrong_key_command_is_one_sentence(site, command: tuple[str, ...], part: str):
    result = run(command[0], "--database", site.database_url, *command[1:])
    assert (result.returncode, part in result.stderr, "Traceback" in result.stderr) == (2, True, False)
