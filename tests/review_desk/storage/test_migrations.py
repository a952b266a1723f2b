"""An old database is brought up to date and loses nothing; a new one has the same tables at once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError

from include.review_desk.clock import system_clock
from include.review_desk.errors import DeskSetupError
from include.review_desk.people.api_keys import list_keys
from include.review_desk.people.purposes import ADMIN, Purpose
from include.review_desk.storage import schema
from include.review_desk.storage.database import Database
from include.review_desk.storage.engines import make_engine
from include.review_desk.storage.opening import open_database
from include.review_desk.storage.upgrade import HEAD, alembic_config
from tests.support.lanes import starts

ROOT = Path(__file__).resolve().parents[3]
# The dump of a database that a desk of version 1 made: loops completed, not yet written, in work, declined.
VERSION_1 = (Path(__file__).parent / "version_1.sql").read_text("utf-8")
Rows = dict[str, list[dict[str, Any]]]


def rows_of(connection: Connection) -> Rows:
    """All rows of all tables, in the order of their keys."""
    metadata = MetaData()
    metadata.reflect(connection)
    return {
        name: [
            dict(row._mapping)
            for row in connection.execute(select(table).order_by(*table.primary_key.columns))
        ]
        for name, table in metadata.tables.items()
    }


@pytest.fixture(scope="session")
def version_1_rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    engine = create_engine(f"sqlite:///{version_1_file(tmp_path_factory.mktemp('version-1'))}")
    with engine.connect() as connection:
        return rows_of(connection)


def version_1_file(folder: Path) -> Path:
    path = folder / "desk.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(VERSION_1)
    connection.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
@starts("server")
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/desk.db"
    return request.getfixturevalue("postgres_server").create_database()


@pytest.fixture
def old_url(empty_url: str, tmp_path: Path, version_1_rows: Rows) -> str:
    """A database of version 1, filled. No desk of version 1 ran on PostgreSQL: there it is made of 0001."""
    if empty_url.startswith("sqlite"):
        version_1_file(tmp_path)
        return empty_url
    database = Database(make_engine(empty_url))
    with database.migrate() as connection:
        command.upgrade(alembic_config(connection), "0001")
        metadata = MetaData()
        metadata.reflect(connection)
        for table in metadata.sorted_tables:
            if version_1_rows.get(table.name):
                connection.execute(insert(table), version_1_rows[table.name])
    database.close()
    return empty_url


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True}
    )
    return list(compare_metadata(context, schema.metadata))


def columns_of(connection: Connection) -> dict[str, set[str]]:
    tables = inspect(connection)
    return {
        name: {column["name"] for column in tables.get_columns(name)} for name in tables.get_table_names()
    }


def autoincrementing(connection: Connection) -> set[str]:
    made = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
    return {row.name for row in made if "AUTOINCREMENT" in row.sql}


def test_what_migrations_make_is_what_the_schema_says(empty_url):
    migrated = Database(make_engine(empty_url))
    with migrated.migrate() as connection:
        command.upgrade(alembic_config(connection), "head")
        assert differences(connection) == [], "add to migrations/versions what schema.py has"
        if migrated.engine.dialect.name == "sqlite":
            wanted = {
                t.name
                for t in schema.metadata.tables.values()
                if t.dialect_options["sqlite"]["autoincrement"]
            }
            assert autoincrementing(connection) == wanted
    migrated.close()


def test_a_new_database_needs_no_migration(empty_url):
    database = open_database(empty_url)
    with database.read() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD
        assert differences(connection) == []
        scripts = ScriptDirectory.from_config(alembic_config(connection))
        assert scripts.get_heads() == [HEAD]
    database.close()


def test_an_old_database_keeps_every_row(old_url, version_1_rows):
    database = open_database(old_url)
    with database.read() as connection:
        assert differences(connection) == []
        now = rows_of(connection)
    assert now.pop("alembic_version") == [{"version_num": HEAD}]
    for name, before in version_1_rows.items():
        if name not in ("meta", "alembic_version", "sqlite_sequence"):
            kept = [{column: row[column] for column in before[0]} for row in now[name]]
            assert kept == before, name
    assert "meta" not in now
    assert {row["lead"] for row in now["team_members"]} == {False}
    database.close()


def test_an_old_database_still_guards_its_references(old_url):
    database = open_database(old_url)
    members = insert(schema.team_members).values(team_id=1, worker_id=99)
    with pytest.raises(IntegrityError), database.write() as connection:
        connection.execute(members)
    twice = {"public_id": "x", "subject": "x", "created_ms": 0, "oidc_issuer": "a", "oidc_subject": "b"}
    people = [twice | {"name": "first"}, twice | {"name": "second", "public_id": "y", "subject": "y"}]
    with pytest.raises(IntegrityError, match="oidc"), database.write() as connection:
        connection.execute(insert(schema.workers), people)
    database.close()


def test_keys_and_sessions_of_an_old_desk_go_on(empty_url):
    database = Database(make_engine(empty_url))
    with database.migrate() as connection:
        command.upgrade(alembic_config(connection), "0002")
        for statement in (
            "INSERT INTO api_keys (access_key_id, client, created_ms) VALUES ('SLDKOLD', 'night', 1)",
            "INSERT INTO workers (name, public_id, subject, created_ms) VALUES ('ada', 'a', 'b', 1)",
            "INSERT INTO sessions (token_sha256, worker_id, created_ms, expires_ms) VALUES ('x', 1, 1, 2)",
        ):
            connection.execute(text(statement))
    database.close()
    before_ms = system_clock()
    database = open_database(empty_url)
    [key] = list_keys(database)
    assert key.purpose == Purpose("The key SLDKOLD (night)", ADMIN)
    with database.read() as connection:
        assert connection.scalar(select(schema.sessions.c.seen_ms)) >= before_ms
    database.close()


def test_two_desks_may_bring_a_database_up_to_date_at_once(old_url, version_1_rows):
    with ThreadPoolExecutor(4) as desks:
        opened = list(desks.map(open_database, [old_url] * 4))
    with opened[0].read() as connection:
        assert len(rows_of(connection)["assignments"]) == len(version_1_rows["assignments"])
    for database in opened:
        database.close()


def test_a_failure_half_way_leaves_the_old_database(old_url, version_1_rows):
    broken = Database(make_engine(old_url))
    with broken.write() as connection:
        connection.execute(text("CREATE TABLE events (id INTEGER PRIMARY KEY)"))
    with broken.read() as connection:
        before = columns_of(connection)
    with pytest.raises(DeskSetupError, match="events"):
        open_database(old_url)
    with broken.read() as connection:
        assert columns_of(connection) == before
        assert rows_of(connection)["workers"] == version_1_rows["workers"]
    broken.close()


def test_a_database_of_a_newer_desk_is_refused(empty_url):
    database = open_database(empty_url)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(DeskSetupError, match="tables of version 9999, which is newer than this desk"):
        open_database(empty_url)


@pytest.mark.usefixtures("programs")
def test_opening_a_database_that_is_up_to_date_does_not_load_alembic(tmp_path):
    url = f"sqlite:///{tmp_path}/desk.db"
    open_database(url).close()
    code = (
        "import sys; from include.review_desk.storage.opening import open_database; "
        f"open_database({url!r}).close(); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
