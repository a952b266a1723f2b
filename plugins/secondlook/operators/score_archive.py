"""Score a night by batch transform, without an endpoint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from secondlook import names
from secondlook.operators.waiting import WaitingOperator
from secondlook.runtime.links import TransformJobLink
from secondlook.runtime.task_state import keep_state, kept_state
from secondlook.settings import ArchiveSettings, ServingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from secondlook.records.night_transform import NightTransform
    from secondlook.runtime.task_state import Wait


@dataclass(frozen=True)
class ArchiveState:
    """The model, the hash of the night's images and versions, and the wave and job that are waited for."""

    model: str
    artifact: str
    image: str
    inputs: str
    wave: int = 0
    job: str = ""


class ArchiveScoreOperator(WaitingOperator[ArchiveState]):
    """Score a night by batch transforms of the champion, and write the parts that scoring writes.

    A night whose reviews were selected already keeps the model that they were selected with, so that a second
    run starts no job for it (:func:`secondlook.records.night_model.model_of_night`).

    A job's name is a hash of model, images and their versions: a retry, a clear or a second run attaches to
    it. Empty and too large files, and what is neither JPEG nor PNG by its first bytes, are quarantined and
    not sent. The output is compared with the list of images, image by image; a part is written when all of
    its images are accounted for.

    Images without output go into another wave, with a control. Those that two waves have refused are
    quarantined as ``unreadable``; a job that proves nothing about an image fails the task with its own reason
    (:mod:`secondlook.scoring.evidence`), and the next try continues with what is missing. Exception: if no
    job produced output and no image decodes locally, the whole night is quarantined.

    If the model gives no usable answer about more than ``max_failure_share`` of a part, the task fails with
    one sentence, the part is not written, and clearing the task transforms what is missing in a new job.

    Returns ``{"model", "images", "scored", "quarantined"}``; :class:`ScoredNightOperator` joins the night.

    :param night: ``YYYY-MM-DD`` (templated).
    :param execution_role_arn: role that the model runs under (templated).
    :param archive: the transform's settings: a section or its keys (templated).
    :param serving: size of parts, concurrency and the share of failures: a section or its keys (templated).
    :param shards: what :class:`NightPlanOperator` returned; None for a night in one piece (templated).
    :param labels: label names; an answer with a class beyond them is another model's. None: not checked
        (templated).
    :param again: whether the champion scores the night in any case (templated).
    """

    template_fields = (
        *WaitingOperator.template_fields,
        *("night", "execution_role_arn", "archive", "serving", "shards", "labels", "again"),
    )
    operator_extra_links = (TransformJobLink(),)
    ui_color = "#dbe9f6"
    state_class = ArchiveState
    job_kind = "transform"

    def __init__(
        self,
        *,
        night: str,
        execution_role_arn: str,
        archive: ArchiveSettings | Mapping[str, Any] | str,
        serving: ServingSettings | Mapping[str, Any] | str,
        shards: Sequence[dict[str, Any]] | Any = None,
        labels: Sequence[str] | str | None = None,
        again: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.night = night
        self.again = again
        self.execution_role_arn = execution_role_arn
        self.archive = self.check_section("archive", archive, ArchiveSettings)
        self.serving = self.check_section("serving", serving, ServingSettings)
        self.shards = shards
        self.labels = labels
        self.check_text("night", night, names.NIGHT)
        self.check_text("execution_role_arn", execution_role_arn, names.ROLE_ARN)

    def begin(self, context: Context) -> ArchiveState:
        """Determine the night's inputs, or resume the job of an earlier try.

        There may be another champion by now, and a second job would start beside the first.
        """
        from secondlook.records.night_model import model_of_night

        kept = kept_state(context, ArchiveState)
        job = self.sagemaker.job("transform", kept.job) if kept else None
        if kept and job and job.active and self.shared.is_usable(job.name, job):
            return kept
        again = self.again is True
        model = model_of_night(self.store, self.layout, str(self.night), again=again, log=self.log)
        inputs = self._transform(model.model).inputs()
        return ArchiveState(model.model, model.artifact, model.image, inputs)

    def advance(self, context: Context, state: ArchiveState) -> Wait[ArchiveState] | dict[str, Any]:
        """Look at the last wave and its jobs; start the next one, or return the night's outcome."""
        from secondlook.jobs.night_waves import NightWaves
        from secondlook.training import ServableModel

        model = ServableModel(state.model, state.artifact, state.image, self.execution_role_arn)
        waves = NightWaves(self._transform(state.model), state.inputs, self.shared)
        following = waves.next(
            lambda wave: names.transform_job_name(
                names.ARCHIVE_PREFIX, model.resource_name, self.layout.uri(wave.manifest)
            ),
            wave_waited_for=state.wave,
            job_waited_for=state.job,
        )
        if not isinstance(following, tuple):
            counts = following.counts
            self.log.info("%d images scored, %d quarantined.", counts.scored, counts.quarantined)
            numbers = {name: getattr(counts, name) for name in ("images", "scored", "quarantined")}
            return {"model": state.model, **numbers}
        wave, name = following
        archive = self.check_section("archive", self.archive, ArchiveSettings)
        resource = model.ensure(self.sagemaker)
        self.shared.join(name)
        self.sagemaker.start_transform(waves.spec(wave, name, resource, archive), name)
        self.log.info("The job %s transforms %d images.", name, wave.images)
        state = replace(state, wave=wave.number, job=name)
        keep_state(context, state)
        TransformJobLink.persist(context, self, client=self.sagemaker.client, name=name)
        return self.wait_for_jobs([name], state, archive)

    def _transform(self, model: str) -> NightTransform:
        from secondlook.jobs.night_waves import transform_of_night

        serving = self.check_section("serving", self.serving, ServingSettings)
        night, labels = str(self.night), len(self.labels) if self.labels is not None else None
        return transform_of_night(self.store, self.layout, night, model, self.shards, serving, labels)
