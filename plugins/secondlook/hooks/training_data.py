"""What there is to train on: answers of reviewers not learned yet, and everything learned before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from secondlook.errors import SecondLookError
from secondlook.hooks.models import lineage
from secondlook.hooks.store import ObjectMissingError
from secondlook.training import LearnedManifest, ManifestLine, read_manifest

if TYPE_CHECKING:
    from collections.abc import Collection

    from secondlook.hooks.store import ObjectStore
    from secondlook.layout import Layout
    from secondlook.training import ModelCard


class Log(Protocol):
    """What a task logs with."""

    def warning(self, event: Any, /, *args: Any) -> Any:
        """Log a warning with lazily formatted arguments."""


class TrainingDataError(SecondLookError):
    """The images at hand cannot be trained on."""


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


def hyperparameters_as_text(values: dict[str, str | int | float | bool]) -> dict[str, str]:
    """SageMaker takes text only; a boolean is 1 or 0, or True or False for ``early_stopping``."""
    return {name: _text(name, value) for name, value in values.items()}


def _text(name: str, value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return str(value) if name == "early_stopping" else str(int(value))
    return str(value)


def check_hyperparameters(
    hyperparameters: dict[str, str], train: Collection[ManifestLine], parent: ModelCard | None, labels: int
) -> dict[str, str]:
    """Complete the hyperparameters by what the data says and check what the algorithm would fail on late.

    ``num_training_samples`` is the number of lines, ``label_width`` is raised to ``5 * boxes + 2`` of the
    image with the most boxes (SageMaker Developer Guide, Object Detection Hyperparameters).

    Raises
    ------
    TrainingDataError
        Fewer images than a batch, or a class list or base network other than the parent's.
    """
    complete = dict(hyperparameters)
    if parent is not None:
        for name in ("num_classes", "base_network"):
            inherited = parent.hyperparameters.get(name)
            if inherited is not None and complete.get(name, inherited) != inherited:
                raise TrainingDataError(
                    f"The hyperparameter {name} is {complete[name]}, but the parent {parent.model} has "
                    f"{inherited} and incremental training cannot change it: remove it from the settings or "
                    "train from scratch."
                )
    complete["num_classes"] = str(labels)
    complete["num_training_samples"] = str(len(train))
    most_boxes = max((len(line.annotations) for line in train), default=0)
    complete["label_width"] = str(max(int(complete.get("label_width", 350)), 5 * most_boxes + 2))
    batch = int(complete.get("mini_batch_size", 32))
    if len(train) < batch:
        raise TrainingDataError(
            f"There are {len(train)} training images and the algorithm needs at least one batch of {batch}: "
            "collect more images or lower the hyperparameter mini_batch_size."
        )
    return complete
