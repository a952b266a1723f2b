"""What there is to train on: answers of reviewers not learned yet, and everything learned before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from secondlook.errors import TrainingDataError as TrainingDataError
from secondlook.hooks.models import lineage
from secondlook.hooks.store import ObjectMissingError
from secondlook.training import LearnedManifest, ManifestLine, read_manifest
from secondlook.training.hyperparameters import check_hyperparameters as check_hyperparameters
from secondlook.training.hyperparameters import checked_hyperparameters as checked_hyperparameters
from secondlook.training.hyperparameters import hyperparameters_as_text as hyperparameters_as_text

if TYPE_CHECKING:
    from collections.abc import Collection

    from secondlook.hooks.store import ObjectStore
    from secondlook.layout import Layout


class Log(Protocol):
    """What a task logs with."""

    def warning(self, event: Any, /, *args: Any) -> Any:
        """Log a warning with lazily formatted arguments."""


@dataclass(frozen=True)
class Answers:
    """Lines of one or more manifests, and which manifests these are."""

    lines: tuple[ManifestLine, ...]
    manifests: tuple[LearnedManifest, ...]


@dataclass(frozen=True)
class ImageIdentities:
    """Images by address and by content: a copy under another name is the same image."""

    addresses: frozenset[str]
    etags: frozenset[str]

    @classmethod
    def of(cls, lines: Collection[ManifestLine]) -> ImageIdentities:
        """Collect the identities of all lines."""
        etags = frozenset(line.etag for line in lines if line.etag)
        return cls(frozenset(line.image for line in lines), etags)

    def __contains__(self, line: ManifestLine) -> bool:
        return line.image in self.addresses or (line.etag is not None and line.etag in self.etags)


class TrainingDataReader:
    """Reads manifests of one deployment; a faulty line is logged with its reason and left out."""

    def __init__(self, store: ObjectStore, layout: Layout, labels: tuple[str, ...], log: Log) -> None:
        self._store = store
        self._layout = layout
        self._labels = labels
        self._log = log

    def manifest(self, key: str) -> tuple[tuple[ManifestLine, ...], str]:
        """Lines and ETag of one manifest.

        Raises
        ------
        ObjectMissingError
            There is none.
        RecordError
            It is damaged.
        """
        data, etag = self._store.read(key)
        read = read_manifest(data, source=self._store.uri(key), labels=self._labels)
        for fault in read.faults:
            self._log.warning("Left out: %s", fault)
        return read.lines, etag

    def holdout(self, version: str) -> tuple[ManifestLine, ...]:
        """Lines of the frozen holdout; none when there is no holdout (evaluation complains of that)."""
        try:
            return self.manifest(self._layout.holdout_manifest(version))[0]
        except ObjectMissingError:
            return ()

    def new_answers(self, learned: Collection[str], held_out: ImageIdentities) -> Answers:
        """Reviewed manifests that the champion and its ancestors have not learned, in the order of nights.

        An image reviewed twice counts once, with its latest answer. Images of the holdout are left out, or
        the model could never be evaluated.
        """
        start = self._layout.reviewed_manifest("2000-01-01").removesuffix("2000-01-01/reviewed.manifest")
        lines: dict[str, ManifestLine] = {}
        manifests = []
        for item in self._store.list_objects(start):
            address = self._store.uri(item.key)
            if not item.key.endswith("/reviewed.manifest") or address in learned or item.size == 0:
                continue
            found, etag = self.manifest(item.key)
            lines |= {line.image: line for line in found if line not in held_out}
            leaked = sum(line in held_out for line in found)
            if leaked:
                self._log.warning(
                    "%d images of %s are in the holdout and are not trained on.", leaked, address
                )
            manifests.append(LearnedManifest(address, etag, len(found)))
        return Answers(tuple(lines.values()), tuple(manifests))

    def learned(self, learned: Collection[str], held_out: ImageIdentities) -> tuple[ManifestLine, ...]:
        """Everything to replay from: the bootstrap's training images and all answers learned since."""
        lines, _ = self.manifest(self._layout.bootstrap_manifest("train"))
        everything = {line.image: line for line in lines}
        for address in learned:
            found, _ = self.manifest(self._layout.key_of(address))
            everything |= {line.image: line for line in found}
        return tuple(line for line in everything.values() if line not in held_out)

    def bootstrap_validation(self) -> tuple[ManifestLine, ...]:
        """The bootstrap's validation images."""
        return self.manifest(self._layout.bootstrap_manifest("validation"))[0]


def trained_images(store: ObjectStore, layout: Layout, model: str, log: Log) -> ImageIdentities:
    """Every image that a model or one of its ancestors was trained or validated on.

    Raises
    ------
    NoCardError, ModelCardError, StoreError
        The lineage cannot be followed, so nobody can say what the model saw.
    """
    addresses: set[str] = set()
    etags: set[str] = set()
    for card in lineage(store, layout, model):
        reader = TrainingDataReader(store, layout, card.labels, log)
        for address in (card.data.train_manifest, card.data.validation_manifest):
            if address is not None:
                seen = ImageIdentities.of(reader.manifest(layout.key_of(address))[0])
                addresses |= seen.addresses
                etags |= seen.etags
    return ImageIdentities(frozenset(addresses), frozenset(etags))
