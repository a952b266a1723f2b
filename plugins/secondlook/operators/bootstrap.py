"""Train the first model, from scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondlook import jsonl, names
from secondlook.failures.exceptions import SecondLookError
from secondlook.operators.training_job import NAME_PREFIX, TrainingOperator
from secondlook.runtime.sdk import object_detection_image

if TYPE_CHECKING:
    from airflow.sdk import Context

    from secondlook.hooks.requests import TrainingSpec
    from secondlook.operators.training_job import JobPlan
    from secondlook.training import ManifestLine, ModelCard


CHANNELS = ("train", "validation")


class NotPackedError(SecondLookError):
    """The RecordIO files of the first training are not there."""


class SageMakerBootstrapTrainingOperator(TrainingOperator):
    """Train from scratch on the packed VOC folder (RecordIO, File mode).

    Returns ``{"model", "artifact", "card", "new", "replayed", "control": None}``, the form that incremental
    training has.

    :param labels: label names, index = class id (templated).
    :param image_uri: training and inference image; None takes Amazon's Object Detection image of the Region
        (templated).
    """

    template_fields = (*TrainingOperator.template_fields, "labels", "image_uri")

    def __init__(
        self, *, labels: list[str] | tuple[str, ...] | str, image_uri: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.labels = labels
        self.image_uri = image_uri
        if isinstance(labels, list | tuple) and not labels:
            raise self.wrong("labels", "must name at least one label")

    def execute(self, context: Context) -> Any:
        """Plan the job, or take up that of an earlier try."""
        progress = self.unfinished(context)
        if progress is not None:
            return self.advance(context, progress)
        plan = self._job()
        self.write_plan(plan)
        return self.run_jobs(context, [plan.name])

    def result(self, progress: dict[str, Any]) -> dict[str, Any]:
        """Return addresses and counts."""
        from secondlook.records.models import read_card

        card = read_card(self.store, self.layout, progress["jobs"][0])
        return {
            "model": card.model,
            "artifact": card.artifact,
            "card": self.layout.uri(self.layout.card(card.model)),
            "new": card.data.new_images,
            "replayed": card.data.replayed_images,
            "control": None,
        }

    def _job(self) -> JobPlan:
        from secondlook.training import ModelCard, TrainingData
        from secondlook.training.hyperparameters import check_hyperparameters

        image = self.image_uri or object_detection_image(self.sagemaker.region)
        train, validation, content = self._packed()
        labels = tuple(self.labels)
        given = self.checked_hyperparameters(image)
        hyperparameters = check_hyperparameters(
            given, train, None, len(labels), validation=validation, image=image
        )
        base_name = names.training_job_name(
            NAME_PREFIX, image, jsonl.canonical(hyperparameters), *content,
            *(self.execution_role_arn, self.instance_type, self.layout.uri(self.layout.models())),
        )  # fmt: skip

        def card(name: str) -> ModelCard:
            return ModelCard(
                model=name,
                artifact="",
                image=image,
                parent=None,
                created_by="bootstrap",
                hyperparameters=hyperparameters,
                data=TrainingData(
                    train_images=len(train),
                    new_images=0,
                    replayed_images=0,
                    train_manifest=self.layout.uri(self.layout.training_manifest(name, "train")),
                    validation_manifest=self.layout.uri(self.layout.training_manifest(name, "validation")),
                ),
                labels=labels,
            )

        # Packing again changes the bootstrap's manifests, and not what this model has learned.
        learned = {name: self.store.read(self.layout.bootstrap_manifest(name)).data for name in CHANNELS}
        return self.plan(base_name, lambda _: self._spec(image, hyperparameters), card, learned)

    def _spec(self, image: str, hyperparameters: dict[str, str]) -> TrainingSpec:
        from secondlook.hooks.requests import Channel, TrainingSpec

        return TrainingSpec(
            image=image,
            role_arn=self.execution_role_arn,
            hyperparameters=hyperparameters,
            channels=tuple(
                Channel(name, "recordio", self.layout.uri(self.layout.bootstrap_recordio(name)))
                for name in CHANNELS
            ),
            output_uri=self.layout.uri(self.layout.models()),
            instance_type=self.instance_type,
            volume_size_gb=int(self.volume_size_gb),
            max_runtime_seconds=int(self.max_runtime_seconds),
        )

    def _packed(self) -> tuple[tuple[ManifestLine, ...], tuple[ManifestLine, ...], list[str]]:
        """Return the lines to train and to validate with, and the SHA-256 of both RecordIO files."""
        from secondlook.hooks.s3 import SHA256
        from secondlook.records.training_data import TrainingDataReader

        contents = []
        for name in CHANNELS:
            key = self.layout.bootstrap_recordio(name)
            head = self.store.head(key)
            if head is None:
                raise NotPackedError(f"{self.store.uri(key)} does not exist: run the task pack first.")
            # Files that were packed elsewhere do not tell it.
            contents.append(head.metadata.get(SHA256) or self.store.sha256(key))
        reader = TrainingDataReader(self.store, self.layout, tuple(self.labels), self.log)
        train = reader.manifest(self.layout.bootstrap_manifest("train")).lines
        return train, reader.bootstrap_validation(), contents
