"""What the database knows about itself: which Desk it is, and where its journal is."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from include.review_desk.storage import schema

if TYPE_CHECKING:
    from sqlalchemy import Connection

IDENTITY = "identity"
"""Tells this Desk's journals and backups from those of others; a restored database keeps it."""
JOURNAL = "journal"
"""The path of the journal in use."""

_facts = schema.desk_facts


def get(connection: Connection, name: str) -> str | None:
    """What is known; None: nothing."""
    value: str | None = connection.scalar(select(_facts.c.value).where(_facts.c.name == name))
    return value


def put(connection: Connection, name: str, value: str | None) -> None:
    """Replace what is known; None forgets it."""
    connection.execute(delete(_facts).where(_facts.c.name == name))
    if value is not None:
        connection.execute(insert(_facts).values(name=name, value=value))


def ensure_identity(connection: Connection) -> None:
    """Give a database without an identity a random one."""
    if get(connection, IDENTITY) is None:
        put(connection, IDENTITY, secrets.token_hex(16))
