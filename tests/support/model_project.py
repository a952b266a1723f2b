"""A deployment on a real S3 server and on SageMaker on this machine, with operators for each of its tasks.

The pictures are simple on purpose: dark squares and bright bars on grey.
"""

from __future__ import annotations

import io
import json
import tarfile
import urllib.request
import uuid
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from secondlook.operators.bootstrap import SageMakerBootstrapTrainingOperator
from secondlook.operators.deploy import SageMakerDeployEndpointOperator
from secondlook.operators.evaluate import DetectorEvaluationOperator
from secondlook.operators.pack import PackVocOperator
from secondlook.operators.plan import NightPlanOperator
from secondlook.operators.promote import ChampionPromoteOperator
from secondlook.operators.publish import ChampionPublishOperator
from secondlook.operators.score import SageMakerScoreImagesOperator
from secondlook.operators.score_archive import ArchiveScoreOperator
from secondlook.operators.scored import ScoredNightOperator
from secondlook.operators.train import SageMakerIncrementalTrainingOperator
from secondlook.settings import (
    ArchiveSettings,
    BootstrapSettings,
    EvaluationSettings,
    Section,
    ServingSettings,
    TrainingSettings,
)
from secondlook.training import Annotation, ManifestLine, write_manifest
from tests.support.aws import DETECTOR_IMAGE, STUB_IMAGE
from tests.support.project import Project
from tests.support.shapes import LABELS, SIDE_PX, annotation_xml, draw

NIGHT = "2026-11-20"
HYPERPARAMETERS = {
    "base_network": "slim-ssd",
    "image_shape": 96,
    "epochs": 3,
    "learning_rate": 0.003,
    "mini_batch_size": 8,
    "optimizer": "adam",
}


def with_section(name: str, kind: type[Section], arguments: dict[str, Any]) -> dict[str, Any]:
    """Gather those arguments that are settings of a section into it."""
    section = {key: value for key, value in arguments.items() if key in kind.model_fields}
    return {name: section, **{key: value for key, value in arguments.items() if key not in section}}


@dataclass
class ModelProject(Project):
    """One deployment; its methods make operators with everything given but the interesting part."""

    prefix: str = "shapes"
    _: KW_ONLY
    sagemaker: Any
    endpoint: str = field(default_factory=lambda: f"shapes-{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        self.forget_calls()

    @property
    def waiting(self) -> dict[str, Any]:
        return {
            **self.place,
            "execution_role_arn": self.role_arn,
            "poll_interval_seconds": 0.1,
            "deferrable": False,
        }

    def pack(self, **more: Any) -> PackVocOperator:
        defaults = {"task_id": "pack", "labels": list(LABELS), "holdout_version": "v1"}
        arguments = {**defaults, **self.place, **more}
        return PackVocOperator(**with_section("bootstrap", BootstrapSettings, arguments))

    def bootstrap(self, **more: Any) -> SageMakerBootstrapTrainingOperator:
        defaults = {"task_id": "train", "labels": list(LABELS), "image_uri": DETECTOR_IMAGE, **self.waiting}
        arguments = {**defaults, "hyperparameters": HYPERPARAMETERS, **more}
        first = {"hyperparameters": arguments.pop("hyperparameters")}
        arguments = with_section("training", TrainingSettings, arguments)
        return SageMakerBootstrapTrainingOperator(bootstrap=first, **arguments)

    def publish(self, **more: Any) -> ChampionPublishOperator:
        return ChampionPublishOperator(task_id="publish", **{**self.place, **more})

    def deploy(self, **more: Any) -> SageMakerDeployEndpointOperator:
        arguments = {"task_id": "deploy", "endpoint_name": self.endpoint, **self.waiting, **more}
        return SageMakerDeployEndpointOperator(**with_section("serving", ServingSettings, arguments))

    def score(self, model: str, **more: Any) -> SageMakerScoreImagesOperator:
        defaults = {"task_id": "score", "night": NIGHT, "endpoint_name": self.endpoint, "concurrency": 4}
        arguments = with_section("serving", ServingSettings, {**defaults, **self.place, **more})
        return SageMakerScoreImagesOperator(model=model, **arguments)

    def plan(self, **more: Any) -> NightPlanOperator:
        arguments = {"task_id": "plan", "night": NIGHT, **self.place, **more}
        return NightPlanOperator(**with_section("serving", ServingSettings, arguments))

    def score_archive(self, **more: Any) -> ArchiveScoreOperator:
        defaults = {"task_id": "score_archive", "night": NIGHT, "concurrency": 4, **self.waiting}
        arguments = with_section("archive", ArchiveSettings, {**defaults, **more})
        return ArchiveScoreOperator(**with_section("serving", ServingSettings, arguments))

    def scored(self, model: str, **more: Any) -> ScoredNightOperator:
        arguments = {"task_id": "scored", "night": NIGHT, "model": model, **self.place, **more}
        return ScoredNightOperator(**with_section("serving", ServingSettings, arguments))

    def train(self, **more: Any) -> SageMakerIncrementalTrainingOperator:
        defaults = {
            "task_id": "train",
            "night": NIGHT,
            "holdout_version": "v1",
            "min_new_answers": 8,
            "hyperparameters": {"epochs": 2, "learning_rate": 0.0015},
        }
        arguments = with_section("training", TrainingSettings, {**defaults, **self.waiting, **more})
        return SageMakerIncrementalTrainingOperator(**arguments)

    def evaluate(self, challenger: str, **more: Any) -> DetectorEvaluationOperator:
        defaults = {"task_id": "evaluate", "holdout_version": "v1", "min_images": 10, **self.waiting}
        arguments = with_section("evaluation", EvaluationSettings, {**defaults, **more})
        return DetectorEvaluationOperator(challenger=challenger, **arguments)

    def promote(self, challenger: str, **more: Any) -> ChampionPromoteOperator:
        return ChampionPromoteOperator(task_id="promote", challenger=challenger, **{**self.place, **more})

    def calls(self, operation: str) -> int:
        """How often SageMaker here was asked for an operation since the test began."""
        return self._operations().get(operation, 0) - self._earlier_calls.get(operation, 0)

    def forget_calls(self) -> None:
        """Count calls from now on: earlier ones were made by other tests, or to prepare this one."""
        self._earlier_calls = self._operations()

    def _operations(self) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.sagemaker.meta.endpoint_url}/_status", timeout=10) as answer:
            operations: dict[str, int] = json.load(answer)["operations"]
        return operations

    def training_jobs(self) -> set[str]:
        """The names of this deployment's training jobs, told from those of others by their tags."""
        pages = self.sagemaker.get_paginator("list_training_jobs").paginate()
        jobs = [job for page in pages for job in page["TrainingJobSummaries"]]
        place = self.layout.uri(self.layout.prefix)
        return {job["TrainingJobName"] for job in jobs if self._place_of(job["TrainingJobArn"]) == place}

    def _place_of(self, arn: str) -> str | None:
        tags = {tag["Key"]: tag["Value"] for tag in self.sagemaker.list_tags(ResourceArn=arn)["Tags"]}
        return tags.get("second-look:place")

    def upload_artifact(self, name: str = "stub/model.tar.gz", **files: str) -> str:
        """Upload a small archive that the stub algorithm is content with; returns its address.

        ``files`` by name: ``answer`` and ``status`` are what it answers to everything.
        """
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for member, text in {"weights.bin": "", **files}.items():
                info = tarfile.TarInfo(member)
                info.size = len(text.encode())
                archive.addfile(info, io.BytesIO(text.encode()))
        self.put(name, buffer.getvalue())
        return self.layout.uri(name)

    def serve_with_stub(self, model: str = "stub", **files: str) -> None:
        """Let the champion be a model of the stub algorithm: it starts at once and finds nothing.

        ``files`` as in :meth:`upload_artifact`.
        """
        folder = f"{model}/steered" if files else model
        artifact = self.upload_artifact(f"{folder}/model.tar.gz", **files)
        pointer = {"model": model, "artifact": artifact, "card": "s3://nowhere/card", "image": STUB_IMAGE}
        self.put(self.layout.champion(), json.dumps({**pointer, "parent": None, "version": 1}).encode())

    def train_with_stub(self, **hyperparameters: str) -> str:
        """Let the champion be of the stub algorithm, steered by hyperparameters; returns the model id."""
        pointer = self.read(self.layout.champion())
        card = self.read(self.layout.card(pointer["model"]))
        card |= {"image": STUB_IMAGE, "hyperparameters": {**card["hyperparameters"], **hyperparameters}}
        self.put(self.layout.card(pointer["model"]), json.dumps(card).encode())
        return str(pointer["model"])

    def upload_voc(self, folder: str, seeds: range, *, dusk: bool = False) -> None:
        """Upload drawn pictures with their annotations as a VOC folder."""
        for seed in seeds:
            picture = draw(seed, dusk=dusk)
            self.put(f"{folder}/JPEGImages/shape{seed:04d}.jpg", picture.data)
            self.put(f"{folder}/Annotations/shape{seed:04d}.xml", annotation_xml(picture))

    def upload_night(self, seeds: range, night: str = NIGHT, *, dusk: bool = False) -> None:
        """Upload drawn pictures as a night's images."""
        for seed in seeds:
            self.put(f"{self.layout.images(night)}/shape{seed:04d}.jpg", draw(seed, dusk=dusk).data)

    def answer_night(self, seeds: range, night: str = NIGHT, *, dusk: bool = False) -> None:
        """Write the manifest that reviewers who see everything leave behind; uploads the images, too."""
        self.upload_night(seeds, night, dusk=dusk)
        lines = []
        for seed in seeds:
            boxes = draw(seed, dusk=dusk).boxes
            lines.append(
                ManifestLine(
                    image=self.layout.uri(f"{self.layout.images(night)}/shape{seed:04d}.jpg"),
                    width=SIDE_PX,
                    height=SIDE_PX,
                    depth=3,
                    annotations=tuple(
                        Annotation(left, top, width, height, LABELS.index(label))
                        for label, left, top, width, height in boxes
                    ),
                    labels=LABELS,
                    night=night,
                    job_name=f"a2i/second-look-{seed}",
                )
            )
        self.put(self.layout.reviewed_manifest(night), write_manifest(lines))
