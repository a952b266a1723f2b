"""Training jobs as promises: started once, attached to ever after, finished by a model card."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from secondlook import jsonl
from secondlook.names import INSTANCE_TYPE, ROLE_ARN
from secondlook.operators.job_waiting import SageMakerOperator
from secondlook.runtime.links import TrainingJobLink

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

    from secondlook.hooks.requests import TrainingSpec
    from secondlook.hooks.sagemaker_jobs import JobState
    from secondlook.training import ModelCard

NAME_PREFIX = "second-look"
CONTROL_PREFIX = "second-look-control"
_JOBS = "jobs"


@dataclass(frozen=True)
class JobPlan:
    """A training job before it starts: SageMaker's request, and the card that the model will get."""

    name: str
    request: dict[str, Any]
    card: dict[str, Any]
    manifests: dict[str, bytes] = field(default_factory=dict)


class TrainingOperator(SageMakerOperator):
    """Base of the operators that train: plan, start or attach, wait, write the card.

    A job's name is a hash of everything it reads, so a retry finds the job instead of paying for a second
    one. A job that ended as Failed or Stopped leaves its name taken; the next try goes on with ``-2``,
    ``-3`` and so on behind it. What a job is to do, and the card it will get, is written beside its
    manifests (``training/<job>/recipe.json``) before it starts.

    :param execution_role_arn: role that the job runs under (templated).
    :param instance_type: for example ``ml.g4dn.xlarge`` (templated).
    :param volume_size_gb: disk of the instance (templated).
    :param max_runtime_seconds: SageMaker stops the job after that; a stopped job is a failure (templated).
    :param hyperparameters: of the algorithm; what they are laid over is the subclass's matter (templated).
    """

    template_fields = (
        *SageMakerOperator.template_fields,
        "execution_role_arn",
        "instance_type",
        "volume_size_gb",
        "max_runtime_seconds",
        "hyperparameters",
    )
    operator_extra_links = (TrainingJobLink(),)
    ui_color = "#e4dcf2"

    def __init__(
        self,
        *,
        execution_role_arn: str,
        instance_type: str,
        hyperparameters: dict[str, Any] | str | None = None,
        volume_size_gb: int | str = 50,
        max_runtime_seconds: int | str = 4 * 3600,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.execution_role_arn = execution_role_arn
        self.instance_type = instance_type
        self.hyperparameters = hyperparameters or {}
        self.volume_size_gb = volume_size_gb
        self.max_runtime_seconds = max_runtime_seconds
        self.check_text("execution_role_arn", execution_role_arn, ROLE_ARN)
        self.check_text("instance_type", instance_type, INSTANCE_TYPE)
        self.check_number("volume_size_gb", volume_size_gb, minimum=1)
        self.check_number("max_runtime_seconds", max_runtime_seconds, minimum=1, maximum=28 * 86400)

    def checked_hyperparameters(self, image: str) -> dict[str, str]:
        """Return the operator's hyperparameters as SageMaker takes them.

        Raises
        ------
        ArgumentError
            They are no mapping.
        HyperparameterError
            One that the algorithm of ``image`` would refuse.
        """
        from secondlook.training.hyperparameters import checked_hyperparameters

        if not isinstance(self.hyperparameters, dict):
            raise self.wrong("hyperparameters", f"must be a mapping, not {self.hyperparameters!r}")
        key = f"Task {self.task_id}: hyperparameters"
        return checked_hyperparameters(self.hyperparameters, key=key, image=image)

    def plan(
        self,
        base_name: str,
        spec: Callable[[str], TrainingSpec],
        card: Callable[[str], ModelCard],
        manifests: dict[str, bytes],
    ) -> JobPlan:
        """Say what the job is to do, and under which name; nothing is written yet.

        ``spec`` and ``card`` get the job's name; the card still lacks artifact and metrics. ``manifests``
        maps channel names to the bytes that the job is to read.
        """
        name = self.free_job_name("training", base_name)
        return JobPlan(name, spec(name).request(name), card(name).model_dump(mode="json"), manifests)

    def write_plan(self, plan: JobPlan) -> None:
        """Write down what the job is to do; it may start from then on."""
        for channel, data in plan.manifests.items():
            self.store.write(self.layout.training_manifest(plan.name, channel), data)
        record = {"request": plan.request, "card": plan.card}
        self.store.write(self.layout.recipe(plan.name), (jsonl.canonical(record) + "\n").encode())

    def advance(self, context: Context, progress: dict[str, Any]) -> Any:
        """Bring each job to its end, one after the other, and write its card."""
        with self.leaving_on_failure():
            for name in progress[_JOBS]:
                job = self.sagemaker.job("training", name)
                if job is None:
                    self._start_job(context, name, progress)
                if job is None or job.active:
                    TrainingJobLink.persist(context, self, client=self.sagemaker.client, name=name)
                    return self.wait_for_jobs(context, "training", [name], progress)
                if not job.succeeded:
                    raise self.job_failed("training", job)
                self._write_card(job)
            return self.result(progress)

    def result(self, progress: dict[str, Any]) -> dict[str, Any]:
        """Return the task's result, all jobs being done."""
        raise NotImplementedError

    def run_jobs(self, context: Context, names: list[str], **progress: Any) -> Any:
        """Remember the jobs for a retry, then bring them to their end."""
        store: Any = context.get("task_state_store")
        if store is not None:
            store.set(_JOBS, {_JOBS: names, **progress})
        return self.advance(context, {_JOBS: names, **progress})

    def unfinished(self, context: Context) -> dict[str, Any] | None:
        """Return the progress of an earlier try of this task one of whose jobs is still running.

        Meanwhile more answers may have come in, and a fresh plan would start a second, different job beside
        it.
        """
        store: Any = context.get("task_state_store")
        progress = store.get(_JOBS) if store is not None else None
        if not isinstance(progress, dict):
            return None
        states = [self.sagemaker.job("training", name) for name in progress[_JOBS]]
        running = [state for state in states if state is not None and state.active]
        if not running or not all(self.may_use("training", state.name, state) for state in running):
            return None
        self.log.info("Training job %s of an earlier try is still running: waiting for it.", running[0].name)
        return progress

    def _start_job(self, context: Context, name: str, progress: dict[str, Any]) -> None:
        self.use_jobs(context, "training", [name], progress)
        plan, _ = self.store.read_json(self.layout.recipe(name))
        self.sagemaker.start_training(plan["request"])
        self.log.info("Training job %s is started.", name)

    def _write_card(self, job: JobState) -> None:
        from secondlook.records.models import card_document
        from secondlook.training import ModelCard

        plan, _ = self.store.read_json(self.layout.recipe(job.name))
        artifact = job.artifact or self.layout.uri(self.layout.artifact(job.name))
        card = ModelCard.model_validate(plan["card"]).trained(artifact, job.metrics)
        # A retry finds the card, which may already hold a verdict.
        card_document(self.store, self.layout, job.name).write_once(card)
