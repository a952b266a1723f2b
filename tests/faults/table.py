"""``make faults``: replay a night with every fault at every call; the table, and build/faults.json."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from tests.faults.calls import Fault
from tests.faults.invariants import DUPLICATE, LOSS
from tests.faults.replay import Replayer, Result, all_faults, into_nights, one_fault_each
from tests.faults.servers import Servers

COLUMNS = ("faults", "survived", "duplicates", "losses", "stuck")
REPORT = Path(__file__).resolve().parents[2] / "build/faults.json"
_replayer: Replayer | None = None


class Table:
    """Counts by operator. A fault that its night missed is not counted; it is replayed until it is met."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}

    def add(self, result: Result) -> None:
        """Count a night; each of its faults counts in the line of its own task."""
        for fault in result.faults:
            if fault in result.missed:
                continue
            line = self._counts.setdefault(fault.call.task.partition("[")[0], Counter())
            line["faults"] += 1
            line["survived"] += result.survived
        if result.survived:
            return
        # What goes wrong in a night counts once, whatever number of faults it had.
        blamed = self._counts.setdefault(result.faults[0].call.task.partition("[")[0], Counter())
        kinds = Counter(violation.kind for violation in result.violations)
        blamed["duplicates"] += kinds[DUPLICATE]
        blamed["losses"] += kinds[LOSS]
        blamed["stuck"] += bool(result.stuck)

    def report(self) -> dict[str, object]:
        """The content of build/faults.json."""
        lines = [
            {"operator": task, **{column: count[column] for column in COLUMNS}}
            for task, count in self._counts.items()
        ]
        total = {column: sum(count[column] for count in self._counts.values()) for column in COLUMNS}
        return {"total": total, "by_operator": lines}

    def text(self) -> str:
        """The table for a person."""
        report = self.report()
        rows = [*report["by_operator"], {"operator": "total", **report["total"]}]  # type: ignore[misc, dict-item]
        width = max(len(str(row["operator"])) for row in rows)
        lines = [" | ".join(["operator".ljust(width), *COLUMNS])]
        for row in rows:
            cells = [str(row[column]).rjust(len(column)) for column in COLUMNS]
            lines.append(" | ".join([str(row["operator"]).ljust(width), *cells]))
        return "\n".join(lines)


def replay_all(
    pool: ProcessPoolExecutor, nights: Iterable[tuple[Fault, ...]], table: Table
) -> Iterator[Result]:
    """Replay nights and count them; yields the results that count.

    A night with several faults in which something went wrong does not count: each of its faults is replayed
    alone instead. So is a fault whose call a night did not come to.
    """
    waiting: set[Future[Result]] = {pool.submit(replay, faults) for faults in nights}
    while waiting:
        future = next(as_completed(waiting))
        waiting.remove(future)
        result = future.result()
        if len(result.faults) > 1:
            alone = result.missed if result.survived else result.faults
            waiting |= {pool.submit(replay, (fault,)) for fault in alone}
            if not result.survived:
                print(f"Together:\n{result.told()}", flush=True)
                continue
        table.add(result)
        yield result


def start_servers(folder: str) -> None:
    """Prepare a process of the pool."""
    global _replayer
    place = Path(folder) / str(os.getpid())
    _replayer = Replayer(Servers(place), place, Path(folder) / "references")


def replay(faults: tuple[Fault, ...]) -> Result:
    """Replay a night in a process of the pool."""
    assert _replayer is not None
    result = _replayer.replay(faults)
    # The log is for whoever looks at the first finding, not for a thousand of them.
    return replace(result, log=result.log[-20000:])


def plan(short: bool) -> list[Fault]:
    """The faults to inject, from a night without any."""
    assert _replayer is not None
    faults = one_fault_each if short else all_faults
    return [fault for reference in _replayer.references.values() for fault in faults(reference)]


def main() -> int:
    """Run it; exit code 1 if anything was lost, done twice or stuck."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="every call once, the kinds of fault in turn")
    parser.add_argument("--alone", action="store_true", help="one fault in a night")
    parser.add_argument("--only", default="", help="only faults whose description contains this text")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, default=0.0, help="begin no night later than that; 0: all")
    parser.add_argument("--report", type=Path, default=REPORT)
    given = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="second-look-faults-")
    began, table, failed = time.monotonic(), Table(), 0
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(
        given.processes, mp_context=context, initializer=start_servers, initargs=(folder,)
    ) as pool:
        faults = [fault for fault in pool.submit(plan, given.short).result() if given.only in str(fault)]
        nights = [(fault,) for fault in faults] if given.alone else into_nights(faults)
        print(f"{len(faults)} faults in {len(nights)} nights.", flush=True)
        for count, result in enumerate(replay_all(pool, nights, table), 1):
            if not result.survived:
                failed += 1
                print(f"{result.told()}\n{result.log}", flush=True)
            if count % 20 == 0:
                print(f"{count} nights, {time.monotonic() - began:.0f} s", flush=True)
            if given.minutes and time.monotonic() - began > 60 * given.minutes:
                print(f"Out of time after {count} of {len(nights)} nights.", flush=True)
                pool.shutdown(cancel_futures=True)
                break
    shutil.rmtree(folder, ignore_errors=True)
    print(table.text())
    given.report.parent.mkdir(exist_ok=True)
    given.report.write_text(json.dumps(table.report(), indent=1) + "\n")
    print(f"{given.report}: {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
