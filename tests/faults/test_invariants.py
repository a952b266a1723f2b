"""The checks can fail: a night without faults, then one seeded violation after the other."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.faults.calls import Call, Fault
from tests.faults.deployment import BUCKET, FIRST_MODEL, LOOPS, NIGHT, Deployment
from tests.faults.invariants import DUPLICATE, LOSS, Invariants, Violation
from tests.faults.night import Night
from tests.faults.outcome import differences, outcome
from tests.faults.replay import Result
from tests.faults.servers import Servers
from tests.faults.table import Table


@pytest.fixture(scope="module")
def night(fault_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A deployment after a night without faults."""
    deployment = Deployment(fault_servers, tmp_path_factory.mktemp("invariants"))
    run = Night(deployment)
    run.run()
    assert run.succeeded, run.log.read_text()[-6000:]
    assert Invariants(deployment, loops=LOOPS).violations() == []
    return deployment


@contextmanager
def changed(deployment: Deployment, key: str, change: Callable[[bytes], bytes]) -> Iterator[list[Violation]]:
    """Change an object, yield the violations, change it back."""
    before = deployment.get(key)
    deployment.put(key, change(before))
    try:
        yield Invariants(deployment, loops=LOOPS).violations()
    finally:
        deployment.put(key, before)


def kinds(violations: list[Violation]) -> set[str]:
    return {violation.kind for violation in violations}


def test_a_line_lost_or_doubled_is_counted(night: Deployment) -> None:
    layout = night.layout
    part = layout.prediction_part(NIGHT, FIRST_MODEL, 1)
    for key in (layout.reviewed_manifest(NIGHT), layout.rejected(NIGHT), layout.outcomes(NIGHT), part):
        packed = key.endswith(".gz")

        def first_line_lost(data: bytes, packed: bool = packed) -> bytes:
            lines = (gzip.decompress(data) if packed else data).splitlines(keepends=True)
            return gzip.compress(b"".join(lines[1:])) if packed else b"".join(lines[1:])

        def first_line_doubled(data: bytes, packed: bool = packed) -> bytes:
            lines = (gzip.decompress(data) if packed else data).splitlines(keepends=True)
            return gzip.compress(b"".join(lines[:1] + lines)) if packed else b"".join(lines[:1] + lines)

        with changed(night, key, first_line_lost) as found:
            assert kinds(found) == {LOSS}, key
        with changed(night, key, first_line_doubled) as found:
            assert kinds(found) == {DUPLICATE}, key


def test_an_image_both_scored_and_quarantined_is_counted(night: Deployment) -> None:
    line = {"image": night.layout.uri(night.night_images[0]), "etag": "", "code": "unreadable", "reason": ""}
    key = night.layout.quarantine(NIGHT, FIRST_MODEL)
    with changed(night, key, lambda data: data + json.dumps(line).encode() + b"\n") as found:
        assert [violation.kind for violation in found] == [DUPLICATE]


def test_a_second_loop_is_counted(night: Deployment) -> None:
    flow = night.control.describe_flow_definition(FlowDefinitionName=night.name)["FlowDefinitionArn"]
    ledger = night.lines(night.layout.ledger(NIGHT))
    described = night.a2i.describe_human_loop(HumanLoopName=ledger[0]["loop"])
    assert described["HumanLoopStatus"] == "Completed"
    again = f"{night.name}-again"
    night.a2i.start_human_loop(
        HumanLoopName=again,
        FlowDefinitionArn=flow,
        HumanLoopInput={"InputContent": json.dumps({"taskObject": ledger[0]["image"]})},
    )
    try:
        found = Invariants(night, loops=LOOPS).violations()
        assert kinds(found) == {DUPLICATE}
        assert {f"the human loop {again} was not asked for", f"the human loop {again} is left open"} == {
            violation.what for violation in found
        }
    finally:
        night.a2i.stop_human_loop(HumanLoopName=again)
        night.a2i.delete_human_loop(HumanLoopName=again)


def test_a_champion_promoted_twice_or_not_at_all_is_counted(night: Deployment) -> None:
    def version(number: int) -> Callable[[bytes], bytes]:
        return lambda data: json.dumps({**json.loads(data), "version": number}).encode()

    with changed(night, night.layout.champion(), version(3)) as found:
        assert DUPLICATE in kinds(found)
    with changed(night, night.layout.champion(), version(1)) as found:
        assert LOSS in kinds(found)


def test_a_leaked_reservation_is_counted(night: Deployment) -> None:
    (key,) = night.keys(night.layout.budgets() + "/")

    def leak(data: bytes) -> bytes:
        budget = json.loads(data)
        (reservation,) = budget["reservations"].values()
        reservation["loops"]["second-look-of-nobody"] = "0.05"
        return json.dumps(budget).encode()

    with changed(night, key, leak) as found:
        assert [violation.kind for violation in found] == [DUPLICATE]


def test_postponed_images_that_no_later_night_would_find_are_counted(night: Deployment) -> None:
    (key,) = night.keys(night.layout.postponed_marks() + "/")
    night.s3.delete_object(Bucket=BUCKET, Key=key)
    assert [violation.kind for violation in Invariants(night, loops=LOOPS).violations()] == [LOSS]
    night.put(key, b"")


def test_what_differs_from_a_night_without_faults_is_counted(night: Deployment) -> None:
    before = outcome(night)
    assert differences(outcome(night), before) == []
    extra, key = f"{night.name}/training/left-over.json", night.layout.predictions_summary(NIGHT, FIRST_MODEL)
    night.put(extra, b"{}")
    original = night.get(key)
    night.put(key, b"{}\n")
    assert kinds(differences(outcome(night), before)) == {DUPLICATE, LOSS}
    night.put(key, original)
    night.s3.delete_object(Bucket=BUCKET, Key=extra)
    assert differences(outcome(night), before) == []


def test_an_endpoint_that_is_gone_is_counted(night: Deployment, wait_until: Callable[..., Any]) -> None:
    night.sagemaker.delete_endpoint(EndpointName=night.name)
    wait_until(lambda: night.sagemaker.list_endpoints(NameContains=night.name)["Endpoints"] == [])
    assert [violation.kind for violation in Invariants(night, loops=LOOPS).violations()] == [LOSS]


def test_a_second_training_of_the_same_inputs_is_counted(night: Deployment) -> None:
    champion = json.loads(night.get(night.layout.champion()))["model"]
    job = night.sagemaker.describe_training_job(TrainingJobName=champion)
    members = ("AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig", "ResourceConfig")
    more = {name: job[name] for name in (*members, "StoppingCondition", "HyperParameters")}
    more["AlgorithmSpecification"].pop("MetricDefinitions", None)
    night.sagemaker.create_training_job(TrainingJobName=f"{night.name}-again", **more)
    waiter = night.sagemaker.get_waiter("training_job_completed_or_stopped")
    running = Invariants(night, loops=LOOPS).violations()
    waiter.wait(TrainingJobName=f"{night.name}-again", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    ended = Invariants(night, loops=LOOPS).violations()
    assert DUPLICATE in kinds(running)
    assert [violation.what for violation in ended if violation.kind == DUPLICATE] == [
        "2 completed training jobs with the same inputs"
    ]


def test_the_table_counts_findings_and_leaves_out_what_did_not_happen() -> None:
    first, second = (
        Fault(Call(task, "task", "s3", "GetObject", "champion.json", 1), "429")
        for task in ("score[0]", "train")
    )
    table = Table()
    table.add(Result((first, second)))
    table.add(Result((first,), violations=(Violation(DUPLICATE, "a loop"), Violation(LOSS, "a line"))))
    table.add(Result((second,), stuck="it hangs"))
    table.add(Result((second,), missed=(second,)))
    report = table.report()
    assert report["total"] == {"faults": 4, "survived": 2, "duplicates": 1, "losses": 1, "stuck": 1}
    assert [line["operator"] for line in report["by_operator"]] == ["score", "train"]  # type: ignore[attr-defined]
