"""Model cards and the champion pointer in S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondlook.failures.exceptions import SecondLookError
from secondlook.hooks.s3 import ObjectChangedError, ObjectMissingError
from secondlook.training import Champion, ModelCard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secondlook.hooks.s3 import ObjectStore
    from secondlook.layout import Layout


SWAP_ATTEMPTS = 20


class NoChampionError(SecondLookError):
    """There is no model yet."""


class NoCardError(SecondLookError):
    """A model has no card: nobody knows what it was trained on."""


def read_champion(store: ObjectStore, key: str) -> tuple[Champion, str]:
    """Return the champion pointer and its ETag.

    Raises
    ------
    NoChampionError
        Nothing has been published yet.
    ModelCardError
        The pointer cannot be read.
    """
    try:
        data, etag = store.read(key)
    except ObjectMissingError:
        raise NoChampionError(
            f"There is no champion yet at {store.uri(key)}: run the DAG bootstrap_detector first."
        ) from None
    return Champion.from_json(data, source=store.uri(key)), etag


def read_card(store: ObjectStore, layout: Layout, model: str) -> ModelCard:
    """Return a model's card.

    Raises
    ------
    NoCardError
        There is none.
    ModelCardError
        It cannot be read.
    """
    return _card(store, layout.card(model), model)[0]


def _card(store: ObjectStore, key: str, model: str) -> tuple[ModelCard, str]:
    try:
        data, etag = store.read(key)
    except ObjectMissingError:
        raise NoCardError(
            f"The model {model} has no card at {store.uri(key)}, so nobody can tell what it was trained on: "
            "train it with one of this project's DAGs."
        ) from None
    return ModelCard.from_json(data, source=store.uri(key)), etag


def record_verdict(store: ObjectStore, layout: Layout, model: str, verdict: dict[str, Any]) -> None:
    """Lay members over the verdict in a model's card; what another run writes meanwhile is kept.

    Raises like :func:`read_card`, and :class:`ObjectChangedError` when the card changes again and again.
    """
    key = layout.card(model)
    for attempt in range(1, SWAP_ATTEMPTS + 1):
        card, etag = _card(store, key, model)
        changed = card.with_verdict({**(card.verdict or {}), **verdict})
        if changed == card:
            return
        try:
            store.compare_and_swap(key, changed.to_json(), etag)
        except ObjectChangedError:
            if attempt == SWAP_ATTEMPTS:
                raise
        else:
            return


def lineage(store: ObjectStore, layout: Layout, model: str) -> Iterator[ModelCard]:
    """Yield the cards of a model and all its ancestors, youngest first. Raises like :func:`read_card`."""
    seen: set[str] = set()
    next_model: str | None = model
    while next_model is not None and next_model not in seen:
        seen.add(next_model)
        card = read_card(store, layout, next_model)
        yield card
        next_model = card.parent
