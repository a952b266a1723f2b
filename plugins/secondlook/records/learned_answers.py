"""Which reviewers' answers a model and its ancestors have learned."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from secondlook.records.models import lineage
from secondlook.training import read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secondlook.hooks.s3 import ObjectStore, StoredObject
    from secondlook.layout import Layout
    from secondlook.training import ManifestLine, ModelCard


class LearnedAnswers:
    """The answers that a model's lineage has learned, by the cards of its models.

    A night's manifest grows when answers are added to a night, or come late. So a manifest counts as learned
    in the version that a training read; of a later version those answers are new that no training had.

    Parameters
    ----------
    store
        The deployment's bucket.
    layout
        Where things lie in it.
    model
        Id of the youngest model of the lineage.

    Raises
    ------
    NoCardError, RecordError
        At the first question: a model of the lineage has no readable card.
    """

    def __init__(self, store: ObjectStore, layout: Layout, model: str) -> None:
        self._store = store
        self._layout = layout
        self._model = model

    @cached_property
    def _cards(self) -> dict[str, list[ModelCard]]:
        """The cards of the models that learned from a manifest, by its address, youngest first."""
        cards: dict[str, list[ModelCard]] = {}
        for card in lineage(self._store, self._layout, self._model):
            for manifest in card.data.manifests:
                cards.setdefault(manifest.uri, []).append(card)
        return cards

    def has(self, manifest: StoredObject) -> bool:
        """Tell whether this version of a manifest was learned."""
        address = self._store.uri(manifest.key)
        return any(
            (learned.uri, learned.etag) == (address, manifest.etag)
            for card in self._cards.get(address, ())
            for learned in card.data.manifests
        )

    def new(self, address: str, lines: tuple[ManifestLine, ...]) -> tuple[ManifestLine, ...]:
        """Return the lines of a manifest that come from reviews which no earlier version of it had.

        A line whose image was learned by a later answer, from another night, is not new either.
        """
        reviews: set[tuple[str, str]] = set()
        latest: dict[str, str] = {}
        for line in self._lines(address):
            reviews.add((line.image, line.job_name))
            latest[str(line.sha256)] = max(line.night or "", latest.get(str(line.sha256), ""))
        return tuple(
            line
            for line in lines
            if (line.image, line.job_name) not in reviews
            and (line.night or "") >= latest.get(str(line.sha256), "")
        )

    def _lines(self, address: str) -> Iterator[ManifestLine]:
        """Yield what the models that learned from a manifest were trained and validated on."""
        for card in self._cards.get(address, ()):
            for source in (card.data.train_manifest, card.data.validation_manifest):
                if source is not None:
                    content = self._store.read(self._layout.key_of(source)).data
                    yield from read_manifest(content, source=source, labels=card.labels).lines
