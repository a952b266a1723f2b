"""Replay a night with faults, run it to its end, and look at what is left."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.faults.calls import KINDS, Call, Fault, Wiretap, server_of
from tests.faults.deployment import BUCKET, LOOPS, Deployment
from tests.faults.invariants import Invariants, Violation
from tests.faults.night import Night, StuckError, load_dag
from tests.faults.outcome import differences, outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.faults.servers import Servers

SECONDS = 300.0
"""A night that takes longer is stuck; on a quiet machine it takes two seconds."""
REFERENCES = 2
ROOMY = 3


@dataclass(frozen=True)
class Reference:
    """A night without faults: its calls in order, those whose answer has a body, and what it leaves."""

    calls: tuple[Call, ...]
    bodies: frozenset[Call]
    outcome: dict[str, bytes]


@dataclass(frozen=True)
class Result:
    """How a night with faults ended.

    ``stuck`` is the sentence about a night that did not end in success within its retries and its time,
    empty otherwise; ``missed`` are faults whose call did not come.
    """

    faults: tuple[Fault, ...]
    missed: tuple[Fault, ...] = ()
    violations: tuple[Violation, ...] = ()
    stuck: str = ""
    seconds: float = 0.0
    log: str = field(default="", repr=False)

    @property
    def survived(self) -> bool:
        """Whether it ended as if nothing had happened."""
        return not self.violations and not self.stuck

    def told(self) -> str:
        """Faults and findings, for a person."""
        lines = [f"* {fault}" for fault in self.faults]
        lines += [f"  {violation.kind}: {violation.what}" for violation in self.violations]
        return "\n".join([*lines, *([f"  stuck: {self.stuck}"] if self.stuck else [])])


class Replayer:
    """Runs nights, one at a time, on servers of its own."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        self._servers = servers
        self._folder = folder
        servers.client("s3").create_bucket(Bucket=BUCKET)
        self.reference = self._reference()

    def replay(self, faults: Iterable[Fault]) -> Result:
        """Run a night with these faults, each once, to its end, then the cleanup; check what is left."""
        faults, began = tuple(faults), time.monotonic()
        deployment = Deployment(self._servers, self._folder)
        wiretap = Wiretap(deployment.name, faults, self._servers.restart)
        stuck = self._run(deployment, wiretap)
        violations: list[Violation] = []
        if not stuck:
            violations += Invariants(deployment, loops=LOOPS).violations()
            violations += differences(outcome(deployment), self.reference.outcome)
        deployment.tear_down()
        return Result(
            faults=faults,
            missed=tuple(fault for fault in faults if fault not in wiretap.injected),
            violations=tuple(violations),
            stuck=stuck,
            seconds=time.monotonic() - began,
            log=_tail(deployment) if stuck or violations else "",
        )

    def _run(self, deployment: Deployment, wiretap: Wiretap) -> str:
        """Return why the night is stuck, nothing if it is not."""
        runs = [
            Night(deployment, instrument=wiretap.instrument, on_tell=wiretap.hear),
            Night(
                deployment,
                dag_id="cleanup",
                conf={"dry_run": False, "min_age_hours": 0},
                instrument=wiretap.instrument,
                on_tell=wiretap.hear,
            ),
        ]
        for run in runs:
            try:
                run.run(seconds=SECONDS)
            except StuckError as error:
                return str(error)
            if not run.succeeded:
                return f"{run.dag.dag_id} ended as {run.states()} after {run.history}"
        return ""

    def _reference(self) -> Reference:
        """Run nights without faults; their common calls and what they leave."""
        taps, outcomes = [], []
        for _ in range(REFERENCES):
            deployment = Deployment(self._servers, self._folder)
            wiretap = Wiretap(deployment.name)
            stuck = self._run(deployment, wiretap)
            found = [] if stuck else Invariants(deployment, loops=LOOPS).violations()
            if stuck or found:
                raise AssertionError(f"A night without faults: {stuck} {found}\n{_tail(deployment)}")
            outcomes.append(outcome(deployment))
            deployment.tear_down()
            taps.append(wiretap)
        unequal = differences(*outcomes)
        if unequal:
            raise AssertionError(f"Two nights without faults differ: {unequal}")
        common = set.intersection(*(set(wiretap.calls) for wiretap in taps))
        calls = tuple(call for call in dict.fromkeys(taps[0].calls) if call in common)
        return Reference(calls, frozenset(taps[0].bodies), outcomes[0])


def all_faults(reference: Reference) -> Iterator[Fault]:
    """Every kind of fault at every call; a server dies once in each task."""
    died = set()
    for call in reference.calls:
        for kind in KINDS:
            if kind == "server":
                where = (call.task, call.actor, server_of(call))
                if server_of(call) == "s3" or where in died:
                    continue
                died.add(where)
            if kind != "half-read" or call in reference.bodies:
                yield Fault(call, kind)


def one_fault_each(reference: Reference) -> Iterator[Fault]:
    """Every call once; the kinds are dealt in turn, so that all of them occur."""
    possible: dict[Call, list[str]] = {}
    for fault in all_faults(reference):
        possible.setdefault(fault.call, []).append(fault.kind)
    turn = 0
    for call, kinds in possible.items():
        while KINDS[turn % len(KINDS)] not in kinds:
            turn += 1
        yield Fault(call, KINDS[turn % len(KINDS)])
        turn += 1


def into_nights(faults: Iterable[Fault]) -> list[tuple[Fault, ...]]:
    """Deal faults to nights: at most one in each task, and two where its retries have room for three."""
    queues: dict[str, list[Fault]] = {}
    for fault in faults:
        queues.setdefault(fault.call.task, []).append(fault)
    lanes = []
    for task, queue in queues.items():
        half = -(-len(queue) // 2) if _retries(task) >= ROOMY else len(queue)
        lanes += [queue[:half], queue[half:]]
    longest = max(map(len, lanes), default=0)
    return [tuple(lane[index] for lane in lanes if index < len(lane)) for index in range(longest)]


def _retries(task: str) -> int:
    task_id = task.partition("[")[0]
    dag = load_dag("cleanup" if task_id == "cleanup" else "nightly_detection")
    return int(dag.get_task(task_id).retries or 0)


def _tail(deployment: Deployment) -> str:
    return "\n".join(
        log.read_text(errors="replace")[-8000:] for log in sorted(deployment.folder.glob("*.log"))
    )
