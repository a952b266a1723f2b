"""Measure the challenger against the champion on images that neither has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from secondlook import names
from secondlook.failures.exceptions import SecondLookError
from secondlook.names import INSTANCE_TYPE, ROLE_ARN
from secondlook.operators.waiting import SageMakerOperator
from secondlook.runtime.links import TransformJobLink

if TYPE_CHECKING:
    from airflow.sdk import Context

    from secondlook.hooks.requests import TransformSpec
    from secondlook.training import Comparison, ManifestLine, ModelCard

NAME_PREFIX = "second-look"


class NoHoldoutError(SecondLookError):
    """There is no holdout to compare models on."""


class HoldoutChangedError(SecondLookError):
    """An image of the holdout is no longer the one that was frozen."""


class HoldoutLeakError(SecondLookError):
    """A model was trained on an image that it would be tested with."""


class DetectorEvaluationOperator(SageMakerOperator):
    """Compare challenger and champion, and the control if there is one, on the frozen holdout.

    Each model answers by a batch transform of the holdout; predictions are kept, so the champion is measured
    once per holdout version. A holdout image (by address or by content) among the training or validation
    images of a model or its ancestors is refused: such a comparison proves nothing. The comparison is written
    to ``evaluations/<version>/comparisons/<challenger>.json`` and its verdict into the challenger's card. A
    challenger whose parent is no longer champion is skipped: the comparison could decide nothing.

    Returns ``{"challenger", "champion", "promote", "comparison", "reason"}``.

    :param challenger: model id (templated).
    :param control: model id of the control arm, None without one (templated).
    :param holdout_version: which holdout (templated).
    :param execution_role_arn: role that the models run under (templated).
    :param instance_type: for the transform, for example ``ml.m5.xlarge`` (templated).
    :param max_concurrent_transforms: images in flight at once (templated).
    :param min_images: a smaller holdout never promotes (templated).
    :param min_delta: the 95 % interval of the pooled gain in mAP@0.5 must lie above it (templated).
    :param max_slice_loss: no slice may lose more mAP@0.5 (templated).
    """

    template_fields = (
        *SageMakerOperator.template_fields,
        "challenger",
        "control",
        "holdout_version",
        "execution_role_arn",
        "instance_type",
        "max_concurrent_transforms",
        "min_images",
        "min_delta",
        "max_slice_loss",
    )
    operator_extra_links = (TransformJobLink(),)
    ui_color = "#e4dcf2"

    def __init__(
        self,
        *,
        challenger: str,
        holdout_version: str,
        execution_role_arn: str,
        instance_type: str,
        control: str | None = None,
        max_concurrent_transforms: int | str = 4,
        min_images: int | str = 50,
        min_delta: float | str = 0.0,
        max_slice_loss: float | str = 0.02,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.challenger = challenger
        self.control = control
        self.holdout_version = holdout_version
        self.execution_role_arn = execution_role_arn
        self.instance_type = instance_type
        self.max_concurrent_transforms = max_concurrent_transforms
        self.min_images = min_images
        self.min_delta = min_delta
        self.max_slice_loss = max_slice_loss
        self.check_text("challenger", challenger)
        self.check_text("holdout_version", holdout_version)
        self.check_text("execution_role_arn", execution_role_arn, ROLE_ARN)
        self.check_text("instance_type", instance_type, INSTANCE_TYPE)
        # 100 MB in flight, as SageMaker allows, of images of 6 MB.
        self.check_number("max_concurrent_transforms", max_concurrent_transforms, minimum=1, maximum=16)
        self.check_number("min_images", min_images, minimum=1)
        self.check_number("min_delta", min_delta, minimum=0, maximum=1)
        self.check_number("max_slice_loss", max_slice_loss, minimum=0, maximum=1)

    def execute(self, context: Context) -> Any:
        """Check that the comparison is fair, then let every model answer."""
        challenger, champion = self._opponents()
        lines, content = self._holdout()
        self._refuse_replaced(lines)
        models = [challenger.model, champion, *([str(self.control)] if self.control else [])]
        for model in models:
            self._refuse_leak(model, lines)
        return self.advance(context, {"models": models, "jobs": self._plan(models, lines, content)})

    def advance(self, context: Context, progress: dict[str, Any]) -> Any:
        """Start what is not started, wait for what runs, then compare."""
        from secondlook.records.holdout import collect

        with self.leaving_on_failure():
            version, jobs = str(self.holdout_version), progress["jobs"]
            states = {model: self.sagemaker.job("transform", name) for model, name in jobs.items()}
            running = [jobs[model] for model, job in states.items() if job is None or job.active]
            if running:
                self.use_jobs(context, "transform", running, progress)
                for model in (model for model, job in states.items() if job is None):
                    self.sagemaker.start_transform(self._spec(model), jobs[model])
                    self.log.info("Model %s answers for the holdout in the job %s.", model, jobs[model])
                TransformJobLink.persist(context, self, client=self.sagemaker.client, name=running[0])
                return self.wait_for_jobs(context, "transform", running, progress)
            lines, content = self._holdout()
            for model, job in states.items():
                if job is not None and not job.succeeded:
                    raise self.job_failed("transform", job)
                collect(self.store, self.layout, version, model, lines, content)
            return self._compare(progress["models"], lines, content)

    def _opponents(self) -> tuple[ModelCard, str]:
        """Return the challenger's card and the id of the champion that it was trained from."""
        from secondlook.records.models import read_card, read_champion

        card = read_card(self.store, self.layout, str(self.challenger))
        champion = read_champion(self.store, self.layout.champion())
        # After a promotion the pointer names the challenger itself: a repeated evaluation is still the same
        # one.
        if card.parent is None or champion.model not in {card.parent, card.model}:
            raise AirflowSkipException(
                f"{card.model} was trained from {card.parent}, but the champion is now {champion.model}: "
                "nothing is compared; its answers wait for the next training, which starts from the new one."
            )
        return card, card.parent

    def _holdout(self) -> tuple[tuple[ManifestLine, ...], str]:
        """Return the holdout's lines, and the SHA-256 of its manifest."""
        from secondlook.records.models import read_card
        from secondlook.records.training_data import TrainingDataReader

        key = self.layout.holdout_manifest(str(self.holdout_version))
        labels = read_card(self.store, self.layout, str(self.challenger)).labels
        reader = TrainingDataReader(self.store, self.layout, labels, self.log)
        lines, _, content = reader.holdout(str(self.holdout_version))
        if not lines:
            uploads = self.layout.holdout_slice(str(self.holdout_version), "<slice>")
            raise NoHoldoutError(
                f"There is no holdout at {self.store.uri(key)}: upload labelled images that no model is "
                f"trained on to {self.store.uri(uploads)} and run bootstrap_detector."
            )
        return lines, content

    def _refuse_replaced(self, lines: tuple[ManifestLine, ...]) -> None:
        from secondlook.records.content import replaced

        found = replaced(self.store, lines)
        if found:
            raise HoldoutChangedError(
                f"{len(found)} images of the holdout {self.holdout_version} were replaced since its freezing "
                f"(for example {found[0]}), so neither their boxes nor what is known of them hold: restore "
                "their earlier versions, or make a new holdout version."
            )

    def _refuse_leak(self, model: str, lines: tuple[ManifestLine, ...]) -> None:
        from secondlook.records.training_data import trained_images

        seen = trained_images(self.store, self.layout, model)
        leaked = [line.image for line in lines if line in seen]
        if leaked:
            raise HoldoutLeakError(
                f"{model} was trained on {len(leaked)} images of the holdout {self.holdout_version} (for "
                f"example {leaked[0]}), so a comparison would prove nothing: make a new holdout version "
                "without them."
            )

    def _plan(self, models: list[str], lines: tuple[ManifestLine, ...], content: str) -> dict[str, str]:
        """Prepare the transforms that are missing; returns the job's name by model."""
        from secondlook.records.holdout import stored_predictions, transform_manifest

        version, jobs = str(self.holdout_version), {}
        manifest = transform_manifest(lines)
        for model in models:
            if stored_predictions(self.store, self.layout, version, model, content) is not None:
                self.log.info("Model %s has answered for this holdout before.", model)
                continue
            self._ensure_model(model)
            self.store.write(self._input_key(model), manifest)
            base_name = names.transform_job_name(
                NAME_PREFIX, self._resource(model), content, self._input_key(model), self.bucket
            )
            jobs[model] = self.free_job_name("transform", base_name)
        return jobs

    def _spec(self, model: str) -> TransformSpec:
        from secondlook.hooks.requests import TransformSpec, project_tags

        return TransformSpec(
            model_resource=self._resource(model),
            manifest_uri=self.layout.uri(self._input_key(model)),
            output_uri=self.layout.uri(self.layout.evaluation(str(self.holdout_version), model)),
            instance_type=self.instance_type,
            max_concurrent=int(self.max_concurrent_transforms),
            tags=project_tags(self.layout.uri(self.layout.prefix)),
        )

    def _input_key(self, model: str) -> str:
        return self.layout.evaluation_input(str(self.holdout_version), model)

    def _resource(self, model: str) -> str:
        from secondlook.records.models import read_card

        card = read_card(self.store, self.layout, model)
        return names.model_resource_name(NAME_PREFIX, card.artifact, card.image, self.execution_role_arn)

    def _ensure_model(self, model: str) -> None:
        from secondlook.hooks.requests import project_tags
        from secondlook.records.models import read_card

        card = read_card(self.store, self.layout, model)
        self.sagemaker.ensure_model(
            self._resource(model),
            artifact=card.artifact,
            image=card.image,
            role_arn=self.execution_role_arn,
            tags=project_tags(self.layout.uri(self.layout.prefix)),
        )

    def _compare(self, models: list[str], lines: tuple[ManifestLine, ...], content: str) -> dict[str, Any]:
        from secondlook.records.holdout import stored_predictions
        from secondlook.records.models import read_card
        from secondlook.training import PromotionRule, ScoredModel, compare

        version = str(self.holdout_version)
        scored = [
            ScoredModel(model, stored_predictions(self.store, self.layout, version, model, content) or ())
            for model in models
        ]
        card = read_card(self.store, self.layout, models[0])
        comparison = compare(
            holdout_uri=self.layout.uri(self.layout.holdout_manifest(version)),
            holdout=lines,
            labels=card.labels,
            challenger=scored[0],
            champion=scored[1],
            control=scored[2] if len(scored) > 2 else None,
            rule=PromotionRule(int(self.min_images), float(self.min_delta), float(self.max_slice_loss)),
        )
        return self._write(comparison, card)

    def _write(self, comparison: Comparison, card: ModelCard) -> dict[str, Any]:
        from secondlook.records.models import record_verdict

        key = self.layout.comparison(str(self.holdout_version), comparison.challenger)
        self.store.write(key, comparison.to_json())
        record_verdict(self.store, self.layout, card.model, comparison.verdict(self.layout.uri(key)))
        self.log.info("Promote: %s. %s", comparison.promote, comparison.reason)
        return {
            "challenger": comparison.challenger,
            "champion": comparison.champion,
            "promote": comparison.promote,
            "comparison": self.layout.uri(key),
            "reason": comparison.reason,
        }
