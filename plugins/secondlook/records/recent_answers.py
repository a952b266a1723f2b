"""How fast the team has answered lately, whatever nights it was asked about, from its output documents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError

from secondlook.failures.exceptions import S3UriError
from secondlook.hooks.s3 import StoreError
from secondlook.layout import split_s3_uri
from secondlook.review import typical_seconds
from secondlook.threads import READERS, in_order

if TYPE_CHECKING:
    from secondlook.hooks.s3 import ObjectStore, StoredObject

# Answers given longer ago say little about today.
RECENT = timedelta(days=7)
# An answer lies under the time at which its review was asked for, and people may take their time.
LONGEST_REVIEW = timedelta(days=10)
# A median of so many tells enough; more would only cost time.
MOST_OUTPUTS = 40
_DOCUMENT = "/output.json"


def recent_seconds(store: ObjectStore, output: str, flow: str) -> float | None:
    """Return the median time of the answers given in the last seven days, for an archive's nights as well.

    It serves a forecast only: what cannot be read does not count, and None means that nothing is known.

    Parameters
    ----------
    store
        Any bucket of the connection that can read the answers.
    output
        ``S3OutputPath`` of the flow definition.
    flow
        Its name.
    """
    try:
        bucket, folder = split_s3_uri(output)
        answers = store.of_bucket(bucket)
        documents = _recent(answers, "/".join(part for part in (folder.rstrip("/"), flow) if part))
    except (S3UriError, StoreError, BotoCoreError):
        return None
    return typical_seconds(_read(answers, [item.key for item in documents]))


def _recent(store: ObjectStore, folder: str) -> list[StoredObject]:
    """List the documents that were written lately; the service files them by the time of asking (UTC)."""
    now = datetime.now(UTC)
    start = now - RECENT - LONGEST_REVIEW
    listed = store.list_objects(f"{folder}/", after=f"{folder}/{start:%Y/%m/%d}")
    return [
        item
        for item in listed
        if item.key.endswith(_DOCUMENT) and (item.modified is None or item.modified >= now - RECENT)
    ]


def _read(store: ObjectStore, keys: list[str]) -> list[bytes | None]:
    """Read some of the documents, spread evenly over the list: a night's first are its hardest images."""
    step = max(1, -(-len(keys) // MOST_OUTPUTS))

    def read(key: str) -> bytes | None:
        try:
            return store.read(key)[0]
        except (StoreError, BotoCoreError):
            return None

    return list(in_order(read, keys[::step], READERS))
