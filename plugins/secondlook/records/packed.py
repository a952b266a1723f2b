"""The packed files that the first model is trained from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from secondlook.failures.exceptions import SecondLookError
from secondlook.hooks.s3 import SHA256
from secondlook.records.training_data import TrainingDataReader
from secondlook.training.recipe import CHANNELS

if TYPE_CHECKING:
    from secondlook.hooks.s3 import ObjectStore
    from secondlook.layout import Layout
    from secondlook.runtime.task_log import Log
    from secondlook.training import ManifestLine


class NotPackedError(SecondLookError):
    """The RecordIO files of the first training are not there."""


class Packed(NamedTuple):
    """Both splits: their lines, their manifests by channel, and the SHA-256 of both RecordIO files."""

    lines: tuple[tuple[ManifestLine, ...], tuple[ManifestLine, ...]]
    manifests: dict[str, bytes]
    contents: tuple[str, ...]


def read_packed(store: ObjectStore, layout: Layout, labels: tuple[str, ...], log: Log) -> Packed:
    """Read what the task ``pack`` has written.

    Raises
    ------
    NotPackedError
        It has not run.
    """
    contents = []
    for channel in CHANNELS:
        key = layout.bootstrap_recordio(channel)
        head = store.head(key)
        if head is None:
            raise NotPackedError(f"{store.uri(key)} does not exist: run the task pack first.")
        # Files that were packed elsewhere do not tell it.
        contents.append(head.metadata.get(SHA256) or store.sha256(key))
    reader = TrainingDataReader(store, layout, labels, log)
    lines = (reader.manifest(layout.bootstrap_manifest("train")).lines, reader.bootstrap_validation())
    # Packing again changes these manifests, and not what this model has learned.
    manifests = {channel: store.read(layout.bootstrap_manifest(channel)).data for channel in CHANNELS}
    return Packed(lines, manifests, tuple(contents))
