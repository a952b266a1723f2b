"""Train the first model, from scratch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondlook import names
from secondlook.operators.waiting import WaitingOperator
from secondlook.runtime.links import TrainingJobLink
from secondlook.runtime.sdk import object_detection_image
from secondlook.runtime.task_state import keep_state, kept_state
from secondlook.settings import BootstrapSettings, TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from secondlook.jobs.training import TrainingJobs
    from secondlook.runtime.task_state import Wait
    from secondlook.training.recipe import TrainingRecipe


@dataclass(frozen=True)
class BootstrapState:
    """The training job."""

    job: str


class SageMakerBootstrapTrainingOperator(WaitingOperator[BootstrapState]):
    """Train from scratch on the packed VOC folder (RecordIO, File mode).

    Returns ``{"model", "artifact", "card", "new", "replayed", "control": None}``, the form that incremental
    training has.

    :param labels: label names, index = class id (templated).
    :param execution_role_arn: role that the job runs under (templated).
    :param training: where it runs and how long to wait: a section or its keys (templated).
    :param bootstrap: the hyperparameters: a section or its keys (templated).
    :param image_uri: training and inference image; None takes Amazon's Object Detection image of the Region
        (templated).
    """

    template_fields = (
        *WaitingOperator.template_fields,
        *("labels", "execution_role_arn", "training", "bootstrap", "image_uri"),
    )
    operator_extra_links = (TrainingJobLink(),)
    ui_color = "#e4dcf2"
    state_class = BootstrapState

    def __init__(
        self,
        *,
        labels: list[str] | tuple[str, ...] | str,
        execution_role_arn: str,
        training: TrainingSettings | Mapping[str, Any] | str,
        bootstrap: BootstrapSettings | Mapping[str, Any] | str,
        image_uri: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.labels = labels
        self.execution_role_arn = execution_role_arn
        self.training = self.check_section("training", training, TrainingSettings)
        self.bootstrap = self.check_section("bootstrap", bootstrap, BootstrapSettings)
        self.image_uri = image_uri
        self.check_text("execution_role_arn", execution_role_arn, names.ROLE_ARN)
        if isinstance(labels, list | tuple) and not labels:
            raise self.wrong("labels", "must name at least one label")

    def begin(self, context: Context) -> BootstrapState:
        """Write the job's recipe, or resume the job of an earlier try."""
        jobs, kept = self._jobs(), kept_state(context, BootstrapState)
        if kept is not None and jobs.still_running([kept.job]):
            return kept
        recipe = self._recipe()
        state = BootstrapState(jobs.free_name(recipe))
        jobs.write(state.job, recipe)
        keep_state(context, state)
        return state

    def advance(self, context: Context, state: BootstrapState) -> Wait[BootstrapState] | dict[str, Any]:
        """See the job through."""
        jobs = self._jobs()
        if jobs.bring_to_end([state.job]) is None:
            return jobs.result([state.job])
        TrainingJobLink.persist(context, self, client=self.sagemaker.client, name=state.job)
        return self.wait_for_jobs([state.job], state, self._settings())

    def _settings(self) -> TrainingSettings:
        return self.check_section("training", self.training, TrainingSettings)

    def _jobs(self) -> TrainingJobs:
        from secondlook.jobs.training import TrainingJobs

        return TrainingJobs(self.shared, self._settings(), self.execution_role_arn)

    def _recipe(self) -> TrainingRecipe:
        from secondlook.records.packed import read_packed
        from secondlook.training.hyperparameters import checked_hyperparameters
        from secondlook.training.recipe import first_recipe

        image = self.image_uri or object_detection_image(self.sagemaker.region)
        bootstrap = self.check_section("bootstrap", self.bootstrap, BootstrapSettings)
        key = f"Task {self.task_id}: bootstrap.hyperparameters"
        given = checked_hyperparameters(bootstrap.hyperparameters, key=key, image=image)
        labels = tuple(self.labels)
        packed = read_packed(self.store, self.layout, labels, self.log)
        return first_recipe(image, labels, packed.lines, packed.manifests, packed.contents, given)
