"""Removing old rows of the audit trail, each removal a row itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select

from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.clock import as_datetime
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from include.review_desk.context import Desk

_DAY_MS = 24 * 3600 * 1000
_trail = schema.audit_trail


def trim(desk: Desk) -> int:
    """Remove the days (UTC) that are older than DeskConfig.audit_trail_days; returns how many had rows.

    One transaction for each day, so that other writers wait for no more than a day's rows.
    """
    now_ms = desk.clock()
    keep_from_ms = now_ms - desk.config.audit_trail_days * _DAY_MS
    keep_from_ms -= keep_from_ms % _DAY_MS
    oldest = select(func.min(_trail.c.time_ms))
    days = 0
    while True:
        with desk.database.read() as connection:
            oldest_ms = connection.scalar(oldest)
        if oldest_ms is None or oldest_ms >= keep_from_ms:
            return days
        _trim_before(desk, now_ms, oldest_ms - oldest_ms % _DAY_MS + _DAY_MS)
        days += 1


def _trim_before(desk: Desk, now_ms: int, before_ms: int) -> None:
    last_day = as_datetime(before_ms - 1).date().isoformat()
    with desk.database.write() as connection:
        # First: the database deletes nothing that no row says was removed.
        record(connection, now_ms, Action.TRAIL_TRIMMED, f"trail/{last_day}", trimmed_ms=before_ms)
        connection.execute(delete(_trail).where(_trail.c.time_ms < before_ms))
