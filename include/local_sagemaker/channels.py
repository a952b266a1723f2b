"""A training job's input channels: files from the start, or named pipes filled epoch by epoch."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from include.formats import recordio
from include.formats.paths import UnsafeNameError, check_name, inside
from include.local_sagemaker.arns import invalid
from include.local_sagemaker.errors import JobError
from include.local_sagemaker.manifests import Attribute, augmented_lines, named_objects
from include.local_sagemaker.s3 import ObjectAddress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from include.local_sagemaker.manifests import NamedObject
    from include.local_sagemaker.s3 import S3

_FETCHERS = 4
_OPEN_POLL_SECONDS = 0.02


def input_mode(channel: dict[str, Any], default: str) -> str:
    """Return ``File`` or ``Pipe``; a channel's own mode overrides the job's; FastFile is served as File."""
    return "Pipe" if channel.get("InputMode", default) == "Pipe" else "File"


def check_channel(channel: dict[str, Any], default_mode: str) -> None:
    """Refuse, when a job is created, a channel that could never be read.

    Raises
    ------
    ServiceError
        ``ValidationException`` naming the channel.
    """
    name = channel["ChannelName"]
    try:
        check_name(name)
    except UnsafeNameError as error:
        raise invalid(f"A channel becomes a folder, and {error}; choose another ChannelName.") from error
    source = channel["DataSource"].get("S3DataSource")
    if source is None:
        raise invalid(f"Channel {name} needs an S3DataSource; others are not supported by this server.")
    if channel.get("CompressionType", "None") != "None":
        raise invalid(
            f"Channel {name}: CompressionType {channel['CompressionType']} is not supported by this server."
        )
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile", "AugmentedManifestFile"):
        raise invalid(f"Channel {name}: S3DataType {source['S3DataType']} is not supported by this server.")
    if source["S3DataType"] != "AugmentedManifestFile":
        return
    if not source.get("AttributeNames"):
        raise invalid(f"Channel {name}: AttributeNames must be given for an AugmentedManifestFile.")
    if input_mode(channel, default_mode) != "Pipe":
        raise invalid(f"Channel {name}: an AugmentedManifestFile needs the input mode Pipe.")


def check_pipes(channels: list[dict[str, Any]], default_mode: str) -> None:
    """Refuse a channel whose folder has the name of another channel's pipe, such as ``train_0``.

    Raises
    ------
    ServiceError
        ``ValidationException`` naming both channels.
    """
    pipes = {channel["ChannelName"] for channel in channels if input_mode(channel, default_mode) == "Pipe"}
    for channel in channels:
        name = channel["ChannelName"]
        piped, _, epoch = name.rpartition("_")
        if piped in pipes and epoch.isdecimal():
            raise invalid(f"Channel {name} has the name of a pipe of channel {piped}; choose another name.")


def download(s3: S3, channel: dict[str, Any], folder: Path) -> None:
    """Copy a File mode channel's objects into its folder, named relative to the prefix.

    Raises
    ------
    JobError
        When the bucket or an object does not exist, or a key's name leads out of the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    objects = named_objects(s3, channel["DataSource"]["S3DataSource"])
    # All names before the first byte: a job that is refused has written nothing.
    paths = [(item.address, _path(folder, item)) for item in objects]
    with ThreadPoolExecutor(_FETCHERS) as pool:
        list(pool.map(lambda pair: s3.download(*pair), paths))


def _path(folder: Path, item: NamedObject) -> Path:
    try:
        return inside(folder, item.name)
    except UnsafeNameError as error:
        raise JobError(
            f"{item.address.uri} cannot be a file of the channel, since {error}; rename the object, or name "
            "another prefix."
        ) from error


class PipeFeeder:
    """Fills ``<channel>_0``, ``<channel>_1``, ... one after the other, until stopped.

    The next epoch's named pipe exists before the current one is closed. An algorithm that
    closes a pipe early gets the next epoch. A failure while feeding is stored in :attr:`failure` and
    reported to ``on_failure``.
    """

    def __init__(self, s3: S3, channel: dict[str, Any], folder: Path, on_failure: Callable[[], None]) -> None:
        self._s3 = s3
        self._name: str = channel["ChannelName"]
        self._folder = folder
        self._wrapped = channel.get("RecordWrapperType", "None") == "RecordIO"
        self._seed: int | None = channel.get("ShuffleConfig", {}).get("Seed")
        self._source: dict[str, Any] = channel["DataSource"]["S3DataSource"]
        self._on_failure = on_failure
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"feed-{self._name}", daemon=True)
        self._lines: list[list[Attribute]] = []
        self.failure: JobError | None = None

    def prepare(self) -> None:
        """Resolve the channel's objects and make its first pipe.

        Raises
        ------
        JobError
            When the bucket, the manifest or one of its lines is invalid.
        """
        if self._source["S3DataType"] == "AugmentedManifestFile":
            self._lines = augmented_lines(self._s3, self._source["S3Uri"], self._source["AttributeNames"])
        else:
            self._lines = [[Attribute(item.address)] for item in named_objects(self._s3, self._source)]
        self._folder.mkdir(parents=True, exist_ok=True)
        self._make_pipe(0)

    def start(self) -> None:
        """Start feeding, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop feeding; the reading process must have ended, since a blocked write only ends with it."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            epoch = 0
            while self._feed(epoch):
                epoch += 1
        except JobError as error:
            self.failure = error
            self._on_failure()

    def _feed(self, epoch: int) -> bool:
        descriptor = self._open(epoch)
        if descriptor is None:
            return False
        try:
            # The reader may close early, and then asks for the next epoch.
            with contextlib.suppress(BrokenPipeError):
                for payload in self._payloads(epoch):
                    _write_all(descriptor, recordio.frame(payload) if self._wrapped else payload)
                    if self._stopped.is_set():
                        return False
        finally:
            self._make_pipe(epoch + 1)
            os.close(descriptor)
        return True

    def _open(self, epoch: int) -> int | None:
        """Wait for a reader; None when feeding was stopped before one came."""
        while not self._stopped.is_set():
            try:
                descriptor = os.open(self._pipe(epoch), os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise JobError(f"The pipe of channel {self._name} cannot be opened: {error}.") from error
                self._stopped.wait(_OPEN_POLL_SECONDS)
                continue
            os.set_blocking(descriptor, True)
            return descriptor
        return None

    def _payloads(self, epoch: int) -> Iterator[bytes]:
        """Yield one epoch's records; objects are fetched ahead, a few at a time."""
        lines = list(self._lines)
        if self._seed is not None:
            random.Random(f"{self._seed}:{epoch}").shuffle(lines)
        attributes = [attribute for line in lines for attribute in line]
        with ThreadPoolExecutor(_FETCHERS) as pool:
            for start in range(0, len(attributes), 4 * _FETCHERS):
                yield from pool.map(self._content, attributes[start : start + 4 * _FETCHERS])

    def _content(self, attribute: Attribute) -> bytes:
        if isinstance(attribute.content, ObjectAddress):
            return self._s3.read(attribute.content)
        return attribute.content

    def _pipe(self, epoch: int) -> Path:
        return inside(self._folder, f"{self._name}_{epoch}")

    def _make_pipe(self, epoch: int) -> None:
        # The folder is removed when the job ends, perhaps before the feeder has noticed.
        with contextlib.suppress(FileNotFoundError):
            os.mkfifo(self._pipe(epoch))


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
