"""What must hold after the nights, read from S3 and from SageMaker's and the Review Desk's own records.

Never the operators' word: what they return or write as counts is not looked at.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from include.demo.demo_settings import ENDPOINT, FLOW
from include.demo.state import BUCKET
from include.demo.upload import LAYOUT
from secondlook import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cluster import Cluster

AT_REST = {"Completed", "Failed", "Stopped"}


@dataclass
class Findings:
    """Counts of one night, and every sentence about something that should not be."""

    counts: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def each_once(self, what: str, wanted: Iterable[str], found: Iterable[str]) -> None:
        """Say what of `wanted` was found never or more than once, and what was found without being wanted."""
        times, expected = Counter(found), set(wanted)
        self.wrong += [f"{what}: {item} is missing" for item in sorted(expected - times.keys())]
        self.wrong += [f"{what}: {item} was not asked for" for item in sorted(times.keys() - expected)]
        self.wrong += [f"{what}: {item} {count} times" for item, count in sorted(times.items()) if count > 1]


@dataclass(frozen=True)
class _Loop:
    name: str
    status: str
    night: str
    image: str


class Outside:
    """Reads the services of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._s3 = cluster.s3()
        self._sagemaker = cluster.client("sagemaker", "sagemaker")
        self._flows = cluster.client("sagemaker", "desk")
        self._loops = cluster.client("sagemaker-a2i-runtime", "desk")

    # What tells when to kill.

    def parts(self, night: str) -> dict[str, str]:
        """The finished parts of a night's predictions: key to last change and ETag."""
        return {
            item["Key"]: f"{item['LastModified'].isoformat()} {item['ETag']}"
            for item in self._objects(f"{_predictions(night)}/")
            if "/part-" in item["Key"] and item["Key"].endswith(".jsonl.gz")
        }

    def images(self, night: str) -> list[str]:
        """Addresses of the images that arrived."""
        return [LAYOUT.uri(item["Key"]) for item in self._objects(f"{LAYOUT.images(night)}/")]

    def scored_count(self, night: str) -> int:
        """How many images have a prediction."""
        return len(self._scored(night))

    def loop_names(self) -> set[str]:
        """Every loop that the desk knows."""
        arn = self._flows.describe_flow_definition(FlowDefinitionName=FLOW)["FlowDefinitionArn"]
        pages = self._loops.get_paginator("list_human_loops").paginate(FlowDefinitionArn=arn)
        return {loop["HumanLoopName"] for page in pages for loop in page["HumanLoopSummaries"]}

    def selected(self, night: str) -> int:
        """How many images the night's ledger asks about; 0 while there is none."""
        found = self._s3.list_objects_v2(Bucket=BUCKET, Prefix=LAYOUT.ledger(night))
        return len(self._asked(night)) if found["KeyCount"] else 0

    def training_jobs(self) -> dict[str, str]:
        """Every training job's status by name."""
        pages = self._sagemaker.get_paginator("list_training_jobs").paginate()
        jobs = [job for page in pages for job in page["TrainingJobSummaries"]]
        return {job["TrainingJobName"]: job["TrainingJobStatus"] for job in jobs}

    # What must hold.

    def night(self, night: str) -> Findings:
        """Scoring, loops and manifest of one night."""
        found = Findings()
        images = self.images(night)
        scored, quarantined = self._scored(night), self._quarantined(night)
        found.each_once("scored or quarantined", images, [*scored, *quarantined])
        ledger = self._asked(night)
        loops = [loop for loop in self._all_loops() if loop.night == night]
        found.each_once("human loop", ledger, [loop.image for loop in loops])
        found.wrong += [
            f"human loop {loop.name} is {loop.status}" for loop in loops if loop.status != "Completed"
        ]
        lines = [line["source-ref"] for line in self._lines(LAYOUT.reviewed_manifest(night))]
        rejected = [line["image"] for line in self._lines(LAYOUT.rejected(night))]
        found.each_once("manifest line or rejection", ledger, [*lines, *rejected])
        found.counts = {
            "images": len(images),
            "scored": len(scored),
            "quarantined": len(quarantined),
            "selected": len(ledger),
            "loops": len(loops),
            "manifest_lines": len(lines),
            "rejected": len(rejected),
        }
        return found

    def everything(self) -> Findings:
        """Jobs and endpoints: one completed training per input set, one endpoint, nothing left running."""
        found = Findings()
        jobs = self._training_descriptions()
        inputs = Counter(self._inputs(job) for job in jobs)
        for job in jobs:
            name, status = job["TrainingJobName"], job["TrainingJobStatus"]
            if status != "Completed":
                found.wrong.append(f"training job {name} is {status}")
            if inputs[self._inputs(job)] > 1:
                found.wrong.append(f"training job {name} has the inputs of another one")
        transforms = self._transform_jobs()
        found.wrong += [
            f"transform job {name} is {status}" for name, status in transforms if status not in AT_REST
        ]
        found.wrong += self._endpoint_faults()
        found.counts = {"training_jobs": len(jobs), "transform_jobs": len(transforms)}
        return found

    def _asked(self, night: str) -> list[str]:
        lines = self._lines(LAYOUT.ledger(night))
        return [line["image"] for line in lines if line.get("state", "asked") == "asked"]

    def _scored(self, night: str) -> list[str]:
        return [line["image"] for key in self.parts(night) for line in self._lines(key)]

    def _quarantined(self, night: str) -> list[str]:
        keys = [item["Key"] for item in self._objects(f"{_predictions(night)}/")]
        lists = [key for key in keys if key.endswith("/quarantine.jsonl")]
        return [line["image"] for key in lists for line in self._lines(key)]

    def _all_loops(self) -> list[_Loop]:
        loops = []
        for name in sorted(self.loop_names()):
            loop = self._loops.describe_human_loop(HumanLoopName=name)
            output = loop.get("HumanLoopOutput", {}).get("OutputS3Uri")
            shown = self._json(LAYOUT.key_of(output))["inputContent"] if output else {}
            loops.append(
                _Loop(name, loop["HumanLoopStatus"], shown.get("night", ""), shown.get("taskObject", ""))
            )
        return loops

    def _training_descriptions(self) -> list[dict[str, Any]]:
        return [
            self._sagemaker.describe_training_job(TrainingJobName=name)
            for name in sorted(self.training_jobs())
        ]

    def _inputs(self, job: dict[str, Any]) -> str:
        """What a job read, by content: the channels' objects, the hyperparameters, the algorithm."""
        channels = {}
        for channel in job["InputDataConfig"]:
            key = LAYOUT.key_of(channel["DataSource"]["S3DataSource"]["S3Uri"])
            channels[channel["ChannelName"]] = [item["ETag"] for item in self._objects(key)]
        image = job["AlgorithmSpecification"]["TrainingImage"]
        return json.dumps([channels, job["HyperParameters"], image], sort_keys=True)

    def _transform_jobs(self) -> list[tuple[str, str]]:
        pages = self._sagemaker.get_paginator("list_transform_jobs").paginate()
        jobs = [job for page in pages for job in page["TransformJobSummaries"]]
        return [(job["TransformJobName"], job["TransformJobStatus"]) for job in jobs]

    def _endpoint_faults(self) -> list[str]:
        names = [endpoint["EndpointName"] for endpoint in self._sagemaker.list_endpoints()["Endpoints"]]
        if names != [ENDPOINT]:
            return [f"the endpoints are {names}, not only {ENDPOINT}"]
        endpoint = self._sagemaker.describe_endpoint(EndpointName=ENDPOINT)
        if endpoint["EndpointStatus"] != "InService":
            return [f"the endpoint is {endpoint['EndpointStatus']}"]
        config = self._sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
        model = self._sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
        champion = self._json(LAYOUT.champion())["artifact"]
        served = model["PrimaryContainer"]["ModelDataUrl"]
        return [] if served == champion else [f"the endpoint serves {served}, the champion is {champion}"]

    def _objects(self, prefix: str) -> list[dict[str, Any]]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [item for page in pages for item in page.get("Contents", ())]

    def _lines(self, key: str) -> list[dict[str, Any]]:
        return jsonl.decode(self._read(key), source=key)

    def _json(self, key: str) -> Any:
        return json.loads(self._read(key))

    def _read(self, key: str) -> bytes:
        return bytes(self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())


def _predictions(night: str) -> str:
    """The folder of a night's predictions, of whatever model."""
    return LAYOUT.predictions(night, "model").rpartition("/")[0]
