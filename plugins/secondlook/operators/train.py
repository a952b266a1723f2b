"""Train the next model from the last one, on what people answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from secondlook import jsonl, names
from secondlook.layout import check_night
from secondlook.names import NIGHT
from secondlook.operators.challenger import ChallengerTrainingOperator
from secondlook.operators.training_job import CONTROL_PREFIX, NAME_PREFIX

if TYPE_CHECKING:
    from airflow.sdk import Context

    from secondlook.hooks.requests import TrainingSpec
    from secondlook.operators.training_job import JobPlan
    from secondlook.records.training_data import Answers
    from secondlook.training import ImageIdentities, LearnedManifest, ManifestLine, ModelCard, ReplayMix

SHUFFLE_SEED = 1


class SageMakerIncrementalTrainingOperator(ChallengerTrainingOperator):
    """Train a challenger from the champion on new answers mixed with replayed old images.

    New answers are the reviewed manifests of all nights that neither the champion nor its ancestors have
    learned; with too few of them the task is skipped and they wait. A share of them, chosen by a hash of the
    address, is never trained on but validates, beside the bootstrap's validation images. The control arm
    trains as many steps from the same parent on old images only, so that nobody takes more training for
    learning from people; it runs after the challenger in the same task. Nights that train side by side take
    turns (:class:`ChallengerTrainingOperator`).

    Returns ``{"model", "artifact", "card", "new", "replayed", "control": {"model", "artifact"} | None}``.

    :param night: ``YYYY-MM-DD``, for the log (templated).
    :param holdout_version: images of this holdout are kept out of training (templated).
    :param min_new_answers: fewer new answers than this skip the task (templated).
    :param replay_ratio: old images per new answer (templated).
    :param validation_share: share of answers held out for validation (templated).
    :param control_arm: whether to train the control, too (templated).
    :param enabled: False skips the task (templated).
    """

    template_fields = (
        *ChallengerTrainingOperator.template_fields,
        "night",
        "holdout_version",
        "min_new_answers",
        "replay_ratio",
        "validation_share",
        "control_arm",
        "enabled",
    )

    def __init__(
        self,
        *,
        night: str,
        holdout_version: str,
        min_new_answers: int | str = 50,
        replay_ratio: float | str = 1.0,
        validation_share: float | str = 0.1,
        control_arm: bool | str = False,
        enabled: bool | str = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.night = night
        self.holdout_version = holdout_version
        self.min_new_answers = min_new_answers
        self.replay_ratio = replay_ratio
        self.validation_share = validation_share
        self.control_arm = control_arm
        self.enabled = enabled
        self.check_text("night", night, NIGHT)
        self.check_text("holdout_version", holdout_version)
        self.check_number("min_new_answers", min_new_answers, minimum=1)
        self.check_number("replay_ratio", replay_ratio, minimum=0)
        self.check_number("validation_share", validation_share, minimum=0, maximum=0.9)

    def execute(self, context: Context) -> Any:
        """Plan the jobs, or take up those of an earlier try."""
        if not self.enabled:
            raise AirflowSkipException("Training is switched off for this run.")
        return self.take_turn(context)

    def result(self, progress: dict[str, Any]) -> dict[str, Any]:
        """Return addresses and counts of the challenger, and of the control if there is one."""
        from secondlook.records.models import read_card

        cards = [read_card(self.store, self.layout, name) for name in progress["jobs"]]
        challenger, controls = cards[0], cards[1:]
        return {
            "model": challenger.model,
            "artifact": challenger.artifact,
            "card": self.layout.uri(self.layout.card(challenger.model)),
            "new": challenger.data.new_images,
            "replayed": challenger.data.replayed_images,
            "control": {"model": controls[0].model, "artifact": controls[0].artifact} if controls else None,
        }

    def plan_jobs(self, parent: ModelCard) -> list[JobPlan]:
        """Plan the challenger's job from all answers there are, and the control's.

        Raises
        ------
        AirflowSkipException
            There are too few answers that the champion has not learned.
        """
        from secondlook.records.training_data import TrainingDataReader, held_out_images
        from secondlook.training import ImageIdentities, latest, split_validation

        reader = TrainingDataReader(self.store, self.layout, parent.labels, self.log)
        held_out = held_out_images(self.store, self.layout, str(self.holdout_version))
        answers = reader.new_answers(parent.data.learned_manifests, held_out)
        self._skip_if_too_few(answers)
        share = float(self.validation_share)
        new, validation_new = split_validation(answers.lines, share)
        learned = reader.learned(parent.data.learned_manifests, held_out)
        bootstrap_validation = reader.bootstrap_validation()
        old, validation_old = _split_old(learned, share)
        validation = latest((*bootstrap_validation, *validation_old, *validation_new))
        validating = ImageIdentities.of(validation)
        new, old = _without(new, validating), _without(old, validating)
        mix, control, validation = self._mix(new, old, validation)
        self.log.info(
            "Night %s: %d new answers of %d nights, %d replayed old images, %d images for validation.",
            check_night(str(self.night)), mix.new, len(answers.manifests), mix.replayed, len(validation),
        )  # fmt: skip
        jobs = [self._job(NAME_PREFIX, parent, mix.lines, validation, answers.manifests, mix.new)]
        if self.control_arm:
            jobs.append(self._job(CONTROL_PREFIX, parent, control, validation, (), 0))
        return jobs

    def _mix(
        self,
        new: tuple[ManifestLine, ...],
        old: tuple[ManifestLine, ...],
        validation: tuple[ManifestLine, ...],
    ) -> tuple[ReplayMix, tuple[ManifestLine, ...], tuple[ManifestLine, ...]]:
        """Return what the challenger, the control and the validation read, without images replaced since.

        Only images that were drawn are looked at, and others are drawn in the place of those replaced.
        """
        from secondlook.records.content import replaced
        from secondlook.records.training_data import tell_replaced
        from secondlook.training import control_mix, mix_replay

        looked_at: set[ManifestLine] = set()
        stale: set[str] = set()
        while True:
            mix = mix_replay(new, old, float(self.replay_ratio))
            control = control_mix(old, len(mix.lines)) if self.control_arm else ()
            unseen = {*mix.lines, *control, *validation} - looked_at
            looked_at |= unseen
            found = set(replaced(self.store, sorted(unseen, key=lambda line: line.image)))
            if not found:
                tell_replaced(stale, len(looked_at), self.log)
                return mix, control, validation
            stale |= found
            new, old, validation = (
                tuple(line for line in lines if line.image not in stale) for lines in (new, old, validation)
            )

    def _skip_if_too_few(self, answers: Answers) -> None:
        wanted = int(self.min_new_answers)
        if len(answers.lines) < wanted:
            raise AirflowSkipException(
                f"There are {len(answers.lines)} answers that the champion has not learned and training "
                f"starts at {wanted}: nothing is trained tonight, the answers wait for the next night."
            )

    def _job(
        self,
        prefix: str,
        parent: ModelCard,
        train: tuple[ManifestLine, ...],
        validation: tuple[ManifestLine, ...],
        manifests: tuple[LearnedManifest, ...],
        new_images: int,
    ) -> JobPlan:
        from secondlook.training import ModelCard, TrainingData, what_is_learned, write_manifest
        from secondlook.training.hyperparameters import check_hyperparameters

        given = dict(parent.hyperparameters) | {"use_pretrained_model": "0"}
        hyperparameters = check_hyperparameters(
            given | self.checked_hyperparameters(parent.image),
            *(train, parent, len(parent.labels)),
            validation=validation,
            image=parent.image,
        )
        data = {"train": write_manifest(train), "validation": write_manifest(validation)}
        base_name = names.training_job_name(
            prefix,
            parent.artifact,
            parent.image,
            jsonl.canonical(hyperparameters),
            what_is_learned(train),
            what_is_learned(validation),
            *(self.execution_role_arn, self.instance_type, self.layout.uri(self.layout.models())),
        )

        def card(name: str) -> ModelCard:
            return ModelCard(
                model=name,
                artifact="",
                image=parent.image,
                parent=parent.model,
                created_by="control" if prefix == CONTROL_PREFIX else "nightly",
                hyperparameters=hyperparameters,
                data=TrainingData(
                    train_images=len(train),
                    new_images=new_images,
                    replayed_images=len(train) - new_images,
                    manifests=manifests,
                    learned_manifests=(
                        *parent.data.learned_manifests,
                        *(manifest.uri for manifest in manifests),
                    ),
                    train_manifest=self._manifest_uri(name, "train"),
                    validation_manifest=self._manifest_uri(name, "validation"),
                ),
                labels=parent.labels,
            )

        def spec(name: str) -> TrainingSpec:
            return self._spec(name, parent, hyperparameters)

        return self.plan(base_name, spec, card, data)

    def _spec(self, name: str, parent: ModelCard, hyperparameters: dict[str, str]) -> TrainingSpec:
        from secondlook.hooks.requests import Channel, TrainingSpec

        return TrainingSpec(
            image=parent.image,
            role_arn=self.execution_role_arn,
            hyperparameters=hyperparameters,
            channels=(
                Channel("train", "manifest", self._manifest_uri(name, "train"), shuffle_seed=SHUFFLE_SEED),
                Channel("validation", "manifest", self._manifest_uri(name, "validation")),
                Channel("model", "model", parent.artifact),
            ),
            output_uri=self.layout.uri(self.layout.models()),
            instance_type=self.instance_type,
            volume_size_gb=int(self.volume_size_gb),
            max_runtime_seconds=int(self.max_runtime_seconds),
        )

    def _manifest_uri(self, name: str, channel: str) -> str:
        return self.layout.uri(self.layout.training_manifest(name, channel))


def _split_old(
    learned: tuple[ManifestLine, ...], share: float
) -> tuple[tuple[ManifestLine, ...], tuple[ManifestLine, ...]]:
    """Split old answers as when they were new; bootstrap images keep the bootstrap's split."""
    from secondlook.training import split_validation

    answered = [line for line in learned if line.job_name.startswith("a2i/")]
    bootstrap = [line for line in learned if not line.job_name.startswith("a2i/")]
    train, validation = split_validation(answered, share)
    return (*bootstrap, *train), validation


def _without(lines: tuple[ManifestLine, ...], images: ImageIdentities) -> tuple[ManifestLine, ...]:
    return tuple(line for line in lines if line not in images)
