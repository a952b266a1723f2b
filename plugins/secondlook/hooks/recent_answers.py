"""How fast the team has answered lately, from the output documents of recent nights."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError

from secondlook.errors import S3UriError, SecondLookError
from secondlook.hooks.reviews import ReviewRecords
from secondlook.hooks.store import ObjectStore, StoreError
from secondlook.layout import split_s3_uri
from secondlook.review import typical_seconds

if TYPE_CHECKING:
    from secondlook.layout import Layout

RECENT_NIGHTS = 7
# A median of so many tells enough; more would only cost time.
MOST_OUTPUTS = 40
READERS = 8


def recent_seconds(
    store: ObjectStore, layout: Layout, night: str, aws_conn_id: str, region_name: str | None
) -> float | None:
    """Return the median time of an answer in the last night that has any.

    It looks at the nights of the last seven days and, for a night of an archive, at the seven before it. It
    serves a forecast only: what cannot be read does not count, and None means that nothing is known.
    """
    for recent in _nights_before(datetime.now(UTC).date(), date.fromisoformat(night)):
        try:
            outcomes = ReviewRecords(store, layout, recent.isoformat()).outcomes() or {}
        except (SecondLookError, BotoCoreError):
            continue
        places = [ending.output for ending in outcomes.values() if ending.outcome == "completed"]
        found = typical_seconds(_read([place for place in places if place], aws_conn_id, region_name))
        if found is not None:
            return found
    return None


def _nights_before(*days: date) -> list[date]:
    """The nights of the week before each day, the latest first, none twice."""
    before = (day - timedelta(days=back) for day in days for back in range(1, RECENT_NIGHTS + 1))
    return list(dict.fromkeys(before))


def _read(places: list[str], aws_conn_id: str, region_name: str | None) -> list[bytes | None]:
    """Read some of the documents, spread evenly over the list: the first are the hardest images."""
    step = max(1, -(-len(places) // MOST_OUTPUTS))
    split = []
    for place in places[::step]:
        try:
            split.append(split_s3_uri(place))
        except S3UriError:
            continue
    # Threads may share an S3 client but not make one.
    stores = {bucket: ObjectStore(bucket, aws_conn_id, region_name) for bucket in {b for b, _ in split}}

    def read(place: tuple[str, str]) -> bytes | None:
        try:
            return stores[place[0]].read(place[1])[0]
        except (StoreError, BotoCoreError):
            return None

    with ThreadPoolExecutor(READERS) as readers:
        return list(readers.map(read, split))
