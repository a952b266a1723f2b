"""Decide how a night is scored, and cut it into pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowSkipException

from secondlook.names import NIGHT
from secondlook.nights import check_run
from secondlook.operators.base import SecondLookOperator, is_template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

AUTO, ENDPOINT, TRANSFORM = "auto", "endpoint", "transform"
SCORING = "scoring"
DEFAULT_MAX_MAP_LENGTH = 1024


class NightPlanOperator(SecondLookOperator):
    """Count the night's images, cut them into shards and choose between endpoint and batch transform.

    Returns the shards, ``[{"shard", "after", "until", "first_part", "parts"}, ...]``: ranges of names, one
    for a small night, never more than Airflow maps over (``[core] max_map_length``: larger shards instead).
    The images are listed as a stream. Pushes the XCom ``scoring`` (``endpoint`` or ``transform``).

    A backfill run never deploys, so it is always scored by batch transform. Its night is skipped when it has
    no images, as archives have gaps; the scheduled night fails, as somebody has to see to its upload.

    Before it looks at any image it checks that the run can mean what it was given: a night that is over (see
    :func:`secondlook.nights.check_run`), a review policy that there is, and the labels that the champion was
    trained with.

    :param night: ``YYYY-MM-DD`` (templated).
    :param unfinished_night: whether the night may be one that is not over (templated).
    :param review_policy: the policy that the night's reviews are chosen by later; None: not checked
        (templated).
    :param policy_params: keyword arguments of the policy (templated).
    :param labels: label names of the settings, compared with the champion's; None: not checked (templated).
    :param scoring: ``endpoint``, ``transform`` or ``auto``: transform in a backfill run, else endpoint
        (templated).
    :param shard_size: most images per scoring task, rounded up to whole parts (templated).
    :param part_size: images per part file (templated).
    """

    template_fields = (
        *SecondLookOperator.template_fields,
        "night",
        "unfinished_night",
        "review_policy",
        "policy_params",
        "labels",
        "scoring",
        "shard_size",
        "part_size",
    )
    ui_color = "#dbe9f6"

    def __init__(
        self,
        *,
        night: str,
        unfinished_night: bool | str = False,
        review_policy: str | None = None,
        policy_params: dict[str, Any] | str | None = None,
        labels: Sequence[str] | str | None = None,
        scoring: str = AUTO,
        shard_size: int | str = 10000,
        part_size: int | str = 500,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.night = night
        self.unfinished_night = unfinished_night
        self.review_policy = review_policy
        self.policy_params = policy_params
        self.labels = labels
        self.scoring = scoring
        self.shard_size = shard_size
        self.part_size = part_size
        self.check_text("night", night, NIGHT)
        self.check_number("shard_size", shard_size, minimum=1)
        self.check_number("part_size", part_size, minimum=1)
        self._check_scoring()

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """List the night once."""
        from secondlook.records.predictions import NightImages
        from secondlook.scoring.shards import cut

        self._check_scoring()
        self._check_run(context)
        images = NightImages(self.store, self.layout, str(self.night))
        count, shards = cut(
            images.names(),
            shard_size=int(self.shard_size),
            part_size=int(self.part_size),
            max_shards=conf.getint("core", "max_map_length", fallback=DEFAULT_MAX_MAP_LENGTH),
        )
        in_backfill = context["dag_run"].run_type == "backfill"
        if not count and in_backfill:
            raise AirflowSkipException(
                f"There are no images at {self.store.uri(images.folder)}: nothing is asked about this night."
            )
        if not count:
            raise images.none()
        way = self._way(in_backfill=in_backfill)
        self.log.info(
            "This run is about the night %s: %d images in %d shards, scored by %s.",
            *(images.night, count, len(shards), "batch transform" if way == TRANSFORM else way),
        )
        context["ti"].xcom_push(key=SCORING, value=way)
        return [shard.to_record() for shard in shards]

    def _way(self, *, in_backfill: bool) -> str:
        if in_backfill and self.scoring == ENDPOINT:
            self.log.warning("A backfill run never deploys: it is scored by batch transform all the same.")
        if in_backfill or self.scoring == TRANSFORM:
            return TRANSFORM
        return ENDPOINT

    def _check_run(self, context: Context) -> None:
        """Refuse now what a later task would refuse after all the images have been scored."""
        from secondlook.review import resolve_policy

        check_run(context, str(self.night), unfinished=self.unfinished_night is True)
        if self.policy_params is not None and not isinstance(self.policy_params, dict):
            raise self.wrong("policy_params", f"must be an object of parameters, not {self.policy_params!r}")
        if self.review_policy is not None:
            resolve_policy(self.review_policy, **(self.policy_params or {}))
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

    def _check_scoring(self) -> None:
        if not is_template(self.scoring) and self.scoring not in (AUTO, ENDPOINT, TRANSFORM):
            raise self.wrong("scoring", f"= {self.scoring!r} is none of auto, endpoint and transform")
