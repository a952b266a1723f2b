"""The predictions of a scored night, for the task that selects images among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondlook.detection import Prediction
from secondlook.failures.exceptions import SecondLookError
from secondlook.review import ScoredNight

if TYPE_CHECKING:
    from secondlook.hooks.s3 import ObjectStore
    from secondlook.layout import Layout


class NothingScoredError(SecondLookError):
    """There are no predictions of the night."""


def read_scored_night(store: ObjectStore, layout: Layout, night: str, model: str) -> ScoredNight:
    """Return a model's predictions of a night, to be read once: a large night does not fit into memory.

    Raises
    ------
    NothingScoredError
        The night was not scored by this model.
    """
    parts = [item.key for item in store.list_objects(layout.prediction_parts(night, model))]
    if not parts and not store.exists(layout.predictions_summary(night, model)):
        raise NothingScoredError(
            f"There are no predictions of model {model} for {night} under "
            f"{store.uri(layout.predictions(night, model))}/: run the task that scores the night first."
        )
    return ScoredNight(Prediction.from_record(record) for key in parts for record in store.read_jsonl(key)[0])
