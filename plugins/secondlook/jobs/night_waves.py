"""The waves of a night's batch transform, one job after the other, until every image is accounted for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondlook.failures.exceptions import SecondLookError
from secondlook.failures.job_reasons import reason_passes
from secondlook.jobs.failure import job_failed
from secondlook.records.night_transform import NightTransform
from secondlook.records.predictions import NightImages, NightPredictions
from secondlook.records.transformed_images import Absent
from secondlook.scoring import FailureRule
from secondlook.scoring.evidence import Evidence, Verdict
from secondlook.scoring.shards import shards_of
from secondlook.scoring.transform_spec import TransformSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secondlook.hooks.s3 import ObjectStore
    from secondlook.hooks.sagemaker_jobs import JobState
    from secondlook.jobs.shared import SharedJobs
    from secondlook.layout import Layout
    from secondlook.records.night_transform import Collected
    from secondlook.records.waves import Wave
    from secondlook.settings import ArchiveSettings, ServingSettings


class OutputMissingError(SecondLookError):
    """A Completed batch transform has no output for an image."""


class NightWaves:
    """Decides which job comes next, and collects the night's outcome.

    Parameters
    ----------
    transform
        The night and the model.
    inputs
        Hash of the night's images and versions.
    shared
        The jobs that this task uses.
    """

    def __init__(self, transform: NightTransform, inputs: str, shared: SharedJobs) -> None:
        self._transform = transform
        self._inputs = inputs
        self._shared = shared

    def next(
        self, base_name: Callable[[Wave], str], *, wave_waited_for: int, job_waited_for: str
    ) -> Collected | tuple[Wave, str]:
        """Return the wave and the job to run or wait for, or the night's outcome if there is none.

        Parameters
        ----------
        base_name
            Returns the base name of a wave's jobs.
        wave_waited_for
            Number of the wave that this task has just waited for, 0 if none.
        job_waited_for
            Its job, empty if none.

        Raises
        ------
        JobFailedError
            The job that this task waited for failed, and its failure says nothing about an image.
        OutputMissingError
            A job has not written an image's output, or an earlier output is gone.
        """
        while True:
            wave = self._transform.open_wave(self._inputs)
            if wave is None:
                return self._transform.collect(self._inputs, None)
            base = base_name(wave)
            # Another run of the night may already have moved on to the next wave.
            waited_for = job_waited_for if wave.number == wave_waited_for else ""
            name = waited_for or self._shared.free_name(base)
            jobs = self._shared.attempts(base)
            ended = [job for job in jobs if not job.active]
            if not ended or any(job.active and job.name == name for job in jobs):
                return wave, name
            collected = self._conclude(wave, ended, waited_for)
            if collected is not None:
                return collected
            if self._transform.open_wave(self._inputs) == wave:
                return wave, name

    def spec(self, wave: Wave, name: str, model_resource: str, settings: ArchiveSettings) -> TransformSpec:
        """Return the specification of a wave's job."""
        output = self._transform.output_folder(self._inputs, wave, name)
        return TransformSpec(
            model_resource=model_resource,
            manifest_uri=self._transform.uri(wave.manifest),
            output_uri=self._transform.uri(output),
            instance_type=settings.instance_type,
            max_concurrent=settings.max_concurrent_transforms,
        )

    def _conclude(self, wave: Wave, ended: list[JobState], waited_for: str) -> Collected | None:
        """Return the night's outcome after a wave's jobs; None while images are still missing."""
        last = next((job for job in ended if job.name == waited_for), ended[-1])
        refusing = [
            job
            for job in ended
            if _failed_for_good(job) and self._transform.answered(self._inputs, wave, job.name)
        ]
        refusals = wave.refusals + bool(refusing)
        collected = self._transform.collect(self._inputs, wave, job=last.name, refusals=refusals)
        evidence = Evidence(
            images=wave.images,
            missing=collected.missing,
            refusals=refusals,
            has_control=wave.control is not None,
            succeeded=last.succeeded,
            failed_for_good=_failed_for_good(last),
            refused=last in refusing,
        )
        verdict = evidence.verdict
        if verdict is Verdict.COMPLETE:
            return collected
        if verdict is Verdict.OUTPUT_LOST:
            raise _output_missing(collected, last)
        # Built here even if it is not raised, because building it logs the job's own log.
        fault = None if last.succeeded else job_failed(self._shared, last)
        if verdict is Verdict.REFUSED:
            return self._quarantine(wave, _refused(refusing[-1]), job=refusing[-1].name)
        if verdict is Verdict.UNPROVED and self._transform.decodes_nothing(self._inputs):
            return self._quarantine(wave, _undecodable(last))
        if verdict is not Verdict.CONTINUE and waited_for and fault is not None:
            raise fault
        return None

    def _quarantine(self, wave: Wave, absent: Absent, job: str = "") -> Collected:
        return self._transform.collect(self._inputs, wave, job=job, refused=absent)


def transform_of_night(
    store: ObjectStore,
    layout: Layout,
    night: str,
    model: str,
    shards: Sequence[dict[str, Any]] | None,
    settings: ServingSettings,
    labels: int | None,
) -> NightTransform:
    """Return a night's batch transform.

    Parameters
    ----------
    store
        The deployment's bucket.
    layout
        Where things lie in it.
    night
        ``YYYY-MM-DD``.
    model
        Id of the model that scores.
    shards
        What the task ``plan`` returned; None for a night in one piece.
    settings
        Size of parts, concurrency, and when failures are too many to be the images' fault.
    labels
        How many labels there are; None: answers are not compared with it.
    """
    images = NightImages(store, layout, night)
    predictions = NightPredictions(store, layout, images, model, settings.part_size)
    rule = FailureRule(settings.max_failure_share)
    return NightTransform(
        store, layout, images, predictions, shards_of(shards), settings.concurrency, rule, labels
    )


def _failed_for_good(job: JobState) -> bool:
    """Whether a job ended as Failed for a lasting reason: its input, the model or the job itself."""
    return job.status == "Failed" and not reason_passes(job.failure_reason)


def _refused(job: JobState) -> Absent:
    return Absent(
        "got no answer from the model in two batch transforms, both of which got answers about other images: "
        f"see the log of the job {job.name}."
    )


def _undecodable(job: JobState) -> Absent:
    return Absent(
        "cannot be decoded, by the model and here: put a mended file under a new name in the night's folder. "
        f"The log of the job {job.name} has what the model says of it.",
        by_itself=True,
    )


def _output_missing(collected: Collected, last: JobState) -> OutputMissingError:
    said = "is Completed" if last.succeeded else "did not hold that image"
    return OutputMissingError(
        f"The batch transform {last.name} {said}, but there is no output of {collected.first}: restore its "
        "output, or trigger the night by hand with scoring = endpoint."
    )
