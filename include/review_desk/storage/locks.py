"""Row locks on PostgreSQL. SQLite has one writer at a time and ignores ``FOR UPDATE``.

The rule that keeps answers, leases and loops consistent: a transaction that changes an assignment or ends a
loop locks the loop's row first, and only then reads what it decides on. READ COMMITTED shows each later
statement everything that the previous holder of the lock committed. Without the lock, if two people left a
loop at the same moment, each transaction would see the other person still at work, and neither would end it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from include.review_desk.storage import schema

if TYPE_CHECKING:
    from sqlalchemy import Connection

_loops = schema.human_loops
# Not FOR UPDATE: new rows in other tables may still refer to the loop.
_LOCK = select(_loops.c.id).where(_loops.c.id == bindparam("loop")).with_for_update(key_share=True)


def lock_loop(connection: Connection, loop_id: int) -> None:
    """Keep others from changing this loop and its assignments until the transaction ends."""
    connection.execute(_LOCK, {"loop": loop_id})
