"""Model cards and the champion pointer in S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondlook.failures.exceptions import SecondLookError
from secondlook.records.document import Document
from secondlook.training import Champion, ModelCard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secondlook.hooks.s3 import ObjectStore
    from secondlook.layout import Layout


class NoChampionError(SecondLookError):
    """There is no model yet."""


class NoCardError(SecondLookError):
    """A model has no card, so it is unknown what it was trained on."""


def champion_document(store: ObjectStore, key: str) -> Document[Champion]:
    """Return the document of the champion pointer."""
    return Document(store, key, Champion)


def read_champion(store: ObjectStore, key: str) -> Champion:
    """Return the champion pointer.

    Raises
    ------
    NoChampionError
        Nothing has been published yet.
    RecordError
        The pointer cannot be read.
    """
    return present(champion_document(store, key).read(), store.uri(key))


def present(champion: Champion | None, uri: str) -> Champion:
    """Return the champion that a document holds, if it holds one. Raises NoChampionError."""
    if champion is None:
        raise NoChampionError(f"There is no champion yet at {uri}: run the DAG bootstrap_detector first.")
    return champion


def card_document(store: ObjectStore, layout: Layout, model: str) -> Document[ModelCard]:
    """Return the document of a model's card."""
    return Document(store, layout.card(model), ModelCard)


def read_card(store: ObjectStore, layout: Layout, model: str) -> ModelCard:
    """Return a model's card.

    Raises
    ------
    NoCardError
        There is none.
    RecordError
        It cannot be read.
    """
    document = card_document(store, layout, model)
    return _known(document.read(), document.uri, model)


def record_verdict(store: ObjectStore, layout: Layout, model: str, verdict: dict[str, Any]) -> None:
    """Lay members over the verdict in a model's card; what another run writes meanwhile is kept.

    Raises like :func:`read_card`.
    """
    document = card_document(store, layout, model)
    _known(document.update(lambda card: card.with_verdict(verdict)), document.uri, model)


def _known(card: ModelCard | None, uri: str, model: str) -> ModelCard:
    if card is None:
        raise NoCardError(
            f"The model {model} has no card at {uri}, so it is unknown what it was trained on: "
            "train it with one of this project's DAGs."
        )
    return card


def lineage(store: ObjectStore, layout: Layout, model: str) -> Iterator[ModelCard]:
    """Yield the cards of a model and all its ancestors, youngest first. Raises like :func:`read_card`."""
    seen: set[str] = set()
    next_model: str | None = model
    while next_model is not None and next_model not in seen:
        seen.add(next_model)
        card = read_card(store, layout, next_model)
        yield card
        next_model = card.parent
