"""Row locks on PostgreSQL. SQLite has one writer at a time and ignores ``FOR UPDATE``.

The rule that keeps answers, leases and loops consistent: a transaction that changes an assignment or ends a
loop locks the loop's row first, and only then reads what it decides on. READ COMMITTED shows each later
statement everything that the previous holder of the lock committed. Without the lock, if two people left a
loop at the same moment, each transaction would see the other person still at work, and neither would end it.

A person's row is locked, before any loop's, to give them a task and to take a team or the account from them.
So a person who has just left is given no task, and no one is given more than the few that one may hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from include.review_desk.storage import schema

if TYPE_CHECKING:
    from sqlalchemy import Connection

_loops = schema.human_loops
_workers = schema.workers
# Not FOR UPDATE: new rows in other tables may still refer to the loop.
_LOCK = select(_loops.c.id).where(_loops.c.id == bindparam("loop")).with_for_update(key_share=True)

_LOCK_PERSON = (
    select(_workers.c.disabled_ms).where(_workers.c.id == bindparam("worker")).with_for_update(key_share=True)
)


def lock_loop(connection: Connection, loop_id: int) -> None:
    """Keep others from changing this loop and its assignments until the transaction ends."""
    connection.execute(_LOCK, {"loop": loop_id})


def lock_person(connection: Connection, worker_id: int) -> bool:
    """Keep others from giving this person tasks or closing the account; whether the account is open."""
    row = connection.execute(_LOCK_PERSON, {"worker": worker_id}).one_or_none()
    return row is not None and row.disabled_ms is None
