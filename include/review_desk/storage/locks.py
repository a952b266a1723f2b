"""Row locks on PostgreSQL. SQLite's writers are alone anyway, and it leaves ``FOR UPDATE`` out.

The rule that keeps answers, leases and loops in step: whoever changes an assignment or ends a loop locks the
loop's row first, and only then looks at what to decide on. READ COMMITTED shows each later statement
everything that the previous holder of the lock committed. Without it two people who leave a loop in one
moment would each see the other still at work, and nobody would end it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from include.review_desk.storage import schema

if TYPE_CHECKING:
    from sqlalchemy import Connection

_loops = schema.human_loops
# Not FOR UPDATE: new rows elsewhere may go on referring to the loop.
_LOCK = select(_loops.c.id).where(_loops.c.id == bindparam("loop")).with_for_update(key_share=True)


def lock_loop(connection: Connection, loop_id: int) -> None:
    """Keep everybody else from changing this loop and its assignments until the transaction ends."""
    connection.execute(_LOCK, {"loop": loop_id})
