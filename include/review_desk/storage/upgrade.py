"""Bringing a database to the tables that this desk needs: schema.py for a new one, migrations for an old.

Who adds to schema.py adds the same to a migration (migrations/versions) and names it here; a test compares
the two on both databases.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from include.review_desk.errors import DeskSetupError
from include.review_desk.storage import append_only, facts, schema
from include.review_desk.storage.engines import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.config import Config

    from include.review_desk.storage.database import Database

HEAD = "0005"
"""The last migration: what a database made from schema.py counts as."""

# As in only_server: any numbers that no one else locks in this database ("desk", "tabl").
_LOCK = (0x6465736B, 0x7461626C)


def bring_up_to_date(database: Database) -> None:
    """Make the tables where there are none, change them where they are older.

    Either all of it happens or nothing, and only one process does it.

    Raises
    ------
    DeskSetupError
        The tables are newer than this desk.
    """
    with database.read() as connection:
        version = _version(connection)
    if version == HEAD:
        # Alembic takes half a second to import: not at every start.
        return
    with _alone(database) as connection:
        version = _version(connection)
        if version is None:
            schema.metadata.create_all(connection)
            append_only.guard(connection)
            _stamp(connection, HEAD)
        elif version != HEAD:
            _migrate(connection, version, describe(database.engine))
        facts.ensure_identity(connection)


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration for the migrations of this folder, on ``connection``."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _version(connection: Connection) -> str | None:
    """The latest migration of the tables; None where there are no tables."""
    tables = inspect(connection)
    if tables.has_table("alembic_version"):
        return str(connection.scalar(text("SELECT version_num FROM alembic_version")))
    if not tables.has_table("meta"):
        return None
    # Before migrations existed the version was stored here; there was only one.
    version = connection.scalar(text("SELECT value FROM meta WHERE key = 'schema_version'"))
    return "0001" if version == "1" else str(version)


def _migrate(connection: Connection, version: str, database: str) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory

    config = alembic_config(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version not in known:
        raise DeskSetupError(
            f"The database {database} has tables of version {version[:32]}, which is newer than this desk: "
            "start the desk that made them, or a newer one."
        )
    if not inspect(connection).has_table("alembic_version"):
        _stamp(connection, version)
    command.upgrade(config, HEAD)


def _stamp(connection: Connection, version: str) -> None:
    """Note the version as Alembic does."""
    connection.execute(
        text(
            "CREATE TABLE alembic_version "
            "(version_num VARCHAR(32) NOT NULL CONSTRAINT alembic_version_pkc PRIMARY KEY)"
        )
    )
    connection.execute(text("INSERT INTO alembic_version VALUES (:version)"), {"version": version})


@contextlib.contextmanager
def _alone(database: Database) -> Iterator[Connection]:
    """A transaction that no other process migrates beside."""
    with database.migrate() as connection:
        if database.engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s, %s)", _LOCK)
            yield connection
            return
        yield connection
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if broken is not None:
            raise DeskSetupError(
                f"The database {describe(database.engine)} refers to rows of {broken[2]} that it does not "
                "have: restore it from a backup."
            )
