"""Writing the audit trail."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sqlalchemy import insert

from include.review_desk.audit_trail import actors
from include.review_desk.storage import schema
from include.review_desk.storage.journal_entries import note_act

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from include.review_desk.audit_trail.actions import Action

_RECORD = insert(schema.audit_trail)
_UNRECORDED = "desk_unrecorded"


@contextlib.contextmanager
def unrecorded(connection: Connection) -> Iterator[None]:
    """Add no rows meanwhile: what a restore repeats was recorded when it was done."""
    connection.execution_options(**{_UNRECORDED: True})
    try:
        yield
    finally:
        connection.execution_options(**{_UNRECORDED: False})


def record(
    connection: Connection,
    now_ms: int,
    action: Action,
    on: str | None = None,
    *,
    by: int | None = None,
    person: int | None = None,
    team: int | None = None,
    trimmed_ms: int | None = None,
) -> None:
    """Add a row. Call it in the transaction of the act: then neither exists without the other.

    Nothing that people type and nothing secret may be passed: names of people are looked up when the trail is
    read, so that they can be erased.

    Parameters
    ----------
    on
        What was acted on, as ``<kind>/<name>``.
    by
        The signed-in person who acts (``workers.id``); None: the actor of :func:`actors.acting`.
    person
        The person that the act is about.
    team
        The team whose leads see the row (``workteams.id``).
    trimmed_ms
        Of a removal by age: all rows before this time may be deleted from now on.
    """
    if connection.get_execution_options().get(_UNRECORDED):
        return
    actor = actors.acting()
    row = {
        "time_ms": now_ms,
        "actor_kind": actor.kind if by is None else actors.PERSON,
        "actor_id": by,
        "actor": actor.name if by is None else None,
        "action": str(action),
        "object": on,
        "person_id": person,
        "team_id": team,
        "address": actor.address,
        "trimmed_ms": trimmed_ms,
    }
    connection.execute(_RECORD, row)
    note_act(connection, row)
