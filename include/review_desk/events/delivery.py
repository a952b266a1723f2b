"""Delivering events: each is sent to its destination until it is accepted, or 14 days have passed.

An event is deleted only after its destination has accepted it. If the desk is killed between the two, the
event is sent again, with the same bytes and so the same ``id``: receivers get each event at least once and
drop repeated ones by ``id``. EventBridge gives up after 24 hours; the desk keeps trying longer, since a
receiver may be down over a holiday.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, delete, select, update

from include.review_desk.events.destinations import EventNotTaken
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from include.review_desk.context import Desk
    from include.review_desk.events.destinations import Destination
    from include.review_desk.storage.database import AnyRow

logger = logging.getLogger(__name__)

KEEP_MS = 14 * 24 * 3600 * 1000
_FIRST_RETRY_MS = 500
_LONGEST_RETRY_MS = 300_000
# While one process sends an event no other should; if it dies, this is how long the event waits.
_CLAIM_MS = 30_000
_BATCH = 50

_events = schema.events


def forget_claims(desk: Desk) -> None:
    """At startup: events that were being sent when the desk stopped, or were waiting, are due now."""
    with desk.database.write() as connection:
        connection.execute(update(_events).values(next_attempt_ms=desk.clock()))


def deliver_due(desk: Desk, destination: Destination) -> int:
    """Send every due event to its destination, oldest first; returns how many it accepted.

    Once the destination turns out to be unreachable all its events wait, so that a long queue does not cost a
    timeout for each.
    """
    delivered = 0
    while True:
        with desk.database.read() as connection:
            due = connection.execute(
                select(_events)
                .where(_events.c.destination == destination.name, _events.c.next_attempt_ms <= desk.clock())
                .order_by(_events.c.id)
                .limit(_BATCH)
            ).all()
        for entry in due:
            if not _claim(desk, entry):
                continue
            try:
                destination.send(entry.body)
            except EventNotTaken as refusal:
                _postpone(desk, entry, refusal)
                if refusal.away:
                    return delivered
            else:
                with desk.database.write() as connection:
                    connection.execute(delete(_events).where(_events.c.id == entry.id))
                delivered += 1
        if len(due) < _BATCH:
            return delivered


def drop_old(desk: Desk) -> int:
    """Forget events that were not accepted for 14 days; returns how many."""
    with desk.database.write() as connection:
        dropped = connection.execute(
            delete(_events).where(_events.c.created_ms < desk.clock() - KEEP_MS)
        ).rowcount
    if dropped:
        logger.error("events dropped: no receiver took them for 14 days", extra={"events": dropped})
    return dropped


def _claim(desk: Desk, entry: AnyRow) -> bool:
    with desk.database.write() as connection:
        result = connection.execute(
            update(_events)
            .where(_unchanged(entry))
            .values(next_attempt_ms=desk.clock() + _CLAIM_MS, attempts=entry.attempts + 1)
        )
    return result.rowcount == 1


def _unchanged(entry: AnyRow) -> ColumnElement[bool]:
    return and_(_events.c.id == entry.id, _events.c.next_attempt_ms == entry.next_attempt_ms)


def _postpone(desk: Desk, entry: AnyRow, refusal: EventNotTaken) -> None:
    wait_ms = min(_LONGEST_RETRY_MS, _FIRST_RETRY_MS * 2 ** min(entry.attempts, 10))
    later = {"next_attempt_ms": desk.clock() + wait_ms, "last_error": str(refusal)[:200]}
    waiting = _events.c.id == entry.id
    if refusal.away:
        waiting |= and_(
            _events.c.destination == entry.destination,
            _events.c.next_attempt_ms < later["next_attempt_ms"],
        )
    with desk.database.write() as connection:
        connection.execute(update(_events).where(waiting).values(later))
    logger.warning(
        "event not taken, trying again",
        extra={
            "destination": entry.destination,
            "reason": str(refusal),
            "attempts": entry.attempts + 1,
            "wait_ms": wait_ms,
        },
    )
