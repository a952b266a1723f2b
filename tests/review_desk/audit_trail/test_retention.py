"""Old days of the audit trail go by the desk's clock, and say so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from include.review_desk.audit_trail import entries, retention
from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import record
from include.review_desk.background import background_threads
from include.review_desk.counts import OperationCounts
from include.review_desk.people.api_keys import ApiKeys
from include.review_desk.people.desk_key import DeskKey
from include.review_desk.storage import schema
from tests.review_desk.in_process import clock, desk

__all__ = ["clock", "desk"]

DAY = 24 * 3600


@pytest.fixture
def kept_2_days(desk):
    return replace(desk, config=replace(desk.config, audit_trail_days=2))


def acts(desk) -> list[tuple[str, str | None]]:
    with desk.database.read() as connection:
        return [(entry.action, entry.object) for entry in entries.read(connection, entries.Wanted())]


def test_days_that_are_too_old_go_one_by_one_and_each_is_recorded(kept_2_days, clock):
    clock.now_ms = 100 * DAY * 1000
    for day in range(5):
        with kept_2_days.database.write() as connection:
            record(connection, clock(), Action.KEY_MADE, f"key/{day}")
        clock.forward(DAY)
    # Now the 11th of April 1970 begins was day 100; it is day 105, and 103 and 104 are kept.
    assert retention.trim(kept_2_days) == 3
    assert acts(kept_2_days) == [
        ("key-made", "key/3"),
        ("key-made", "key/4"),
        ("trail-trimmed", "trail/1970-04-11"),
        ("trail-trimmed", "trail/1970-04-12"),
        ("trail-trimmed", "trail/1970-04-13"),
    ]
    assert retention.trim(kept_2_days) == 0, "no removal, no row"
    assert len(acts(kept_2_days)) == 5
    with kept_2_days.database.read() as connection:
        kinds = set(connection.scalars(select(schema.audit_trail.c.actor_kind)))
    assert kinds == {"desk"}


def test_rows_about_removals_go_when_they_are_old_themselves(kept_2_days, clock):
    for _ in range(10):
        with kept_2_days.database.write() as connection:
            record(connection, clock(), Action.KEY_MADE, "key/x")
        clock.forward(DAY)
        retention.trim(kept_2_days)
    assert len(acts(kept_2_days)) <= 6


def test_the_periodic_work_does_it(kept_2_days, clock, tmp_path):
    with kept_2_days.database.write() as connection:
        record(connection, clock(), Action.KEY_MADE, "key/old")
    clock.forward(4 * DAY)
    keys = ApiKeys(kept_2_days.database, DeskKey(tmp_path / "key"), clock)
    threads = background_threads(kept_2_days, OperationCounts(kept_2_days.database), keys)
    (purge,) = [thread for thread in threads if thread.name == "purge"]
    purge.start()
    purge.stop()
    assert [action for action, _ in acts(kept_2_days)] == ["trail-trimmed"]
