"""A deployment in a bucket of its own, on a real S3 server and on SageMaker on this machine with the real
detector.

The pictures are simple on purpose: dark squares and bright bars on grey.
"""

from __future__ import annotations

import io
import json
import tarfile
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from secondlook import jsonl
from secondlook.layout import Layout
from secondlook.operators.bootstrap import SageMakerBootstrapTrainingOperator
from secondlook.operators.deploy import SageMakerDeployEndpointOperator
from secondlook.operators.evaluate import DetectorEvaluationOperator
from secondlook.operators.pack import PackVocOperator
from secondlook.operators.plan import NightPlanOperator
from secondlook.operators.promote import ChampionPromoteOperator, ChampionPublishOperator
from secondlook.operators.score import SageMakerScoreImagesOperator
from secondlook.operators.score_archive import ArchiveScoreOperator
from secondlook.operators.scored import ScoredNightOperator
from secondlook.operators.train import SageMakerIncrementalTrainingOperator
from secondlook.training import Annotation, ManifestLine, write_manifest
from tests.operators.shapes import LABELS, SIDE_PX, annotation_xml, draw

NIGHT = "2026-11-20"
DETECTOR_IMAGE = "811284229777.dkr.ecr.us-east-1.amazonaws.com/object-detection:1"
STUB_IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/stub-algorithm:1"
HYPERPARAMETERS = {
    "base_network": "slim-ssd",
    "image_shape": 96,
    "epochs": 3,
    "learning_rate": 0.003,
    "mini_batch_size": 8,
    "optimizer": "adam",
}


class TaskInstance:
    """What operators use of a task instance: who it is, and somewhere to push XComs to."""

    dag_id, task_id, map_index = "nightly_detection", "train", -1

    def __init__(self, run_id: str | None = None) -> None:
        self.run_id = run_id or f"manual__{uuid.uuid4().hex[:8]}"
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


class StateStore:
    """What operators use of Airflow's task state: it survives a retry."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        self.values[key] = json.loads(json.dumps(value))


@pytest.fixture
def context() -> dict[str, Any]:
    """The part of Airflow's context that the operators use."""
    return {
        "ti": TaskInstance(),
        "task_state_store": StateStore(),
        "dag_run": SimpleNamespace(run_type="manual"),
    }


@dataclass
class Project:
    """One deployment; its methods make operators with everything given but the interesting part."""

    bucket: str
    s3: Any
    sagemaker: Any
    role_arn: str
    prefix: str = "shapes"
    endpoint: str = field(default_factory=lambda: f"shapes-{uuid.uuid4().hex[:8]}")

    @property
    def layout(self) -> Layout:
        return Layout(self.bucket, self.prefix)

    @property
    def place(self) -> dict[str, Any]:
        return {"bucket": self.bucket, "prefix": self.prefix}

    @property
    def jobs(self) -> dict[str, Any]:
        return {
            **self.place,
            "execution_role_arn": self.role_arn,
            "instance_type": "ml.g4dn.xlarge",
            "poll_interval_seconds": 0.1,
            "timeout_seconds": 120,
            "deferrable": False,
        }

    # Operators.

    def pack(self, **more: Any) -> PackVocOperator:
        defaults = {"task_id": "pack", "labels": list(LABELS), "holdout_version": "v1"}
        return PackVocOperator(**{**defaults, **self.place, **more})

    def bootstrap(self, **more: Any) -> SageMakerBootstrapTrainingOperator:
        defaults = {
            "task_id": "train",
            "labels": list(LABELS),
            "image_uri": DETECTOR_IMAGE,
            "hyperparameters": HYPERPARAMETERS,
        }
        return SageMakerBootstrapTrainingOperator(**{**defaults, **self.jobs, **more})

    def publish(self, **more: Any) -> ChampionPublishOperator:
        return ChampionPublishOperator(task_id="publish", **{**self.place, **more})

    def deploy(self, **more: Any) -> SageMakerDeployEndpointOperator:
        defaults = {"task_id": "deploy", "endpoint_name": self.endpoint}
        return SageMakerDeployEndpointOperator(
            **{**defaults, **self.jobs, "instance_type": "ml.m5.xlarge", **more}
        )

    def score(self, model: str, **more: Any) -> SageMakerScoreImagesOperator:
        defaults = {"task_id": "score", "night": NIGHT, "endpoint_name": self.endpoint, "model": model}
        return SageMakerScoreImagesOperator(**{**defaults, **self.place, "concurrency": 4, **more})

    def plan(self, **more: Any) -> NightPlanOperator:
        return NightPlanOperator(**{"task_id": "plan", "night": NIGHT, **self.place, **more})

    def score_archive(self, **more: Any) -> ArchiveScoreOperator:
        defaults = {"task_id": "score_archive", "night": NIGHT, "concurrency": 4}
        return ArchiveScoreOperator(**{**defaults, **self.jobs, "instance_type": "ml.m5.xlarge", **more})

    def scored(self, model: str, **more: Any) -> ScoredNightOperator:
        return ScoredNightOperator(
            **{"task_id": "scored", "night": NIGHT, "model": model, **self.place, **more}
        )

    def train(self, **more: Any) -> SageMakerIncrementalTrainingOperator:
        defaults = {
            "task_id": "train",
            "night": NIGHT,
            "holdout_version": "v1",
            "min_new_answers": 8,
            "hyperparameters": {"epochs": 2, "learning_rate": 0.0015},
        }
        return SageMakerIncrementalTrainingOperator(**{**defaults, **self.jobs, **more})

    def evaluate(self, challenger: str, **more: Any) -> DetectorEvaluationOperator:
        defaults = {
            "task_id": "evaluate",
            "challenger": challenger,
            "holdout_version": "v1",
            "min_images": 10,
        }
        return DetectorEvaluationOperator(
            **{**defaults, **self.jobs, "instance_type": "ml.m5.xlarge", **more}
        )

    def promote(self, challenger: str, **more: Any) -> ChampionPromoteOperator:
        return ChampionPromoteOperator(task_id="promote", challenger=challenger, **{**self.place, **more})

    def calls(self, operation: str) -> int:
        """How often SageMaker here has been asked for an operation, by anybody."""
        with urllib.request.urlopen(f"{self.sagemaker.meta.endpoint_url}/_status", timeout=10) as answer:
            return int(json.load(answer)["operations"].get(operation, 0))

    # What lies in the bucket.

    def put(self, key: str, data: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data)

    def get(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def read(self, key: str) -> Any:
        return json.loads(self.get(key))

    def lines(self, key: str) -> list[dict[str, Any]]:
        return jsonl.decode(self.get(key))

    def keys(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", ())]

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


@pytest.fixture
def new_project(
    monkeypatch: pytest.MonkeyPatch, aws_connection: str, aws_clients: Callable[..., Any], role_arn: str
) -> Callable[[], Project]:
    """Factory of deployments, each in a bucket of its own."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", aws_connection)
    s3, sagemaker = aws_clients("s3"), aws_clients("sagemaker")

    def make() -> Project:
        bucket = f"second-look-{uuid.uuid4().hex[:12]}"
        s3.create_bucket(Bucket=bucket)
        return Project(bucket=bucket, s3=s3, sagemaker=sagemaker, role_arn=role_arn)

    return make


@pytest.fixture
def project(new_project: Callable[[], Project]) -> Project:
    """An empty deployment."""
    return new_project()


_bootstrapped: dict[str, Any] = {}


@pytest.fixture
def ready(new_project: Callable[[], Project], context: dict[str, Any]) -> Project:
    """A deployment with a first model and a holdout of 24 images, in a folder of its own.

    The model is trained once; further deployments get the pointer, the card and the manifests, which go on
    naming the images and the artifact where they are.
    """
    if not _bootstrapped:
        first = new_project()
        first.upload_voc(first.layout.bootstrap_voc(), range(64))
        first.upload_voc(f"{first.layout.holdout('v1')}/voc/clean", range(1000, 1012))
        first.upload_voc(f"{first.layout.holdout('v1')}/voc/drifted", range(2000, 2012), dusk=True)
        packed = first.pack().execute(context)
        assert packed == {"train": 51, "validation": 13, "rejected": 0, "holdout": 24}
        model = first.bootstrap().execute(context)["model"]
        assert first.read(first.layout.card(model))["created_by"] == "bootstrap"
        assert first.publish(model=model).execute(context) == {"champion": model, "version": 1}
        _bootstrapped.update(first=first, model=model)
    first, model = _bootstrapped["first"], _bootstrapped["model"]
    name = f"shapes-{uuid.uuid4().hex[:8]}"
    project = replace(first, prefix=name, endpoint=name)
    for place in (
        lambda layout: layout.champion(),
        lambda layout: layout.card(model),
        lambda layout: layout.bootstrap_manifest("train"),
        lambda layout: layout.bootstrap_manifest("validation"),
        lambda layout: layout.holdout_manifest("v1"),
    ):
        project.put(place(project.layout), first.get(place(first.layout)))
    return project


@pytest.fixture
def slow(ready: Project) -> Project:
    """A deployment with enough answers, whose training takes a minute."""
    ready.train_with_stub(sleep_seconds="60")
    ready.answer_night(range(3000, 3012))
    return ready
