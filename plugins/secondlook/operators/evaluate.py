"""Measure the challenger against the champion on images that neither has seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from secondlook import names
from secondlook.operators.waiting import WaitingOperator
from secondlook.runtime.links import TransformJobLink
from secondlook.settings import EvaluationSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from secondlook.records.evaluation import Evaluation
    from secondlook.runtime.task_state import Wait
    from secondlook.training import ModelCard


@dataclass(frozen=True)
class EvaluateState:
    """Challenger, champion and control, and the transform job of each that has not answered yet."""

    models: tuple[str, ...]
    jobs: dict[str, str] = field(default_factory=dict)


class DetectorEvaluationOperator(WaitingOperator[EvaluateState]):
    """Compare challenger and champion, and the control if there is one, on the frozen holdout.

    Each model answers by a batch transform of the holdout; predictions are kept, so the champion is measured
    once per holdout version. A holdout image (by address or by content) among the training or validation
    images of a model or its ancestors is refused: it would prove nothing. The comparison is written to
    ``evaluations/<version>/comparisons/<challenger>.json`` and its verdict into the challenger's card. A
    challenger whose parent is no longer champion is skipped: there is nothing left to decide.

    Returns ``{"challenger", "champion", "promote", "comparison", "reason"}``.

    :param challenger: model id (templated).
    :param control: model id of the control arm, None without one (templated).
    :param holdout_version: which holdout (templated).
    :param execution_role_arn: role that the models run under (templated).
    :param evaluation: the transforms' settings and the promotion rule: a section or its keys (templated).
    """

    template_fields = (
        *WaitingOperator.template_fields,
        *("challenger", "control", "holdout_version", "execution_role_arn", "evaluation"),
    )
    operator_extra_links = (TransformJobLink(),)
    ui_color = "#e4dcf2"
    state_class = EvaluateState
    job_kind = "transform"

    def __init__(
        self,
        *,
        challenger: str,
        holdout_version: str,
        execution_role_arn: str,
        evaluation: EvaluationSettings | Mapping[str, Any] | str,
        control: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.challenger = challenger
        self.control = control
        self.holdout_version = holdout_version
        self.execution_role_arn = execution_role_arn
        self.evaluation = self.check_section("evaluation", evaluation, EvaluationSettings)
        self.check_text("challenger", challenger)
        self.check_text("holdout_version", holdout_version)
        self.check_text("execution_role_arn", execution_role_arn, names.ROLE_ARN)

    def begin(self, context: Context) -> EvaluateState:
        """Check that the comparison is fair, and prepare the transforms that are missing."""
        from secondlook.training import ServableModel

        card = self._card(self.challenger)
        models = (card.model, self._champion(card), *([str(self.control)] if self.control else []))
        evaluation = self._evaluation(card)
        evaluation.refuse_unfair(models)
        jobs = {}
        for model in evaluation.without_answers(models):
            servable = ServableModel.of(self._card(model), self.execution_role_arn)
            resource, key = servable.ensure(self.sagemaker), evaluation.write_input(model)
            name = names.transform_job_name(names.PREFIX, resource, evaluation.content, key, self.bucket)
            jobs[model] = self.shared.free_name(name)
        return EvaluateState(models, jobs)

    def advance(self, context: Context, state: EvaluateState) -> Wait[EvaluateState] | dict[str, Any]:
        """Start missing transforms, wait for running ones, then compare."""
        from secondlook.jobs.failure import job_failed
        from secondlook.training import PromotionRule

        section = self.check_section("evaluation", self.evaluation, EvaluationSettings)
        found = {model: self.sagemaker.job("transform", name) for model, name in state.jobs.items()}
        running = [state.jobs[model] for model, job in found.items() if job is None or job.active]
        if running:
            self.shared.join(*running)
            for model, name in state.jobs.items():
                if found[model] is None:
                    self._start(model, name, section)
            TransformJobLink.persist(context, self, client=self.sagemaker.client, name=running[0])
            return self.wait_for_jobs(running, state, section)
        evaluation = self._evaluation(self._card(self.challenger))
        for model, job in found.items():
            if job is not None and not job.succeeded:
                raise job_failed(self.shared, job)
            evaluation.collect(model)
        rule = PromotionRule(section.min_images, section.min_delta, section.max_slice_loss)
        return evaluation.compare(state.models, rule)

    def _card(self, model: str) -> ModelCard:
        from secondlook.records.models import read_card

        return read_card(self.store, self.layout, str(model))

    def _champion(self, challenger: ModelCard) -> str:
        """Return the id of the champion that the challenger was trained from."""
        from secondlook.records.models import read_champion

        champion = read_champion(self.store, self.layout.champion())
        # After a promotion the pointer names the challenger itself: a repeated evaluation is the same one.
        if challenger.parent is None or champion.model not in {challenger.parent, challenger.model}:
            raise AirflowSkipException(
                f"{challenger.model} was trained from {challenger.parent}, but the champion is now "
                f"{champion.model}: nothing is compared; its answers wait for the next training."
            )
        return challenger.parent

    def _evaluation(self, challenger: ModelCard) -> Evaluation:
        from secondlook.records.evaluation import Evaluation

        return Evaluation(self.store, self.layout, str(self.holdout_version), challenger.labels, self.log)

    def _start(self, model: str, name: str, section: EvaluationSettings) -> None:
        from secondlook.records.evaluation import transform_spec
        from secondlook.training import ServableModel

        resource = ServableModel.of(self._card(model), self.execution_role_arn).resource_name
        spec = transform_spec(self.layout, str(self.holdout_version), model, resource, section)
        self.sagemaker.start_transform(spec, name)
        self.log.info("Model %s answers for the holdout in the job %s.", model, name)
