"""Worker templates, stored once by the SHA-256 of their text."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from include.review_desk.storage import schema

if TYPE_CHECKING:
    from include.review_desk.context import Desk

_uis = schema.human_task_uis
_templates = schema.templates


def keep(connection: Connection, content: str) -> str:
    """Store a template where it is new; returns its SHA-256, the ContentSha256 of DescribeHumanTaskUi."""
    digest = hashlib.sha256(content.encode("utf-8")).hexdigest()
    known = select(_templates.c.sha256).where(_templates.c.sha256 == digest)
    if connection.execute(known).first() is None:
        # Two programs may bring the same template under two names at the same moment.
        with contextlib.suppress(IntegrityError), connection.begin_nested():
            connection.execute(insert(_templates).values(sha256=digest, content=content))
    return digest


def of_task_ui(connection: Connection, name: str | None) -> str | None:
    """The template of a human task UI, or None."""
    return connection.scalar(
        select(_templates.c.content)
        .join(_uis, _uis.c.template_sha256 == _templates.c.sha256)
        .where(_uis.c.name == name)
    )


def by_digest(desk: Desk, digest: str) -> str | None:
    """The template with this SHA-256, or None."""
    with desk.database.read() as connection:
        return connection.scalar(select(_templates.c.content).where(_templates.c.sha256 == digest))
