"""A small deployment of its own: a first champion, a holdout, a night of images and a flow definition."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tarfile
import uuid
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from secondlook import jsonl
from secondlook.layout import Layout
from secondlook.names import project_tags
from secondlook.training import (
    Annotation,
    Champion,
    ManifestLine,
    ModelCard,
    TrainingData,
    write_manifest,
)
from tests.faults.algorithm import SIDE_PX, picture, truth
from tests.faults.servers import IMAGE, ROLE_ARN, Servers
from tests.faults.workers import LABELS, TEAM, WORKER
from tests.support.reviewer import Reviewer

NIGHT = "2026-11-20"
BUCKET = "second-look-faults"
FIRST_MODEL = "second-look-first"
IMAGES = 6
LOOPS = 3
"""People see the best-ranked three of the six images; the month has no room for the fourth."""
TEMPLATE = Path(__file__).resolve().parents[2] / "plugins/secondlook/worker_template/bounding_box.liquid.html"
SETTINGS = """
bucket = "{bucket}"
prefix = "{name}"
execution_role_arn = "{role}"
flow_role_arn = "{role}"
endpoint_name = "{name}"
flow_definition = "{name}"
workteam_name = "{team}"
labels = ["square", "bar"]
image_uri = "{image}"
[serving]
shard_size = 4
part_size = 2
concurrency = 2
poll_interval_seconds = 0.05
timeout_seconds = 300
[review]
limit = 4
month_limit = {loops}
price_per_review = 0.05
month_money = 100
postponed_nights = 1
loops_per_second = 1000
audit_share = 0
poll_interval_seconds = 0.05
timeout_seconds = 300
task_time_limit_seconds = 600
[training]
min_new_answers = 2
replay_ratio = 10
validation_share = 0
poll_interval_seconds = 0.05
hyperparameters = {{epochs = 1, mini_batch_size = 2}}
[evaluation]
poll_interval_seconds = 0.05
min_images = 4
"""


class Deployment:
    """Everything that a night needs, under a prefix of its own in a bucket that all share.

    :param servers: where it lives.
    :param folder: for its settings file and its logs.
    """

    def __init__(self, servers: Servers, folder: Path, *, images: int = IMAGES, settings: str = "") -> None:
        self.servers = servers
        self.name = f"n{uuid.uuid4().hex[:10]}"
        self.folder = folder / self.name
        self.folder.mkdir(parents=True)
        self.layout = Layout(BUCKET, self.name)
        self.created = datetime.now(UTC) - timedelta(seconds=1)
        self.settings = self.folder / "secondlook.toml"
        text = SETTINGS.format(
            bucket=BUCKET, name=self.name, role=ROLE_ARN, team=TEAM, image=IMAGE, loops=LOOPS
        )
        self.settings.write_text(text + settings)
        self.night_images = [f"{self.layout.images(NIGHT)}/image{number}.jpg" for number in range(images)]
        self._fill()
        self._leave_something_old()
        create_flow(servers, self.name, self.layout.uri(self.layout.a2i_output()))

    @cached_property
    def s3(self) -> Any:
        """S3 without faults."""
        return self.servers.client("s3")

    @cached_property
    def control(self) -> Any:
        """The Review Desk's control plane without faults."""
        return self.servers.client("sagemaker", desk=True)

    @cached_property
    def a2i(self) -> Any:
        """Human loops without faults."""
        return self.servers.client("sagemaker-a2i-runtime")

    @cached_property
    def sagemaker(self) -> Any:
        """SageMaker without faults."""
        return self.servers.client("sagemaker")

    def environment(self) -> dict[str, str]:
        """What a task's process needs to find the deployment."""
        return {"SECONDLOOK_SETTINGS": str(self.settings), **self.servers.environment()}

    def answer(self) -> int:
        """Let the reviewer answer every open loop; the best-ranked image is answered unusably."""
        ledger = self.lines(self.layout.ledger(NIGHT))
        spoiled = ledger[0]["image"].rsplit("/", 1)[1] if ledger else ""
        name, password = WORKER
        reviewer = Reviewer(self.servers.urls["desk"], name, password)
        answered = 0
        while task := reviewer.next():
            image = task["input"]["taskObject"]
            # A size that the image does not have: the night has to reject this answer.
            side = SIDE_PX + 1 if spoiled and image.endswith(spoiled) else SIDE_PX
            names = ("label", "left", "top", "width", "height")
            boxes = [
                dict(zip(names, (LABELS[kind], *sides), strict=True))
                for kind, *sides in self._truth_of(image)
            ]
            status, body = reviewer.answer(task, boxes, width=side, height=side)
            assert status == 200, body
            answered += 1
        return answered

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=data)

    def get(self, key: str) -> bytes:
        """Read an object."""
        body: bytes = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body

    def champion(self) -> dict[str, Any]:
        """The champion pointer."""
        found: dict[str, Any] = json.loads(self.get(self.layout.champion()))
        return found

    def lines(self, key: str) -> list[dict[str, Any]]:
        """Read a JSON Lines object."""
        return jsonl.decode(self.get(key))

    def keys(self, prefix: str) -> list[str]:
        """Keys of all objects below ``prefix``."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", ())]

    def tear_down(self) -> None:
        """Delete what goes on running or is listed account-wide."""
        with contextlib.suppress(self.sagemaker.exceptions.ClientError):
            self.sagemaker.delete_endpoint(EndpointName=self.name)
        for kind in ("EndpointConfig", "Model"):
            snake = "endpoint_config" if kind == "EndpointConfig" else "model"
            pages = self.sagemaker.get_paginator(f"list_{snake}s").paginate()
            for item in [item for page in pages for item in page[f"{kind}s"]]:
                getattr(self.sagemaker, f"delete_{snake}")(**{f"{kind}Name": item[f"{kind}Name"]})

    def _truth_of(self, address: str) -> list[list[int]]:
        return truth(self.get(self.layout.key_of(address)))

    def _fill(self) -> None:
        for key in self.night_images:
            self.put(key, picture(key.rsplit("/", 1)[1]))
        self.put(f"{self.layout.images(NIGHT)}/notes.txt", b"the microscope was cleaned today")
        self.put(self.layout.holdout_manifest("v1"), self._labelled("holdout", 4, part="clean"))
        train = self._labelled("train", 3)
        self.put(self.layout.bootstrap_manifest("train"), train)
        self.put(self.layout.bootstrap_manifest("validation"), self._labelled("validation", 2))
        self.put(self.layout.artifact(FIRST_MODEL), artifact(skill=0))
        card = ModelCard(
            model=FIRST_MODEL,
            artifact=self.layout.uri(self.layout.artifact(FIRST_MODEL)),
            image=IMAGE,
            parent=None,
            created_by="bootstrap",
            hyperparameters={"num_classes": "2", "epochs": "1", "mini_batch_size": "2"},
            data=TrainingData(
                train_images=3,
                new_images=0,
                replayed_images=0,
                train_manifest=self.layout.uri(self.layout.bootstrap_manifest("train")),
                validation_manifest=self.layout.uri(self.layout.bootstrap_manifest("validation")),
            ),
            labels=LABELS,
        )
        self.put(self.layout.card(FIRST_MODEL), card.to_json())
        champion = Champion.of(card, self.layout.uri(self.layout.card(FIRST_MODEL)))
        self.put(self.layout.champion(), champion.to_json())

    def _leave_something_old(self) -> None:
        """A model and an endpoint config that nobody needs any more, for the cleanup."""
        tags = project_tags(self.layout.uri(self.layout.prefix))
        self.put(f"{self.name}/old/model.tar.gz", artifact(skill=0))
        container = {"Image": IMAGE, "ModelDataUrl": self.layout.uri(f"{self.name}/old/model.tar.gz")}
        self.sagemaker.create_model(
            ModelName=f"second-look-{self.name}-old",
            PrimaryContainer=container,
            ExecutionRoleArn=ROLE_ARN,
            Tags=tags,
        )
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": f"second-look-{self.name}-old",
            "InitialInstanceCount": 1,
            "InstanceType": "ml.m5.xlarge",
        }
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=f"second-look-{self.name}-old", ProductionVariants=[variant], Tags=tags
        )

    def _labelled(self, group: str, count: int, part: str | None = None) -> bytes:
        """Upload labelled images and return their manifest."""
        lines = []
        for number in range(count):
            key = f"{self.name}/labelled/{group}{number}.jpg"
            image = picture(f"{group}{number}")
            self.put(key, image)
            lines.append(
                ManifestLine(
                    image=self.layout.uri(key),
                    width=SIDE_PX,
                    height=SIDE_PX,
                    depth=3,
                    annotations=tuple(
                        Annotation(left, top, width, height, kind)
                        for kind, left, top, width, height in truth(image)
                    ),
                    labels=LABELS,
                    night="1970-01-01",
                    job_name=f"voc/{group}",
                    slice=part,
                    sha256=hashlib.sha256(image).hexdigest(),
                )
            )
        return write_manifest(lines)


def create_flow(servers: Servers, name: str, output_path: str) -> None:
    """Create a flow definition for the reviewers' team, and its template."""
    desk = servers.client("sagemaker", desk=True)
    team = desk.describe_workteam(WorkteamName=TEAM)["Workteam"]
    interface = desk.create_human_task_ui(HumanTaskUiName=name, UiTemplate={"Content": TEMPLATE.read_text()})
    desk.create_flow_definition(
        FlowDefinitionName=name,
        RoleArn=ROLE_ARN,
        HumanLoopConfig={
            "WorkteamArn": team["WorkteamArn"],
            "HumanTaskUiArn": interface["HumanTaskUiArn"],
            "TaskTitle": "Correct the boxes",
            "TaskDescription": "One box around every object.",
            "TaskCount": 1,
            "TaskAvailabilityLifetimeInSeconds": 3600,
            "TaskTimeLimitInSeconds": 600,
        },
        OutputConfig={"S3OutputPath": output_path},
    )


def artifact(skill: int, **files: str) -> bytes:
    """A model of the algorithm; ``files`` by name are laid beside it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in {"skill.json": json.dumps({"skill": skill}), **files}.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()
