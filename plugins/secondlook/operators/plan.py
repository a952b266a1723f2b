"""Decide how a night is scored, and cut it into pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowSkipException

from secondlook.names import NIGHT
from secondlook.nights import check_run
from secondlook.operators.base import SecondLookOperator
from secondlook.settings import ReviewSettings, ServingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

ENDPOINT, TRANSFORM = "endpoint", "transform"
SCORING = "scoring"
DEFAULT_MAX_MAP_LENGTH = 1024


class NightPlanOperator(SecondLookOperator):
    """Count the night's images, cut them into shards and choose between endpoint and batch transform.

    Returns the shards, ``[{"shard", "after", "until", "first_part", "parts"}, ...]``: ranges of names, one
    for a small night, never more than Airflow maps over (``[core] max_map_length``: larger shards instead).
    The images are listed as a stream. Pushes the XCom ``scoring`` (``endpoint`` or ``transform``).

    A backfill run never deploys, so it is always scored by batch transform. Its night is skipped when it has
    no images, as archives have gaps; the scheduled night fails, because its upload is missing.

    Before it looks at any image it checks that the run can mean what it was given: a night that is over (see
    :func:`secondlook.nights.check_run`), a review policy that there is, and the labels that the champion was
    trained with.

    :param night: ``YYYY-MM-DD`` (templated).
    :param unfinished_night: whether the night may be one that is not over (templated).
    :param serving: how the night is scored (``endpoint``, ``transform`` or ``auto``: transform in a backfill
        run, else endpoint) and in what pieces: a section or its keys (templated).
    :param review: the policy that selects the night's reviews later; None: not checked (templated).
    :param labels: label names of the settings, compared with the champion's; None: not checked (templated).
    """

    template_fields = (
        *SecondLookOperator.template_fields,
        *("night", "unfinished_night", "serving", "review", "labels"),
    )
    ui_color = "#dbe9f6"

    def __init__(
        self,
        *,
        night: str,
        serving: ServingSettings | Mapping[str, Any] | str,
        review: ReviewSettings | Mapping[str, Any] | str | None = None,
        unfinished_night: bool | str = False,
        labels: Sequence[str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.night = night
        self.serving = self.check_section("serving", serving, ServingSettings)
        self.review = self.check_section("review", review, ReviewSettings) if review is not None else None
        self.unfinished_night = unfinished_night
        self.labels = labels
        self.check_text("night", night, NIGHT)

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """List the night once."""
        from secondlook.records.predictions import NightImages
        from secondlook.scoring.shards import cut

        serving = self.check_section("serving", self.serving, ServingSettings)
        self._check_run(context)
        images = NightImages(self.store, self.layout, str(self.night))
        count, shards = cut(
            images.names(),
            shard_size=serving.shard_size,
            part_size=serving.part_size,
            max_shards=conf.getint("core", "max_map_length", fallback=DEFAULT_MAX_MAP_LENGTH),
        )
        in_backfill = context["dag_run"].run_type == "backfill"
        if not count and in_backfill:
            raise AirflowSkipException(f"No images at {self.store.uri(images.folder)}; skipping this night.")
        if not count:
            raise images.none()
        way = self._way(serving.scoring, in_backfill=in_backfill)
        self.log.info(
            "This run is about the night %s: %d images in %d shards, scored by %s.",
            *(images.night, count, len(shards), "batch transform" if way == TRANSFORM else way),
        )
        context["ti"].xcom_push(key=SCORING, value=way)
        return [shard.to_record() for shard in shards]

    def _way(self, scoring: str, *, in_backfill: bool) -> str:
        if in_backfill and scoring == ENDPOINT:
            self.log.warning("A backfill run never deploys: it is scored by batch transform all the same.")
        if in_backfill or scoring == TRANSFORM:
            return TRANSFORM
        return ENDPOINT

    def _check_run(self, context: Context) -> None:
        """Refuse now what a later task would refuse after all the images have been scored."""
        from secondlook.review import resolve_policy

        check_run(context, str(self.night), unfinished=self.unfinished_night is True)
        if self.review is not None:
            review = self.check_section("review", self.review, ReviewSettings)
            resolve_policy(review.policy, **review.policy_params)
        self._check_labels()

    def _check_labels(self) -> None:
        """Refuse labels in another order or number than the champion's: people would see false ones."""
        from include.formats.text import normal
        from secondlook.records.models import NoChampionError, read_card, read_champion

        if self.labels is None:
            return
        try:
            champion = read_champion(self.store, self.layout.champion())
        except NoChampionError:
            return  # `deploy` and `score_archive` say what to run
        trained = read_card(self.store, self.layout, champion.model).labels
        if [normal(label) for label in self.labels] != [normal(label) for label in trained]:
            raise self.wrong(
                "labels",
                f"= {list(self.labels)} in the settings are not those that the champion {champion.model} was "
                f"trained with, {list(trained)}. A label's place is its class id, so the list is frozen with "
                "the first model: restore it, or use another prefix and bootstrap a model for other labels",
            )
