"""What there is to train on: answers of reviewers not learned yet, and everything learned before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from include.formats.images import UnusableImageError, inspect_image
from secondlook.failures.exceptions import SecondLookError
from secondlook.failures.exceptions import TrainingDataError as TrainingDataError
from secondlook.hooks.s3 import ObjectMissingError
from secondlook.records.content import with_content
from secondlook.records.models import lineage
from secondlook.training import (
    NO_IMAGES,
    ImageIdentities,
    LearnedManifest,
    ManifestLine,
    latest,
    named_images,
    read_manifest,
    too_many,
)
from secondlook.training.hyperparameters import check_hyperparameters as check_hyperparameters
from secondlook.training.hyperparameters import checked_hyperparameters as checked_hyperparameters
from secondlook.training.hyperparameters import hyperparameters_as_text as hyperparameters_as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from secondlook.hooks.s3 import ObjectStore
    from secondlook.layout import Layout
    from secondlook.records.learned_answers import LearnedAnswers
    from secondlook.runtime.task_log import Log


@dataclass(frozen=True)
class Answers:
    """Lines of one or more manifests, and which manifests these are."""

    lines: tuple[ManifestLine, ...]
    manifests: tuple[LearnedManifest, ...]


class UnknownImageError(SecondLookError):
    """What an image of a manifest is cannot be found out, so it cannot be compared with others."""


class StoredManifest(NamedTuple):
    """The usable lines of a manifest, each with its image's SHA-256; version and SHA-256 of the manifest."""

    lines: tuple[ManifestLine, ...]
    etag: str
    sha256: str


class TrainingDataReader:
    """Reads manifests of one deployment; a faulty line is logged with its reason and left out.

    An image whose line does not tell its SHA-256 is read, which takes time: the project's own lines tell it.
    """

    def __init__(self, store: ObjectStore, layout: Layout, labels: tuple[str, ...], log: Log) -> None:
        self._store = store
        self._layout = layout
        self._labels = labels
        self._log = log

    def manifest(self, key: str) -> StoredManifest:
        """Read one manifest; of lines about copies of one image the first counts.

        Raises
        ------
        ObjectMissingError
            There is none.
        RecordError
            It is damaged.
        ManifestError, UnknownImageError
            Too many lines cannot be used, or too many of the images that have to be read cannot be.
        """
        found, unknown = self._read(key)
        if too_many(len(unknown), len(found.lines) + len(unknown)):
            raise self._unread(key, unknown)
        for fault in unknown:
            self._log.warning("Left out: %s", fault)
        return found

    def holdout(self, version: str) -> StoredManifest:
        """Read the frozen holdout; it is empty when there is none (evaluation complains of that).

        Of lines that do not tell the SHA-256 (of a manifest from elsewhere or from an earlier version) those
        are left out whose image no model takes: it would fail every evaluation of every model.

        Raises
        ------
        UnknownImageError
            An image of it cannot be read and its line does not tell what it is: copies of it could be learned
            unseen.
        """
        key = self._layout.holdout_manifest(version)
        try:
            found, unknown = self._read(key, is_wanted=self._can_be_judged)
        except ObjectMissingError:
            return StoredManifest((), "", "")
        if unknown:
            raise self._unread(key, unknown)
        return found

    def new_answers(self, learned: LearnedAnswers, held_out: ImageIdentities) -> Answers:
        """Answers that the champion and its ancestors have not learned, and their manifests by night.

        An image reviewed twice, under whatever names, counts once, with its latest answer. Images of the
        holdout are left out, or the model could never be evaluated.
        """
        lines: list[ManifestLine] = []
        manifests = []
        for item in self._store.list_objects(self._layout.manifests() + "/"):
            address = self._store.uri(item.key)
            if not self._layout.is_reviewed_manifest(item.key) or item.size == 0 or learned.has(item):
                continue
            found, etag, sha256 = self.manifest(item.key)
            new = learned.new(address, found)
            kept = [line for line in new if line not in held_out]
            lines += kept
            leaked = len(new) - len(kept)
            if leaked:
                self._log.warning(
                    "%d images of %s are in the holdout and are not trained on.", leaked, address
                )
            manifests.append(LearnedManifest(address, etag, sha256, len(found)))
        return Answers(latest(lines), tuple(manifests))

    def learned(self, learned: Collection[str], held_out: ImageIdentities) -> tuple[ManifestLine, ...]:
        """Everything to replay from: the bootstrap's training images and all answers learned since."""
        everything = [*self.manifest(self._layout.bootstrap_manifest("train")).lines]
        for address in learned:
            everything += self.manifest(self._layout.key_of(address)).lines
        return tuple(line for line in latest(everything) if line not in held_out)

    def bootstrap_validation(self) -> tuple[ManifestLine, ...]:
        """The bootstrap's validation images."""
        return self.manifest(self._layout.bootstrap_manifest("validation")).lines

    def _unread(self, key: str, unknown: list[str]) -> UnknownImageError:
        return UnknownImageError(
            f"{self._store.uri(key)} does not tell the sha256 of {len(unknown)} images, and they cannot be "
            f"read: {unknown[0]}"
        )

    def _can_be_judged(self, line: ManifestLine, data: bytes) -> bool:
        try:
            inspect_image(data)
        except UnusableImageError as error:
            self._log.warning("Left out of the holdout: %s %s.", line.image, error)
            return False
        return True

    def _read(
        self, key: str, is_wanted: Callable[[ManifestLine, bytes], bool] | None = None
    ) -> tuple[StoredManifest, list[str]]:
        """Read a manifest; second, a sentence for each image that is not known by its content."""
        content = self._store.read(key)
        source = self._store.uri(key)
        read = read_manifest(content.data, source=source, labels=self._labels)
        for fault in read.faults:
            self._log.warning("Left out: %s", fault)
        lines, unknown = with_content(self._store, read.lines, is_wanted=is_wanted)
        once: dict[str, ManifestLine] = {}
        for line in filter(None, lines):
            first = once.setdefault(str(line.sha256), line)
            if first is not line:
                self._log.warning(
                    "Left out: %s in %s has the same content as %s.", line.image, source, first.image
                )
        return StoredManifest(tuple(once.values()), content.etag, content.sha256), unknown


def held_out_images(store: ObjectStore, layout: Layout, version: str) -> ImageIdentities:
    """Every image that the frozen holdout names, those of lines that nothing can be judged by included.

    Raises
    ------
    UnknownImageError
        A line does not tell the SHA-256 of its image, and that cannot be read.
    RecordError, ManifestError
        A line is no JSON, or names no image.
    """
    try:
        return _named_in(store, layout.holdout_manifest(version))
    except ObjectMissingError:
        return NO_IMAGES


def tell_replaced(images: Collection[str], of: int, log: Log) -> None:
    """Log which images were replaced after they were labelled, by address.

    Raises
    ------
    TrainingDataError
        There are too many for it to be a matter of single images.
    """
    for address in sorted(images):
        log.warning(
            "Left out: %s was replaced after it was labelled; its boxes are another image's.", address
        )
    if too_many(len(images), of):
        raise TrainingDataError(
            f"{len(images)} of {of} images to train on were replaced after they were labelled (for example "
            f"{min(images)}), so their boxes are those of other images: restore the earlier versions."
        )


def trained_images(store: ObjectStore, layout: Layout, model: str) -> ImageIdentities:
    """Every image that a model or one of its ancestors was trained or validated on.

    Raises
    ------
    UnknownImageError
        A card does not tell what its model learned, or an image has no SHA-256 and cannot be read any more.
    NoCardError, RecordError, StoreError
        The lineage is broken, so what the model saw is unknown.
    """
    seen = NO_IMAGES
    for card in lineage(store, layout, model):
        if card.data.train_manifest is None:
            raise UnknownImageError(
                f"The card of {card.model} names no train_manifest, so what the model has learned is unknown "
                "and no comparison with it is fair: add the manifest's address to the card."
            )
        for address in (card.data.train_manifest, card.data.validation_manifest):
            if address is not None:
                seen |= _named_in(store, layout.key_of(address))
    return seen


def _named_in(store: ObjectStore, key: str) -> ImageIdentities:
    source = store.uri(key)
    # A line that this reader could not use was trained on all the same: nothing is left out here.
    images, unknown = with_content(store, named_images(store.read(key).data, source=source))
    if unknown:
        raise UnknownImageError(
            f"{source} does not tell the sha256 of {len(unknown)} images, and they cannot be read, so they "
            f"may be images of the holdout: {unknown[0]}"
        )
    return ImageIdentities.of(filter(None, images))
