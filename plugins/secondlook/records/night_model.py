"""Which model scores a night."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondlook.records.models import read_card, read_champion
from secondlook.records.reviews import LedgerMissingError, ReviewRecords

if TYPE_CHECKING:
    from secondlook.hooks.s3 import ObjectStore
    from secondlook.layout import Layout
    from secondlook.runtime.task_log import Log
    from secondlook.training import Champion, ModelCard


def model_of_night(
    store: ObjectStore, layout: Layout, night: str, *, again: bool, log: Log
) -> Champion | ModelCard:
    """Return the model whose predictions of a night are wanted.

    Once a night's reviews are selected, that is the model they were selected with: the ledger is followed
    whatever another model says, so another scoring would be paid for nothing.

    Parameters
    ----------
    again
        Score by the champion all the same.

    Raises
    ------
    NoChampionError
        Nothing has been published yet.
    NoCardError
        The earlier model has lost its card.
    """
    champion = read_champion(store, layout.champion())
    if again:
        return champion
    selected_with = _selected_with(store, layout, night)
    if not selected_with or champion.model in selected_with:
        return champion
    earlier = selected_with[-1]
    log.info(
        "The reviews of %s were selected with the model %s, so the champion %s does not score the night "
        "again. To do that, trigger the run with score_again.",
        *(night, earlier, champion.model),
    )
    return read_card(store, layout, earlier)


def _selected_with(store: ObjectStore, layout: Layout, night: str) -> list[str]:
    """Return the models that a night's reviews were selected with and whose predictions there still are."""
    try:
        lines = ReviewRecords(store, layout, night).lines()
    except LedgerMissingError:
        return []
    models = dict.fromkeys(line.model for line in lines if line.from_night is None)
    return [model for model in models if store.exists(layout.predictions_summary(night, model))]
