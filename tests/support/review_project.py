"""A deployment up to the moment people are asked, on a real S3 server and a real Review Desk."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from secondlook import jsonl
from secondlook.detection import Box, Detection, Prediction
from secondlook.operators.launch import HumanLoopStartOperator
from secondlook.operators.manifest import AugmentedManifestOperator
from secondlook.operators.remove_review_workflow import ReviewWorkflowRemoveOperator
from secondlook.operators.review_workflow import ReviewWorkflowCreateOperator
from secondlook.sensors.human_loops import HumanLoopSensor
from secondlook.settings import ReviewSettings
from tests.support.project import Project
from tests.support.reviewer import HEIGHT_PX, WIDTH_PX

LABELS = ["RBC", "WBC", "Platelets"]
NIGHT = "2026-11-20"
MODEL = "second-look-model-1"


@dataclass
class ReviewProject(Project):
    """One deployment in a bucket and a flow definition of its own."""

    prefix: str = "cells"
    _: KW_ONLY
    a2i: Any
    control: Any
    team: str
    flow: str = field(default_factory=lambda: f"cells-{uuid.uuid4().hex[:8]}")

    @property
    def place(self) -> dict[str, Any]:
        return {**super().place, "flow_definition_name": self.flow}

    @property
    def flow_arn(self) -> str:
        return self.control.describe_flow_definition(FlowDefinitionName=self.flow)["FlowDefinitionArn"]

    def create(self, **arguments: Any) -> ReviewWorkflowCreateOperator:
        """The task ``create``; arguments as of ``launch``."""
        review = {"task_description": "One box around every cell.", "task_time_limit_seconds": 600}
        defaults = {
            "task_id": "create",
            "flow_role_arn": self.role_arn,
            "workteam_name": self.team,
            "labels": LABELS,
            "review": review | _settings(arguments),
        }
        return ReviewWorkflowCreateOperator(**{**defaults, **self.place, **arguments})

    def remove(self, **arguments: Any) -> ReviewWorkflowRemoveOperator:
        return ReviewWorkflowRemoveOperator(task_id="remove", **{**self.place, **arguments})

    def launch(self, **arguments: Any) -> HumanLoopStartOperator:
        """The task ``launch``; arguments that name review settings are keys of its section ``review``."""
        review = {"loops_per_second": 1000.0} | _settings(arguments)
        defaults = {"task_id": "launch", "night": NIGHT, "model": MODEL, "labels": LABELS, "review": review}
        return HumanLoopStartOperator(**{**defaults, **self.place, **arguments})

    def await_reviews(self, **arguments: Any) -> HumanLoopSensor:
        """The task ``await_reviews``; arguments as of ``launch``."""
        review = {"poll_interval_seconds": 0.2, "timeout_seconds": 60} | _settings(arguments)
        defaults = {"task_id": "await_reviews", "night": NIGHT, "review": review}
        return HumanLoopSensor(**{**defaults, **self.place, **arguments})

    def manifest(self, **arguments: Any) -> AugmentedManifestOperator:
        defaults = {"task_id": "manifest", "night": NIGHT, "labels": LABELS}
        return AugmentedManifestOperator(**{**defaults, **super().place, **arguments})

    def score(self, predictions: Sequence[Prediction], night: str = NIGHT, per_part: int = 4) -> None:
        """Write predictions as the scoring task does."""
        for index, start in enumerate(range(0, len(predictions), per_part)):
            records = [prediction.to_record() for prediction in predictions[start : start + per_part]]
            self.put(self.layout.prediction_part(night, MODEL, index), jsonl.encode_gzip(records))
        self.put(self.layout.predictions_summary(night, MODEL), b"{}")

    def prediction(self, name: str, *scores: float, night: str = NIGHT) -> Prediction:
        """A scored image with one box per score, side by side."""
        boxes = [Box(10.0 + 20 * i, 20.0, 25.0 + 20 * i, 60.0) for i in range(len(scores))]
        detections = [
            Detection(i % 3, score, box) for i, (score, box) in enumerate(zip(scores, boxes, strict=True))
        ]
        image = self.layout.uri(f"{self.layout.images(night)}/{name}.jpg")
        return Prediction(
            image,
            f"etag-of-{name}",
            WIDTH_PX,
            HEIGHT_PX,
            3,
            MODEL,
            tuple(sorted(detections, key=Detection.sort_key)),
            hashlib.sha256(image.encode()).hexdigest(),
        )

    def make_flow(self, human_task_ui_arn: str, **loop_config: Any) -> None:
        """Create the flow definition as the review_workflow DAG does, yet with any configuration."""
        team = self.control.describe_workteam(WorkteamName=self.team)["Workteam"]
        self.control.create_flow_definition(
            FlowDefinitionName=self.flow,
            RoleArn=self.role_arn,
            HumanLoopConfig={
                "WorkteamArn": team["WorkteamArn"],
                "HumanTaskUiArn": human_task_ui_arn,
                "TaskTitle": "Correct the boxes",
                "TaskDescription": "One box around every cell.",
                "TaskCount": 1,
                "TaskAvailabilityLifetimeInSeconds": 600,
                "TaskTimeLimitInSeconds": 600,
                **loop_config,
            },
            OutputConfig={"S3OutputPath": self.layout.uri(self.layout.a2i_output())},
        )

    def loops(self) -> dict[str, str]:
        """Name and status of every human loop of the flow."""
        pages = self.a2i.get_paginator("list_human_loops").paginate(FlowDefinitionArn=self.flow_arn)
        return {
            loop["HumanLoopName"]: loop["HumanLoopStatus"]
            for page in pages
            for loop in page["HumanLoopSummaries"]
        }

    def stop_all(self) -> None:
        for name, status in self.loops().items():
            if status == "InProgress":
                # One that is answered already may end between the listing and here.
                with contextlib.suppress(self.a2i.exceptions.ValidationException):
                    self.a2i.stop_human_loop(HumanLoopName=name)


def _settings(arguments: dict[str, Any]) -> dict[str, Any]:
    """Take the review settings out of an operator's arguments."""
    return {name: arguments.pop(name) for name in ReviewSettings.model_fields if name in arguments}
