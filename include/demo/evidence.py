"""What a backfill did, seen from outside: the services' own lists and the objects in S3.

No word of an operator counts here: loops are those that the Review Desk lists, jobs those that SageMaker
lists, manifests the bytes that S3 serves.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import boto3

from include.demo.demo_settings import FLOW
from include.demo.services import s3_client
from include.demo.state import REGION
from include.demo.upload import LABEL_ATTRIBUTE, LAYOUT
from secondlook.jsonl import decode
from secondlook.layout import steps

if TYPE_CHECKING:
    from include.demo.state import State

ENDED = ("Completed", "Failed", "Stopped")


@dataclass(frozen=True)
class Evidence:
    """One moment. `jobs` maps names to states; `reviews` a night to the loops that its ledger asks for."""

    loops: frozenset[str]
    training_jobs: dict[str, str]
    transform_jobs: dict[str, str]
    endpoints: dict[str, str]
    manifests: dict[str, bytes]
    reviews: dict[str, tuple[str, ...]]
    champion_version: int

    @property
    def running_jobs(self) -> list[str]:
        """Names of the jobs that have not ended."""
        jobs = self.training_jobs | self.transform_jobs
        return sorted(name for name, status in jobs.items() if status not in ENDED)

    def added(self, later: Evidence) -> dict[str, int]:
        """Counts of what came between this moment and a later one."""
        return {
            "loops_started": len(later.loops - self.loops),
            "training_jobs": len(later.training_jobs.keys() - self.training_jobs.keys()),
            "transform_jobs": len(later.transform_jobs.keys() - self.transform_jobs.keys()),
            "promotions": later.champion_version - self.champion_version,
        }


def bytes_changed(before: Evidence, after: Evidence) -> int:
    """How many bytes of the manifests differ; one that came or went counts with all its bytes."""
    return sum(
        sum(
            one != other
            for one, other in zip_longest(before.manifests.get(key, b""), after.manifests.get(key, b""))
        )
        for key in before.manifests.keys() | after.manifests.keys()
    )


def faults(state: State, evidence: Evidence) -> list[str]:
    """Check what must hold for every archive; one sentence for each violation.

    Each image of a night appears exactly once among a model's predictions and quarantined files; each human
    loop is in a ledger, and ends as one manifest line or one rejection.
    """
    s3 = s3_client(state)
    asked = sorted(loop for loops in evidence.reviews.values() for loop in loops)
    same = asked == sorted(evidence.loops)
    found = [] if same else ["the loops in the ledgers differ from those that exist"]
    answered = sorted(
        loop
        for key, data in evidence.manifests.items()
        for line in _lines(key, data)
        for loop in [line.get("loop") or line[f"{LABEL_ATTRIBUTE}-metadata"]["job-name"].removeprefix("a2i/")]
    )
    if answered != asked:
        found.append(f"{len(answered)} manifest lines and rejections for {len(asked)} reviews")
    for night in evidence.reviews:
        found += _misplaced(s3, night)
    return found


def _misplaced(s3: Any, night: str) -> list[str]:
    """Models whose predictions and quarantined files are not each image of the night once."""
    images = sorted(f"s3://{LAYOUT.bucket}/{key}" for key in _keys(s3, f"{LAYOUT.images(night)}/"))
    folder = LAYOUT.all_predictions(night)
    models: dict[str, list[str]] = {}
    for key in _keys(s3, f"{folder}/"):
        model = steps(folder, key)[0]
        # The quarantine lines of the parts are those of the whole night again.
        if key.startswith(LAYOUT.prediction_parts(night, model)) or key == LAYOUT.quarantine(night, model):
            models.setdefault(model, []).extend(line["image"] for line in decode(_get(s3, key)))
    if not models:
        return [f"the night {night} was not scored"]
    return [
        f"the predictions of {model} do not hold each image of {night} once"
        for model, scored in models.items()
        if sorted(scored) != images
    ]


def _lines(key: str, data: bytes) -> list[dict[str, Any]]:
    return decode(data) if LAYOUT.is_reviewed_manifest(key) or LAYOUT.is_rejected(key) else []


def gather(state: State) -> Evidence:
    """Ask S3, SageMaker and the Review Desk."""
    s3, sagemaker = s3_client(state), _client(state, "sagemaker", "sagemaker")
    desk = _client(state, "sagemaker-a2i-runtime", "desk")
    flow = _client(state, "sagemaker", "desk").describe_flow_definition(FlowDefinitionName=FLOW)
    ledgers = {
        steps(LAYOUT.reviews(), key)[0]: decode(_get(s3, key))
        for key in _keys(s3, f"{LAYOUT.reviews()}/")
        if LAYOUT.is_ledger(key)
    }
    return Evidence(
        loops=frozenset(
            loop["HumanLoopName"]
            for loop in _pages(
                desk, "list_human_loops", "HumanLoopSummaries", FlowDefinitionArn=flow["FlowDefinitionArn"]
            )
        ),
        training_jobs=_states(sagemaker, "list_training_jobs", "TrainingJob"),
        transform_jobs=_states(sagemaker, "list_transform_jobs", "TransformJob"),
        endpoints={
            endpoint["EndpointName"]: endpoint["LastModifiedTime"].isoformat()
            for endpoint in _pages(sagemaker, "list_endpoints", "Endpoints")
        },
        manifests={key: _get(s3, key) for key in _keys(s3, f"{LAYOUT.manifests()}/")},
        reviews={
            night: tuple(line["loop"] for line in lines if line.get("state", "asked") == "asked")
            for night, lines in ledgers.items()
        },
        champion_version=_champion_version(s3),
    )


def _states(client: Any, operation: str, kind: str) -> dict[str, str]:
    return {job[f"{kind}Name"]: job[f"{kind}Status"] for job in _pages(client, operation, f"{kind}Summaries")}


def _pages(client: Any, operation: str, member: str, **arguments: Any) -> list[dict[str, Any]]:
    pages = client.get_paginator(operation).paginate(**arguments)
    return [item for page in pages for item in page[member]]


def _keys(s3: Any, prefix: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=LAYOUT.bucket, Prefix=prefix)
    return [item["Key"] for page in pages for item in page.get("Contents", ())]


def _get(s3: Any, key: str) -> bytes:
    return bytes(s3.get_object(Bucket=LAYOUT.bucket, Key=key)["Body"].read())


def _champion_version(s3: Any) -> int:
    return int(json.loads(_get(s3, LAYOUT.champion()))["version"])


def _client(state: State, service: str, server: str) -> Any:
    return boto3.session.Session().client(
        service,
        endpoint_url=state.url(server),
        region_name=REGION,
        aws_access_key_id=state.secrets.access_key,
        aws_secret_access_key=state.secrets.secret_key,
    )
