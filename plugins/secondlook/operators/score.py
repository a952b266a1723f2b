"""Score a night's images, or one shard of them, with the endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondlook.names import NIGHT, RESOURCE_NAME
from secondlook.operators.base import SecondLookOperator
from secondlook.runtime.links import EndpointLink
from secondlook.scoring.shards import WHOLE_NIGHT, Shard
from secondlook.settings import ServingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from secondlook.jobs.served_config import ServedConfig
    from secondlook.records.predictions import Counts, NightPredictions
    from secondlook.scoring.part_scorer import PartScorer


class SageMakerScoreImagesOperator(SecondLookOperator):
    """Score the objects below ``images/<night>/`` and write one line for each: prediction or quarantine.

    Images are listed page by page and scored part by part by ``concurrency`` threads: memory does not grow
    with the night. A finished part carries a hash of its inputs (model, keys, ETags) in its metadata; a retry
    skips it. Throttling and faults of the service are retried by the client and then fail the task; they
    never quarantine an image.

    Images that are themselves at fault are quarantined. If the model gives no usable answer about more
    than ``max_failure_share`` of a part, the task fails with one sentence and the part is not written (see
    ``scoring.quarantine``).

    With a ``shard`` of :class:`NightPlanOperator` it scores that range of the night, for
    :class:`ScoredNightOperator` to join, and returns ``{"shard", "images", "scored", "quarantined"}``.
    Without, it scores and joins the whole night and returns ``{"night", "model", "images", "scored",
    "quarantined", "predictions"}``.

    :param night: ``YYYY-MM-DD`` (templated).
    :param endpoint_name: name of the endpoint (templated).
    :param model: id of the model that it serves (templated).
    :param endpoint_config: the endpoint config that holds this model, as the deployment returns it. While
        the endpoint serves another one nothing is written: a line never names the wrong model. None: the
        config that answers when the task begins (templated).
    :param serving: size of parts, concurrency and the share of failures: a section or its keys (templated).
    :param labels: label names; an answer with a class beyond them is another model's. None: not checked
        (templated).
    :param shard: range of the night to score, None for all of it; map over it with ``expand``.
    """

    template_fields = (
        *SecondLookOperator.template_fields,
        *("night", "endpoint_name", "model", "endpoint_config", "serving", "labels"),
    )
    operator_extra_links = (EndpointLink(),)
    ui_color = "#dbe9f6"

    def __init__(
        self,
        *,
        night: str,
        endpoint_name: str,
        model: str,
        serving: ServingSettings | Mapping[str, Any] | str,
        endpoint_config: str | None = None,
        labels: Sequence[str] | str | None = None,
        shard: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.night = night
        self.endpoint_name = endpoint_name
        self.model = model
        self.endpoint_config = endpoint_config
        self.serving = self.check_section("serving", serving, ServingSettings)
        self.labels = labels
        self.shard = shard
        self.check_text("night", night, NIGHT)
        self.check_text("endpoint_name", endpoint_name, RESOURCE_NAME)
        self.check_text("model", model)

    def execute(self, context: Context) -> dict[str, Any]:
        """Score what has not been scored yet."""
        from secondlook.jobs.served_config import ServedConfig
        from secondlook.records.predictions import NightImages, NightPredictions

        name, size = str(self.endpoint_name), self._settings.part_size
        EndpointLink.persist(context, self, client=self.sagemaker.client, name=name)
        served = ServedConfig(self.sagemaker, name, self.endpoint_config)
        images = NightImages(self.store, self.layout, str(self.night))
        predictions = NightPredictions(self.store, self.layout, images, str(self.model), size)
        if self.shard is not None:
            shard = Shard.from_record(self.shard)
            counts = self._score(predictions, shard, served)
            return {
                "shard": shard.shard,
                "images": counts.images,
                "scored": counts.scored,
                "quarantined": counts.quarantined,
            }
        for shard in WHOLE_NIGHT:
            self._score(predictions, shard, served)
        return predictions.conclude(WHOLE_NIGHT)

    @property
    def _settings(self) -> ServingSettings:
        return self.check_section("serving", self.serving, ServingSettings)

    def _score(self, predictions: NightPredictions, shard: Shard, served: ServedConfig) -> Counts:
        from secondlook.records.predictions import Counts

        scorer, done = self._scorer(), Counts()
        for number, images in predictions.parts(shard):
            part = predictions.finished(number, images)
            already = part is not None
            if part is None:
                outcomes = scorer.score(f"part {number} of the night {predictions.night}", images)
                part = predictions.write(number, images, served.during(outcomes))
            done += part
            self.log.info(
                "Part %d%s: %d images scored so far, %d quarantined.",
                *(number, " was finished already" if already else "", done.scored, done.quarantined),
            )
        return done

    def _scorer(self) -> PartScorer:
        from secondlook.hooks.endpoint import EndpointHook
        from secondlook.scoring import FailureRule
        from secondlook.scoring.endpoint_model import EndpointModel
        from secondlook.scoring.image_scorer import ImageScorer
        from secondlook.scoring.part_scorer import PartScorer

        endpoint = EndpointHook(str(self.endpoint_name), self.aws_conn_id, self.region_name)
        labels = len(self.labels) if self.labels is not None else None
        model = EndpointModel(endpoint, str(self.model), labels=labels)
        rule = FailureRule(self._settings.max_failure_share)
        return PartScorer(ImageScorer(self.store, model), model, rule, self._settings.concurrency)
