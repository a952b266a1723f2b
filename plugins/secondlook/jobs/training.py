"""Training jobs: started once, attached to from then on, and completed by a model card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondlook.failures.exceptions import SecondLookError
from secondlook.jobs.failure import job_failed
from secondlook.records.document import Document
from secondlook.records.models import card_document, read_card
from secondlook.training.job_spec import Channel, TrainingSpec
from secondlook.training.recipe import CHANNELS, StoredRecipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondlook.hooks.sagemaker_jobs import JobState
    from secondlook.jobs.shared import SharedJobs
    from secondlook.settings import TrainingSettings
    from secondlook.training import ModelCard
    from secondlook.training.recipe import TrainingRecipe

SHUFFLE_SEED = 1


class RecipeMissingError(SecondLookError):
    """A training job's recipe was not written, or was deleted."""


class TrainingJobs:
    """Turns recipes into jobs, and sees them through.

    A job's name is a hash of everything it reads, so a retry finds the job instead of paying for a second
    one. A job that ended as Failed or Stopped keeps its name; the next try continues with ``-2``,
    ``-3`` and so on behind it. The recipe and the card that the model will get are written beside its
    manifests (``training/<job>/recipe.json``) before it starts.

    Parameters
    ----------
    shared
        The jobs that this task uses.
    settings
        Where the jobs run.
    role_arn
        Role that they run under.
    """

    def __init__(self, shared: SharedJobs, settings: TrainingSettings, role_arn: str) -> None:
        self.shared = shared
        self._store, self._layout = shared.store, shared.layout
        self._settings = settings
        self._role_arn = role_arn

    def free_name(self, recipe: TrainingRecipe) -> str:
        """Return a free name for the recipe's job. Raises like :meth:`SharedJobs.free_name`."""
        place = (self._role_arn, self._settings.instance_type, self._layout.uri(self._layout.models()))
        return self.shared.free_name(recipe.base_name(*place))

    def write(self, name: str, recipe: TrainingRecipe) -> None:
        """Write the recipe; the job may start from then on."""
        for channel, data in recipe.manifests.items():
            self._store.write(self._layout.training_manifest(name, channel), data)
        card = recipe.card(name, lambda channel: self._manifest_uri(name, channel))
        stored = StoredRecipe(request=self._spec(name, recipe).request(name), card=card)
        self._store.write(self._layout.recipe(name), stored.to_json())

    def bring_to_end(self, names: Sequence[str]) -> str | None:
        """See the jobs through, one after the other, and write their cards.

        Returns
        -------
        str | None
            The job to wait for; None when all of them have ended.

        Raises
        ------
        JobFailedError
            A job ended without its result.
        JobStoppedError
            Another run is stopping a job, or this task was killed.
        """
        for name in names:
            job = self.shared.sagemaker.job("training", name)
            if job is None:
                self.shared.join(name)
                self.shared.sagemaker.start_training(self._recipe(name).request)
                self.shared.log.info("Training job %s is started.", name)
                return name
            if job.active:
                self.shared.join(name)
                return name
            if not job.succeeded:
                raise job_failed(self.shared, job)
            self._write_card(job)
        return None

    def still_running(self, names: Sequence[str]) -> bool:
        """Whether one of these jobs of an earlier try is still running, and none is being stopped.

        New answers may have arrived since, so a new recipe would start a second, different job beside it.
        """
        found = [self.shared.sagemaker.job("training", name) for name in names]
        running = [job for job in found if job is not None and job.active]
        if not running or not all(self.shared.is_usable(job.name, job) for job in running):
            return False
        self.shared.log.info(
            "Training job %s of an earlier try is still running: waiting for it.", running[0].name
        )
        return True

    def is_being_stopped(self, name: str) -> bool:
        """Whether a job still runs, but has been stopped."""
        job = self.shared.sagemaker.job("training", name)
        return job is not None and job.active and not self.shared.is_usable(name, job)

    def result(self, names: Sequence[str]) -> dict[str, Any]:
        """Return addresses and counts of the first job's model, and of the control's if there is one."""
        card, *controls = (read_card(self._store, self._layout, name) for name in names)
        control = {"model": controls[0].model, "artifact": controls[0].artifact} if controls else None
        return {
            "model": card.model,
            "artifact": card.artifact,
            "card": self._layout.uri(self._layout.card(card.model)),
            "new": card.data.new_images,
            "replayed": card.data.replayed_images,
            "control": control,
        }

    def _write_card(self, job: JobState) -> None:
        artifact = job.artifact or self._layout.uri(self._layout.artifact(job.name))
        card: ModelCard = self._recipe(job.name).card.trained(artifact, job.metrics)
        # A retry finds the card, which may already hold a verdict.
        card_document(self._store, self._layout, job.name).write_once(card)

    def _recipe(self, name: str) -> StoredRecipe:
        key = self._layout.recipe(name)
        found = Document(self._store, key, StoredRecipe).read()
        if found is None:
            raise RecipeMissingError(
                f"{self._store.uri(key)} does not exist, so the recipe of the job {name} is unknown: "
                "restore it."
            )
        return found

    def _manifest_uri(self, name: str, channel: str) -> str:
        return self._layout.uri(self._layout.training_manifest(name, channel))

    def _spec(self, name: str, recipe: TrainingRecipe) -> TrainingSpec:
        settings = self._settings
        return TrainingSpec(
            image=recipe.image,
            role_arn=self._role_arn,
            hyperparameters=recipe.hyperparameters,
            channels=self._channels(name, recipe),
            output_uri=self._layout.uri(self._layout.models()),
            instance_type=settings.instance_type,
            volume_size_gb=settings.volume_size_gb,
            max_runtime_seconds=settings.max_runtime_seconds,
        )

    def _channels(self, name: str, recipe: TrainingRecipe) -> tuple[Channel, ...]:
        """Return manifests and the parent's artifact or, from scratch, the packed files."""
        if recipe.parent is None:
            files = {channel: self._layout.bootstrap_recordio(channel) for channel in CHANNELS}
            return tuple(Channel(name, "recordio", self._layout.uri(key)) for name, key in files.items())
        return (
            Channel("train", "manifest", self._manifest_uri(name, "train"), shuffle_seed=SHUFFLE_SEED),
            Channel("validation", "manifest", self._manifest_uri(name, "validation")),
            Channel("model", "model", recipe.parent.artifact),
        )
