"""The database refuses to change the audit trail, and deletes of it only what a row says was removed."""

from __future__ import annotations

import pytest
from alembic import command
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.storage import schema
from include.review_desk.storage.database import Database
from include.review_desk.storage.engines import make_engine
from include.review_desk.storage.opening import open_database
from include.review_desk.storage.upgrade import alembic_config
from tests.support.lanes import starts

TRAIL = schema.audit_trail


@pytest.fixture(params=["new", "migrated"])
def how(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=["sqlite", "postgresql"])
@starts("server")
def database(request: pytest.FixtureRequest, tmp_path, how: str):
    """With three rows, made at 1000, 2000 and 3000."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/desk.db"
    else:
        url = request.getfixturevalue("postgres_server").create_database()
    if how == "migrated":
        database = Database(make_engine(url))
        with database.migrate() as connection:
            command.upgrade(alembic_config(connection), "head")
    else:
        database = open_database(url)
    with database.write() as connection:
        for time_ms in (1000, 2000, 3000):
            record(connection, time_ms, Action.KEY_MADE, f"key/{time_ms}")
    yield database
    database.close()


def rows(database: Database) -> list[int]:
    with database.read() as connection:
        return list(connection.scalars(select(TRAIL.c.time_ms).order_by(TRAIL.c.id)))


@pytest.mark.parametrize(
    "statement",
    [
        update(TRAIL).values(actor="somebody else"),
        update(TRAIL).where(TRAIL.c.time_ms == 1000).values(time_ms=500),
        delete(TRAIL),
        delete(TRAIL).where(TRAIL.c.time_ms == 1000),
    ],
    ids=["update", "backdate", "delete all", "delete one"],
)
def test_rows_can_be_neither_changed_nor_deleted(database, statement):
    with pytest.raises(DBAPIError, match="append-only"), database.write() as connection:
        connection.execute(statement)
    assert rows(database) == [1000, 2000, 3000]


def test_the_table_can_be_neither_replaced_nor_emptied(database):
    if database.engine.dialect.name == "sqlite":
        statement = (
            "INSERT OR REPLACE INTO audit_trail (id, time_ms, actor_kind, action) VALUES (1, 9, 'desk', 'x')"
        )
    else:
        statement = "TRUNCATE audit_trail"
    with pytest.raises(DBAPIError, match="append-only"), database.write() as connection:
        connection.execute(text(statement))
    assert rows(database) == [1000, 2000, 3000]


def test_what_a_row_says_was_removed_may_be_deleted_and_nothing_else(database):
    with database.write() as connection:
        record(connection, 9000, Action.TRAIL_TRIMMED, "trail/1970-01-01", trimmed_ms=2000)
    with pytest.raises(DBAPIError, match="append-only"), database.write() as connection:
        connection.execute(delete(TRAIL).where(TRAIL.c.time_ms <= 2000))
    with database.write() as connection:
        connection.execute(delete(TRAIL).where(TRAIL.c.time_ms < 2000))
    assert rows(database) == [2000, 3000, 9000]


def test_no_row_can_claim_the_removal_of_itself(database):
    with pytest.raises(DBAPIError, match="audit_trail_trims_the_past"), database.write() as connection:
        record(connection, 9000, Action.TRAIL_TRIMMED, trimmed_ms=9000)
