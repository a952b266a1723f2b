"""Score a night by batch transform, without an endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from secondlook import names
from secondlook.failures.exceptions import SecondLookError
from secondlook.failures.job_reasons import reason_passes
from secondlook.names import INSTANCE_TYPE, NIGHT, ROLE_ARN
from secondlook.operators.job_waiting import SageMakerOperator
from secondlook.runtime.links import TransformJobLink
from secondlook.scoring.shards import WHOLE_NIGHT, Shard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from secondlook.hooks.sagemaker_jobs import JobState
    from secondlook.records.night_transform import Collected, NightTransform
    from secondlook.records.waves import Wave
    from secondlook.scoring.transform_spec import TransformSpec

NAME_PREFIX = "second-look-archive"
# The model resource is the one that the endpoint and the evaluation use.
MODEL_PREFIX = "second-look"
_PROGRESS = "archive"


class OutputMissingError(SecondLookError):
    """A batch transform that calls itself Completed has not written an image's output."""


class ArchiveScoreOperator(SageMakerOperator):
    """Score a night with one batch transform of the champion, and write the parts that scoring writes.

    The job's name is a hash of model, images and their versions: a retry, a clear or a second run attaches to
    it. Empty and too large files, and what is neither JPEG nor PNG by its first bytes, are quarantined and
    not sent. The output is compared with the list of images, image by image; a part is written when all of
    its images are accounted for.

    SageMaker goes on when the model refuses an image, writes no output for it and fails the job in the end
    (SageMaker Developer Guide, Batch Transform, "Job shows as failed"). So a job that failed is followed by
    one for the images that have no output, and for one that has: the control. A job *refuses* the images that
    it leaves out if it ended as Failed, for a reason that does not pass, and answered about the control (the
    first job has none: about any image). Images that two waves have refused are quarantined as
    ``unreadable``. Any other job proves nothing about an image and fails the task with its reason: one that
    failed without an answer about the control, was stopped, found no capacity or met a fault of the service.
    The next try goes on with what is missing. The one exception is a night about which nothing was ever
    answered and of which nothing can be decoded here either: it is quarantined.

    If the model gives no usable answer about more than ``max_failure_share`` of a part, the task fails with
    one sentence, the part is not written, and a clear transforms what is missing once more, in a new job.

    Returns ``{"model", "images", "scored", "quarantined"}``; :class:`ScoredNightOperator` joins the night.

    :param night: ``YYYY-MM-DD`` (templated).
    :param execution_role_arn: role that the model runs under (templated).
    :param instance_type: for the transform, for example ``ml.m5.xlarge`` (templated).
    :param max_concurrent_transforms: images in flight at once (templated).
    :param shards: what :class:`NightPlanOperator` returned; None for a night in one piece (templated).
    :param part_size: images per part file (templated).
    :param concurrency: objects that this task reads at once (templated).
    :param labels: label names; an answer with a class beyond them is another model's. None: not checked
        (templated).
    :param max_failure_share: most of a part's images that may fail the same way without being to blame by
        themselves (templated).
    :param enabled: False skips the task (templated).
    """

    template_fields = (
        *SageMakerOperator.template_fields,
        "night",
        "execution_role_arn",
        "instance_type",
        "max_concurrent_transforms",
        "shards",
        "part_size",
        "concurrency",
        "labels",
        "max_failure_share",
        "enabled",
    )
    operator_extra_links = (TransformJobLink(),)
    ui_color = "#dbe9f6"

    def __init__(
        self,
        *,
        night: str,
        execution_role_arn: str,
        instance_type: str,
        max_concurrent_transforms: int | str = 4,
        shards: Sequence[dict[str, Any]] | Any = None,
        part_size: int | str = 500,
        concurrency: int | str = 8,
        labels: Sequence[str] | str | None = None,
        max_failure_share: float | str = 0.2,
        enabled: bool | str = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.night = night
        self.execution_role_arn = execution_role_arn
        self.instance_type = instance_type
        self.max_concurrent_transforms = max_concurrent_transforms
        self.shards = shards
        self.part_size = part_size
        self.concurrency = concurrency
        self.labels = labels
        self.max_failure_share = max_failure_share
        self.enabled = enabled
        self.check_text("night", night, NIGHT)
        self.check_text("execution_role_arn", execution_role_arn, ROLE_ARN)
        self.check_text("instance_type", instance_type, INSTANCE_TYPE)
        self.check_number("max_concurrent_transforms", max_concurrent_transforms, minimum=1, maximum=16)
        self.check_number("part_size", part_size, minimum=1)
        self.check_number("concurrency", concurrency, minimum=1, maximum=64)
        self.check_number("max_failure_share", max_failure_share, minimum=0, maximum=1)

    def execute(self, context: Context) -> Any:
        """Find out what the night is made of, then let the model answer."""
        if not self.enabled:
            raise AirflowSkipException("This run is scored by the endpoint.")
        self.check_text("execution_role_arn", self.execution_role_arn, ROLE_ARN)
        progress = self._unfinished(context)
        if progress is None:
            progress = self._champion()
            progress["inputs"] = self._transform(progress["model"]).inputs()
        return self.advance(context, progress)

    def advance(self, context: Context, progress: dict[str, Any]) -> Any:
        """Look at the last wave and its job, and do the next thing."""
        transform, inputs = self._transform(progress["model"]), progress["inputs"]
        asked = transform.open_wave(inputs)
        if asked is None:
            return self._result(progress, transform.collect(inputs, None))
        base_name = self._job_name(progress, asked)
        # Another run of the night may have gone on to the next wave meanwhile.
        waited_for = progress.pop("job", None) if progress.get("wave") == asked.number else None
        name = waited_for or self.free_job_name("transform", base_name)
        jobs = self.jobs_called("transform", base_name)
        ended = [job for job in jobs if not job.active]
        if ended and not any(job.active and job.name == name for job in jobs):
            collected = self._collected(transform, inputs, asked, ended, waited_for)
            if collected is not None:
                return self._result(progress, collected)
            if transform.open_wave(inputs) != asked:
                return self.advance(context, progress)
        return self._ask(context, progress, asked, name)

    def _collected(
        self,
        transform: NightTransform,
        inputs: str,
        asked: Wave,
        ended: list[JobState],
        waited_for: str | None,
    ) -> Collected | None:
        """Return what became of the night after a wave's jobs; None when images are still missing.

        Raises
        ------
        JobFailedError
            The job that this task waited for failed, and its failure says nothing about an image.
        OutputMissingError
            A job has not written what it was asked for, or an earlier output is gone.
        """
        from secondlook.records.transformed_images import Absent
        from secondlook.records.waves import ENOUGH_REFUSALS

        last = next((job for job in ended if job.name == waited_for), ended[-1])
        refusing = [job for job in ended if _failed(job) and transform.answered(inputs, asked, job.name)]
        refusals = asked.refusals + bool(refusing)
        collected = transform.collect(inputs, asked, job=last.name, refusals=refusals)
        if not collected.missing:
            return collected
        stuck = collected.missing >= asked.images
        if collected.missing > asked.images or (stuck and last.succeeded):
            raise self._output_missing(collected, last)
        # Made, and with it the job's own words logged, whether it is raised or not.
        fault = None if last.succeeded else self.job_failed("transform", last)
        if refusals >= ENOUGH_REFUSALS:
            sentence = (
                "got no answer from the model in two batch transforms, both of which got answers about "
                f"other images: see the log of the job {refusing[-1].name}."
            )
            return transform.collect(inputs, asked, job=refusing[-1].name, refused=Absent(sentence))
        if fault is None or last in refusing:
            return None
        unproved = stuck and _failed(last) and asked.control is None
        if unproved and transform.decodes_nothing(inputs):
            sentence = (
                "cannot be decoded, by the model and here: put a mended file under a new name in the night's "
                f"folder. What the model says of it stands in the log of the job {last.name}."
            )
            return transform.collect(inputs, asked, refused=Absent(sentence, by_itself=True))
        if waited_for is not None:
            raise fault
        return None

    def _output_missing(self, collected: Collected, last: JobState) -> OutputMissingError:
        said = "is Completed" if last.succeeded else "was not asked about it again"
        return OutputMissingError(
            f"The batch transform {last.name} {said}, but there is no output of {collected.first}: restore "
            "its output, or trigger the night by hand with scoring = endpoint."
        )

    def _ask(self, context: Context, progress: dict[str, Any], asked: Wave, name: str) -> Any:
        """Start the wave's job, or attach to it, and wait for it."""
        with self.leaving_on_failure():
            self._ensure_model(progress)
            self.use_jobs(context, "transform", [name], progress)
            self.sagemaker.start_transform(self._spec(progress, asked, name), name)
            self.log.info("%d images are transformed by the job %s.", asked.images, name)
            progress |= {"job": name, "wave": asked.number}
            store: Any = context.get("task_state_store")
            if store is not None:
                store.set(_PROGRESS, progress)
            TransformJobLink.persist(context, self, client=self.sagemaker.client, name=name)
            return self.wait_for_jobs(context, "transform", [name], progress)

    def _result(self, progress: dict[str, Any], collected: Collected) -> dict[str, Any]:
        counts = collected.counts
        self.log.info("%d images scored, %d quarantined.", counts.scored, counts.quarantined)
        return {
            "model": progress["model"],
            "images": counts.images,
            "scored": counts.scored,
            "quarantined": counts.quarantined,
        }

    def _champion(self) -> dict[str, Any]:
        from secondlook.records.models import read_champion

        champion = read_champion(self.store, self.layout.champion())
        return {"model": champion.model, "artifact": champion.artifact, "image": champion.image}

    def _unfinished(self, context: Context) -> dict[str, Any] | None:
        """Return the progress of an earlier try whose job is still running.

        Meanwhile there may be another champion, and a second job would start beside the first.
        """
        store: Any = context.get("task_state_store")
        progress = store.get(_PROGRESS) if store is not None else None
        if not isinstance(progress, dict):
            return None
        job = self.sagemaker.job("transform", progress["job"])
        if job is None or not job.active or not self.may_use("transform", job.name, job):
            return None
        return progress

    def _transform(self, model: str) -> NightTransform:
        from secondlook.records.night_transform import NightTransform
        from secondlook.records.predictions import NightImages, NightPredictions
        from secondlook.scoring import FailureRule

        images = NightImages(self.store, self.layout, str(self.night))
        predictions = NightPredictions(self.store, self.layout, images, model, int(self.part_size))
        shards = [Shard.from_record(record) for record in self.shards] if self.shards else WHOLE_NIGHT
        rule = FailureRule(float(self.max_failure_share))
        labels = len(self.labels) if self.labels is not None else None
        return NightTransform(
            self.store, self.layout, images, predictions, shards, int(self.concurrency), rule, labels
        )

    def _spec(self, progress: dict[str, Any], asked: Wave, name: str) -> TransformSpec:
        from secondlook.scoring.transform_spec import TransformSpec

        transform = self._transform(progress["model"])
        return TransformSpec(
            model_resource=self._resource(progress),
            manifest_uri=self.layout.uri(asked.manifest),
            output_uri=self.layout.uri(transform.output_folder(progress["inputs"], asked, name)),
            instance_type=self.instance_type,
            max_concurrent=int(self.max_concurrent_transforms),
        )

    def _job_name(self, progress: dict[str, Any], asked: Wave) -> str:
        return names.transform_job_name(
            NAME_PREFIX, self._resource(progress), self.layout.uri(asked.manifest)
        )

    def _resource(self, progress: dict[str, Any]) -> str:
        artifact, image = progress["artifact"], progress["image"]
        return names.model_resource_name(MODEL_PREFIX, artifact, image, self.execution_role_arn)

    def _ensure_model(self, progress: dict[str, Any]) -> None:
        self.sagemaker.ensure_model(
            self._resource(progress),
            artifact=progress["artifact"],
            image=progress["image"],
            role_arn=self.execution_role_arn,
        )


def _failed(job: JobState) -> bool:
    """Whether a job ended as Failed for a reason that does not pass: about the input, the model or itself."""
    return job.status == "Failed" and not reason_passes(job.failure_reason)
