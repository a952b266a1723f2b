"""Join what the scoring tasks of a night have written, and check it image by image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from secondlook.failures.exceptions import SecondLookError
from secondlook.names import NIGHT
from secondlook.operators.base import SecondLookOperator
from secondlook.settings import ServingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context


class NothingScoredError(SecondLookError):
    """Every file of a night is in quarantine: a night that did nothing must not be green."""

    passing = False


class ScoredNightOperator(SecondLookOperator):
    """Check that every image of the night is in exactly one part, as a prediction or in quarantine.

    Writes ``quarantine.jsonl`` and ``summary.json`` beside the parts and deletes parts of an earlier, longer
    list. It reads one part at a time, whether an endpoint or a batch transform scored it.

    Returns ``{"night", "model", "images", "scored", "quarantined", "predictions"}``. An image that is
    missing, listed twice, replaced or not of the night fails the task with a sentence that names it. So does
    a night of which no file could be scored; in a backfill run its remaining tasks are skipped, as for a
    night without images.

    :param night: ``YYYY-MM-DD`` (templated).
    :param model: id of the model that scored (templated).
    :param shards: what :class:`NightPlanOperator` returned; None for a night in one piece (templated).
    :param serving: the size of parts: a section or its keys (templated).
    """

    template_fields = (*SecondLookOperator.template_fields, "night", "model", "shards", "serving")
    ui_color = "#dbe9f6"

    def __init__(
        self,
        *,
        night: str,
        model: str,
        serving: ServingSettings | Mapping[str, Any] | str,
        shards: Sequence[dict[str, Any]] | Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.night = night
        self.model = model
        self.shards = shards
        self.serving = self.check_section("serving", serving, ServingSettings)
        self.check_text("night", night, NIGHT)
        self.check_text("model", model)

    def execute(self, context: Context) -> dict[str, Any]:
        """Read every part once."""
        from secondlook.records.predictions import NightImages, NightPredictions
        from secondlook.scoring.shards import shards_of

        images = NightImages(self.store, self.layout, str(self.night))
        size = self.check_section("serving", self.serving, ServingSettings).part_size
        predictions = NightPredictions(self.store, self.layout, images, str(self.model), size)
        result = predictions.conclude(shards_of(self.shards))
        tell = self.log.warning if result["quarantined"] else self.log.info
        tell(
            "Night %s, model %s: %d images, %d scored, %d quarantined.",
            *(result["night"], result["model"], result["images"], result["scored"], result["quarantined"]),
        )
        if result["images"] and not result["scored"]:
            reasons = self.store.uri(self.layout.quarantine(str(self.night), str(self.model)))
            sentence = (
                f"None of the {result['images']} files of the night {self.night} could be scored: {reasons} "
                "has the reason of each. Upload images that can be, under other names, then clear `plan` and "
                "what follows."
            )
            if context["dag_run"].run_type == "backfill":
                raise AirflowSkipException(sentence)
            raise NothingScoredError(sentence)
        return result
