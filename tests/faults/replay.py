"""Replay a night with faults, run it to its end, and look at what is left."""

from __future__ import annotations

import fcntl
import pickle
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.faults.calls import KINDS, Call, Fault, Wiretap, server_of
from tests.faults.dags import load_dag
from tests.faults.deployment import BUCKET, LOOPS, Deployment
from tests.faults.invariants import Invariants, Violation
from tests.faults.night import Night
from tests.faults.outcome import differences, outcome
from tests.faults.together import StuckError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.faults.servers import Servers

SECONDS = 1200.0
MOST_CALLS = 3000
"""A night that takes longer, or calls more often, is stuck; without faults it makes some 230 to 270 calls."""
REFERENCES = 2
WAYS = ("endpoint", "transform")
ONLY_BY_TRANSFORM = "score_archive"
"""The one task that only such a night has; its other tasks are struck in nights scored by the endpoint."""


@dataclass(frozen=True)
class Reference:
    """A night without faults: its calls in order, those whose answer has a body, and what it leaves."""

    way: str
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
    """Runs nights, one at a time, on servers of its own.

    :param shared: file that all processes of a run share.
    """

    def __init__(self, servers: Servers, folder: Path, shared: Path) -> None:
        self._servers = servers
        self._folder = folder
        servers.client("s3").create_bucket(Bucket=BUCKET)
        self.references = self._references(shared)

    def replay(self, faults: Iterable[Fault]) -> Result:
        """Run a night with these faults, each once, to its end, then the cleanup; check what is left."""
        faults, began = tuple(faults), time.monotonic()
        deployment = Deployment(self._servers, self._folder)
        (way,) = {fault.way for fault in faults}
        wiretap = Wiretap(deployment.name, faults, way, self._servers.restart)
        stuck = self._run(deployment, wiretap)
        violations: list[Violation] = []
        if not stuck:
            invariants = Invariants(deployment, loops=LOOPS)
            violations += [*invariants.violations(), *invariants.cleaned_up()]
            violations += differences(outcome(deployment), self.references[way].outcome)
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
            Night(
                deployment,
                conf={"scoring": wiretap.way},
                instrument=wiretap.instrument,
                on_tell=wiretap.hear,
            ),
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
                run.run(until=lambda _: len(wiretap.calls) > MOST_CALLS, seconds=SECONDS)
            except StuckError as error:
                return str(error)
            if not run.done:
                run.stop()
                return f"{len(wiretap.calls)} calls, and {run.dag.dag_id} is at {run.states()}"
            if not run.succeeded:
                return f"{run.dag.dag_id} ended as {run.states()} after {run.history}"
        return ""

    def _references(self, shared: Path) -> dict[str, Reference]:
        """Nights without faults, run by the first process and written down for the others."""
        with shared.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            written = file.read()
            if written:
                found: dict[str, Reference] = pickle.loads(written)
                return found
            found = {way: self._reference(way) for way in WAYS}
            file.write(pickle.dumps(found))
        return found

    def _reference(self, way: str) -> Reference:
        """Run nights without faults; their common calls and what they leave."""
        taps, outcomes = [], []
        for _ in range(REFERENCES):
            deployment = Deployment(self._servers, self._folder)
            wiretap = Wiretap(deployment.name, way=way)
            stuck = self._run(deployment, wiretap)
            invariants = Invariants(deployment, loops=LOOPS)
            found = [] if stuck else [*invariants.violations(), *invariants.cleaned_up()]
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
        return Reference(way, calls, frozenset(taps[0].bodies), outcomes[0])


def all_faults(reference: Reference) -> Iterator[Fault]:
    """Every kind of fault at every call; a server dies once in each task."""
    died = set()
    for call in reference.calls:
        if reference.way == "transform" and call.task != ONLY_BY_TRANSFORM:
            continue
        for kind in KINDS:
            if kind == "server":
                where = (call.task, call.actor, server_of(call))
                if server_of(call) == "s3" or where in died:
                    continue
                died.add(where)
            if kind != "half-read" or call in reference.bodies:
                yield Fault(call, kind, reference.way)


def one_fault_each(reference: Reference) -> Iterator[Fault]:
    """Every call once, each with the kind of fault that was dealt least often by then."""
    possible: dict[Call, list[str]] = {}
    for fault in all_faults(reference):
        possible.setdefault(fault.call, []).append(fault.kind)
    dealt: Counter[str] = Counter()
    for call, kinds in possible.items():
        kind = min(kinds, key=lambda kind: (dealt[kind], KINDS.index(kind)))
        dealt[kind] += 1
        yield Fault(call, kind, reference.way)


def into_nights(faults: Iterable[Fault]) -> list[tuple[Fault, ...]]:
    """Deal faults to nights: at most as many in one task as it has retries, since each may cost one."""
    queues: dict[tuple[str, str], list[Fault]] = {}
    for fault in faults:
        queues.setdefault((fault.way, fault.call.task), []).append(fault)
    nights: list[tuple[Fault, ...]] = []
    for way in WAYS:
        lanes = [
            lane
            for (its_way, task), queue in queues.items()
            if its_way == way
            for lane in _lanes(queue, max(_retries(task), 1))
        ]
        longest = max(map(len, lanes), default=0)
        nights += [tuple(lane[index] for lane in lanes if index < len(lane)) for index in range(longest)]
    return nights


def _lanes(queue: list[Fault], count: int) -> list[list[Fault]]:
    length = -(-len(queue) // count)
    return [queue[start : start + length] for start in range(0, len(queue), length)]


def _retries(task: str) -> int:
    task_id = task.partition("[")[0]
    dag = load_dag("cleanup" if task_id == "cleanup" else "nightly_detection")
    return int(dag.get_task(task_id).retries or 0)


def _tail(deployment: Deployment) -> str:
    return "\n".join(
        log.read_text(errors="replace")[-8000:] for log in sorted(deployment.folder.glob("*.log"))
    )
