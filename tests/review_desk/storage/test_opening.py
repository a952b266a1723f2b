"""Opening a database: what is refused, in which words, and that one server has it to itself."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from include.review_desk.errors import DeskSetupError
from include.review_desk.storage.database import Database
from include.review_desk.storage.engines import make_engine
from include.review_desk.storage.only_server import only_server
from include.review_desk.storage.opening import open_database
from tests.support.lanes import starts

ROOT = Path(__file__).resolve().parents[3]
SECRET = "not-a-secret"


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("desk.db", "not readable"),
        ("", "not readable"),
        (f"postgresql://desk:{SECRET}@host:port/x", "not readable"),
        (f"postgresql://desk:p@{SECRET}@127.0.0.1/desk", "%40 for @"),
        (f"mysql://desk:{SECRET}@127.0.0.1/desk", "must be SQLite"),
        (f"postgres://desk:{SECRET}@127.0.0.1/desk", "must be SQLite"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:////no/such/folder/desk.db", "create it first"),
        (f"postgresql://desk:{SECRET}@127.0.0.1:1/desk", "desk at 127.0.0.1:1 cannot be opened"),
        (f"postgresql+asyncpg://desk:{SECRET}@127.0.0.1:1/desk", "desk at 127.0.0.1:1 cannot be opened"),
        (f"postgresql://127.0.0.1:1/desk?user=a&password={SECRET}", "desk at 127.0.0.1:1 cannot be opened"),
    ],
)
def test_a_database_that_cannot_be_is_one_sentence_without_the_password(url: str, part: str):
    with pytest.raises(DeskSetupError) as refusal:
        open_database(url)
    message = refusal.value.message
    assert part in message
    assert SECRET not in message
    assert "\n" not in message
    assert message.count(". ") == 0
    assert message.endswith(".")


def test_a_file_that_is_no_database_is_one_sentence(tmp_path):
    path = tmp_path / "desk.db"
    path.write_text("this is a letter, not a database " * 100)
    with pytest.raises(DeskSetupError, match="cannot be opened: file is not a database"):
        open_database(f"sqlite:///{path}")


def test_the_database_and_its_log_are_for_their_owner_alone(tmp_path):
    path = tmp_path / "desk.db"
    before = os.umask(0o022)
    try:
        database = open_database(f"sqlite:///{path}")
        with database.read() as connection:
            connection.execute(text("SELECT 1"))
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("desk.db*")}
        database.close()
    finally:
        os.umask(before)
    assert modes == {"desk.db": 0o600, "desk.db-wal": 0o600, "desk.db-shm": 0o600}


def test_files_of_an_older_desk_are_taken_away_from_others(tmp_path):
    path = tmp_path / "desk.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as older:
        older.exec_driver_sql("PRAGMA journal_mode=WAL")
        older.exec_driver_sql("CREATE TABLE unrelated (id INTEGER)")
        older.commit()
        for file in tmp_path.glob("desk.db*"):
            file.chmod(0o644)
        database = open_database(f"sqlite:///{path}")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("desk.db*")}
        database.close()
    engine.dispose()
    assert modes == {"desk.db": 0o600, "desk.db-wal": 0o600, "desk.db-shm": 0o600}


def test_a_wrong_password_is_one_sentence_that_does_not_tell_it(postgres_server):
    wrong = postgres_server.create_database().replace(SECRET, "wrong-secret")
    with pytest.raises(DeskSetupError) as refusal:
        open_database(wrong)
    assert "password authentication failed" in refusal.value.message
    assert "secret" not in refusal.value.message
    assert "\n" not in refusal.value.message


def test_the_short_form_of_the_url_will_do(postgres_server):
    database = open_database(postgres_server.create_database().replace("postgresql+psycopg", "postgresql"))
    with database.read() as connection:
        assert connection.scalar(text("SHOW transaction_isolation")) == "repeatable read"
        assert connection.scalar(text("SHOW transaction_read_only")) == "on"
    with database.write() as connection:
        assert connection.scalar(text("SHOW transaction_isolation")) == "read committed"
    database.close()


def test_answers_are_on_disk_before_they_are_acknowledged_whatever_the_server_prefers(postgres_server):
    url = postgres_server.create_database()
    first = Database(make_engine(url))
    with first.write() as connection:
        name = connection.scalar(text("SELECT current_database()"))
        connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
    first.close()
    database = open_database(url)
    with database.read() as connection:
        assert connection.scalar(text("SHOW synchronous_commit")) == "on"
    database.close()


def test_connections_cut_off_meanwhile_are_replaced(postgres_server, monkeypatch):
    monkeypatch.setattr("include.review_desk.storage.engines._RESTED_SECONDS", 0)
    url = postgres_server.create_database()
    database, other = open_database(url), Database(make_engine(url))
    with other.write() as connection:
        cut = text(
            "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert connection.scalar(cut) >= 1
    with database.read() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    database.close()
    other.close()


@pytest.fixture(params=["sqlite", "postgresql"])
@starts("server")
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/desk.db"
    return request.getfixturevalue("postgres_server").create_database()


HOLD = """
import sys
from include.review_desk.storage.opening import open_database
from include.review_desk.storage.only_server import only_server
with only_server(open_database(sys.argv[1])):
    print("holding", flush=True)
    sys.stdin.read()
"""


def test_a_second_server_is_refused_until_the_first_is_gone(url, monkeypatch):
    monkeypatch.setattr("include.review_desk.storage.only_server._PATIENCE", "SET lock_timeout = '50ms'")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, url],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    database = open_database(url)
    try:
        assert holder.stdout.readline() == "holding\n"
        with (
            pytest.raises(DeskSetupError, match="Another Review Desk serves") as refusal,
            only_server(database),
        ):
            pass
        assert SECRET not in refusal.value.message
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        monkeypatch.undo()
        with only_server(database), database.write() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
    finally:
        holder.kill()
        holder.communicate()
        database.close()
