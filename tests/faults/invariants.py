"""What has to hold after a night, whatever went wrong in it; looked up from outside.

The operators' word counts for nothing here: what lies in S3 and what the servers have on record is read with
clients of its own. Each violation is a duplicate (something was done or counted twice, or is left running),
or a loss (something is missing or not what it has to be).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondlook import jsonl
from tests.faults.algorithm import answer, picture
from tests.faults.deployment import BUCKET, FIRST_MODEL, NIGHT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.faults.deployment import Deployment

DUPLICATE, LOSS = "duplicate", "loss"
RUNNING = frozenset({"InProgress", "Stopping"})


@dataclass(frozen=True, order=True)
class Violation:
    """One thing that does not hold: ``duplicate`` or ``loss``, and what."""

    kind: str
    what: str


class Invariants:
    """The state of one deployment after a night that promoted its challenger.

    :param deployment: whose.
    :param loops: how many images people were to see.
    """

    def __init__(self, deployment: Deployment, *, loops: int) -> None:
        self.deployment = deployment
        self.layout = deployment.layout
        self.wanted_loops = loops

    def violations(self) -> list[Violation]:
        """Everything that does not hold."""
        checks = (
            *(self.images, self.loops, self.manifest, self.budget, self.postponed),
            *(self.training, self.transforms, self.champion, self.endpoint),
        )
        return sorted({violation for check in checks for violation in check()})

    def images(self) -> Iterator[Violation]:
        """Each image stands in exactly one of predictions and quarantine, once."""
        folder = f"{self.layout.predictions(NIGHT, FIRST_MODEL)}/"
        found: Counter[str] = Counter()
        for key in self.deployment.keys(folder + "part-"):
            found.update(line["image"] for line in self._lines(key))
        found.update(line["image"] for line in self._lines(f"{folder}quarantine.jsonl"))
        images = self.deployment.keys(self.layout.images(NIGHT) + "/")
        yield from _once("the scored image", map(self.layout.uri, images), found)

    def loops(self) -> Iterator[Violation]:
        """Each selected image has one human loop, and there are no others."""
        ledger = self._ledger()
        yield from _once("the ledger's line", {line["image"] for line in ledger}, _count(ledger, "image"))
        if len(ledger) != self.wanted_loops:
            kind = LOSS if len(ledger) < self.wanted_loops else DUPLICATE
            yield Violation(kind, f"{len(ledger)} of {self.wanted_loops} images in the ledger")
        flow = self.deployment.control.describe_flow_definition(FlowDefinitionName=self.deployment.name)
        pages = self.deployment.a2i.get_paginator("list_human_loops").paginate(
            FlowDefinitionArn=flow["FlowDefinitionArn"]
        )
        loops = [loop for page in pages for loop in page["HumanLoopSummaries"]]
        yield from _once("the human loop", _names(ledger), _count(loops, "HumanLoopName"))
        for loop in loops:
            if loop["HumanLoopStatus"] in RUNNING:
                yield Violation(DUPLICATE, f"the human loop {loop['HumanLoopName']} is left open")
        outcomes = self._lines(self.layout.outcomes(NIGHT))
        yield from _once("the outcome of", _names(ledger), _count(outcomes, "loop"))

    def manifest(self) -> Iterator[Violation]:
        """Each asked line of the ledger ends in the manifest or among the rejected, once."""
        reviewed = self._lines(self.layout.reviewed_manifest(NIGHT))
        rejected = self._lines(self.layout.rejected(NIGHT))
        found = _count(reviewed, "source-ref") + _count(rejected, "image")
        yield from _once("the answer about", {line["image"] for line in self._ledger()}, found)

    def budget(self) -> Iterator[Violation]:
        """What the months have reserved is what was asked."""
        held: Counter[str] = Counter()
        for key in self.deployment.keys(self.layout.budgets() + "/"):
            for reservation in json.loads(self.deployment.get(key))["reservations"].values():
                held.update(list(reservation["loops"]))
        yield from _once("the reservation of", _names(self._ledger()), held)

    def postponed(self) -> Iterator[Violation]:
        """A night that postponed images is marked, once, so that later nights find them."""
        lines = self._lines(self.layout.ledger(NIGHT))
        wanted = {NIGHT} if len(lines) > len(self._ledger()) else set()
        marks = self.deployment.keys(self.layout.postponed_marks() + "/")
        yield from _once(
            "the mark of postponed images of", wanted, Counter(m.rpartition("/")[2] for m in marks)
        )

    def training(self) -> Iterator[Violation]:
        """One completed training job per input set, and none that is running."""
        jobs = list(self._jobs("training"))
        made: Counter[str] = Counter()
        for job in jobs:
            if job["TrainingJobStatus"] in RUNNING:
                yield Violation(DUPLICATE, f"the training job {job['TrainingJobName']} is left running")
            if job["TrainingJobStatus"] == "Completed":
                made[self._inputs(job)] += 1
        for times in made.values():
            if times > 1:
                yield Violation(DUPLICATE, f"{times} completed training jobs with the same inputs")
        if not made:
            yield Violation(LOSS, "no completed training job")

    def transforms(self) -> Iterator[Violation]:
        """One completed transform per model and input, and none that is running."""
        made: Counter[str] = Counter()
        for job in self._jobs("transform"):
            if job["TransformJobStatus"] in RUNNING:
                yield Violation(DUPLICATE, f"the transform job {job['TransformJobName']} is left running")
            if job["TransformJobStatus"] == "Completed":
                source = job["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
                made[f"{job['ModelName']} {source}"] += 1
        for name, times in made.items():
            if times > 1:
                yield Violation(DUPLICATE, f"{times} completed transforms of {name}")
        if len(made) < 2:
            yield Violation(LOSS, f"{len(made)} of 2 models have answered for the holdout")

    def champion(self) -> Iterator[Violation]:
        """The pointer moved exactly once, to the challenger."""
        champion = json.loads(self.deployment.get(self.layout.champion()))
        if champion["version"] != 2:
            kind = LOSS if champion["version"] < 2 else DUPLICATE
            yield Violation(kind, f"the champion has version {champion['version']} instead of 2")
            return
        card = json.loads(self.deployment.get(self.layout.card(champion["model"])))
        verdict = card["verdict"] or {}
        if champion["parent"] != FIRST_MODEL or champion["artifact"] != card["artifact"]:
            yield Violation(LOSS, "the champion's pointer is not that of its card")
        if verdict.get("promoted_as_version") != 2 or not verdict.get("promote"):
            yield Violation(LOSS, f"the champion's card has the verdict {verdict}")

    def endpoint(self) -> Iterator[Violation]:
        """One endpoint, in service, answering with the champion; none after a night scored by transform."""
        sagemaker, name = self.deployment.sagemaker, self.deployment.name
        listed = sagemaker.list_endpoints(NameContains=name)["Endpoints"]
        transformed = f"{self.layout.transforms(NIGHT, FIRST_MODEL)}/"
        if not listed and self.deployment.keys(transformed):
            return
        if len(listed) != 1 or listed[0]["EndpointStatus"] != "InService":
            kind = DUPLICATE if len(listed) > 1 else LOSS
            yield Violation(kind, f"endpoints: {[item['EndpointStatus'] for item in listed]}")
            return
        champion = json.loads(self.deployment.get(self.layout.champion()))
        config = sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"]
        variants = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
        models = [sagemaker.describe_model(ModelName=variant["ModelName"]) for variant in variants]
        artifacts = [model["PrimaryContainer"]["ModelDataUrl"] for model in models]
        if artifacts != [champion["artifact"]]:
            yield Violation(LOSS, f"the endpoint is made of {artifacts}, not of the champion")
        image = picture("what does it serve")
        said = self.deployment.servers.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=name,
            Body=image,
            ContentType="image/jpeg",
            Accept="application/json;annotation=1",
        )
        if json.loads(said["Body"].read()) != answer(image, skill=1):
            yield Violation(LOSS, "the endpoint does not answer as the champion does")

    def cleaned_up(self) -> Iterator[Violation]:
        """After the cleanup: what champion and parent need is there, what nobody needs is not."""
        sagemaker, name = self.deployment.sagemaker, self.deployment.name
        wanted = {
            json.loads(self.deployment.get(self.layout.champion()))["artifact"],
            self.layout.uri(self.layout.artifact(FIRST_MODEL)),
        }
        pages = sagemaker.get_paginator("list_models").paginate()
        models = [model["ModelName"] for page in pages for model in page["Models"]]
        held = Counter(
            sagemaker.describe_model(ModelName=model)["PrimaryContainer"]["ModelDataUrl"] for model in models
        )
        mine = Counter({uri: times for uri, times in held.items() if f"/{name}/" in uri})
        yield from _once("after the cleanup, the model of", wanted, mine)
        if sagemaker.list_endpoint_configs(NameContains=f"{name}-old")["EndpointConfigs"]:
            yield Violation(DUPLICATE, "after the cleanup, the old endpoint config is there")

    def _ledger(self) -> list[dict[str, Any]]:
        lines = self._lines(self.layout.ledger(NIGHT))
        return [line for line in lines if line.get("state", "asked") == "asked"]

    def _lines(self, key: str) -> list[dict[str, Any]]:
        """Lines of an object, none if it does not exist."""
        if key not in self.deployment.keys(key):
            return []
        return jsonl.decode(self.deployment.get(key))

    def _jobs(self, kind: str) -> Iterator[dict[str, Any]]:
        """Descriptions of this deployment's jobs."""
        sagemaker, shape = self.deployment.sagemaker, f"{kind.capitalize()}Job"
        pages = sagemaker.get_paginator(f"list_{kind}_jobs").paginate(
            CreationTimeAfter=self.deployment.created
        )
        describe = getattr(sagemaker, f"describe_{kind}_job")
        for summary in (summary for page in pages for summary in page[f"{shape}Summaries"]):
            job = describe(**{f"{shape}Name": summary[f"{shape}Name"]})
            output = job.get("OutputDataConfig") or job["TransformOutput"]
            if output["S3OutputPath"].startswith(f"s3://{BUCKET}/{self.deployment.name}/"):
                yield job

    def _inputs(self, job: dict[str, Any]) -> str:
        """What a training job read: the bytes behind its channels, and its hyperparameters."""
        sources = {
            channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"]
            for channel in job["InputDataConfig"]
        }
        read = {
            name: self.deployment.get(self.layout.key_of(uri)).hex() for name, uri in sorted(sources.items())
        }
        return json.dumps([read, job["HyperParameters"]], sort_keys=True)


def _once(what: str, wanted: Iterable[str], found: Counter[str]) -> Iterator[Violation]:
    """Every wanted name was found exactly once, and nothing else."""
    wanted = set(wanted)
    for name in sorted(wanted - set(found)):
        yield Violation(LOSS, f"{what} {name} is missing")
    for name, times in sorted(found.items()):
        if times > 1:
            yield Violation(DUPLICATE, f"{what} {name} is there {times} times")
        elif name not in wanted:
            yield Violation(DUPLICATE, f"{what} {name} was not asked for")


def _names(ledger: Iterable[dict[str, Any]]) -> set[str]:
    return {line["loop"] for line in ledger}


def _count(records: Iterable[dict[str, Any]], member: str) -> Counter[str]:
    return Counter(record[member] for record in records)
