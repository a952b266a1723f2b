"""The desk's background work, each part in a thread of its own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from include.review_desk.audit_trail import retention
from include.review_desk.events import delivery
from include.review_desk.periodic import Periodic
from include.review_desk.work import housekeeping, outbox

if TYPE_CHECKING:
    from include.review_desk.context import Desk
    from include.review_desk.counts import OperationCounts
    from include.review_desk.people.api_keys import ApiKeys

_SWEEP_SECONDS = 0.5
_OUTBOX_SECONDS = 0.25
_EVENTS_SECONDS = 0.5
_COUNTS_SECONDS = 1.0
_KEYS_SECONDS = 5.0
_PURGE_SECONDS = 3600.0


def background_threads(desk: Desk, counts: OperationCounts, api_keys: ApiKeys) -> list[Periodic]:
    """The desk's threads, not started yet. Each destination of events has its own, to delay no other."""
    return [
        Periodic("sweep", partial(housekeeping.sweep, desk), _SWEEP_SECONDS),
        Periodic("outbox", partial(outbox.deliver_due, desk), _OUTBOX_SECONDS, desk.outbox_changed),
        *(
            Periodic(
                f"events-{destination.name}",
                partial(delivery.deliver_due, desk, destination),
                _EVENTS_SECONDS,
            )
            for destination in desk.destinations
        ),
        Periodic("counts", counts.flush, _COUNTS_SECONDS),
        Periodic("api-keys", api_keys.flush, _KEYS_SECONDS),
        Periodic("purge", partial(_purge, desk), _PURGE_SECONDS),
    ]


def _purge(desk: Desk) -> None:
    housekeeping.purge(desk)
    delivery.drop_old(desk)
    retention.trim(desk)
