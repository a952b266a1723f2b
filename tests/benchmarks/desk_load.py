"""How the Review Desk bears load, as ratios within one run.

``make bench`` prints the tables of docs/measurements/review-desk.md. Three questions: how many
answers a second against the bare framework answering an empty request, whether 10,000 open loops are slower
than 100, and whether memory grows over 10,000 answers. Everything goes over real HTTP to processes on
this machine; client and servers share its cores.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
from desk_site import PASSWORD, LoadedDesk, LoadSite, load_site

REVIEWERS = 20
ROUNDS = 3
ANSWER = {
    "answerContent": {
        "annotatedResult": {
            "boundingBoxes": [
                {"left": 10 * side, "top": 5 * side, "width": 30, "height": 40, "label": "RBC"}
                for side in range(12)
            ],
            "inputImageProperties": {"height": 600, "width": 800},
        }
    }
}

Session = aiohttp.ClientSession


def main() -> None:
    """Run all three measurements and print their tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--answers", type=int, default=10_000, help="answers of the memory run")
    parser.add_argument("--open", type=int, default=10_000, dest="many", help="open loops of the long queue")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="desk-load-") as folder, load_site(Path(folder)) as site:
        throughput(site)
        queue_length(site, few=100, many=options.many)
        memory(site, options.answers)


def throughput(site: LoadSite, answers: int = 1_000) -> None:
    """Twenty reviewers at once against twenty clients of the bare framework, in turns."""
    bare, desk = site.start_bare(), site.start_desk("throughput")
    names = desk.add_reviewers(REVIEWERS)
    desk.start_loops("throughput", ROUNDS * answers)
    rates: dict[str, list[float]] = {"answers": [], "empty": []}
    for _ in range(ROUNDS):
        rates["answers"].append(asyncio.run(_answer_rate(desk, names, answers)))
        rates["empty"].append(asyncio.run(_empty_rate(bare, 2 * answers)))
    answered, empty = statistics.median(rates["answers"]), statistics.median(rates["empty"])
    print("| twenty clients at once | a second | share of the bare framework |")
    print("| --- | --- | --- |")
    print(f"| empty requests, bare framework | {empty:,.0f} | 1 |")
    print(f"| requests of reviewers, task and answer | {2 * answered:,.0f} | {2 * answered / empty:.2f} |")
    print(f"| answers | {answered:,.0f} | {answered / empty:.2f} |\n", flush=True)


def queue_length(site: LoadSite, *, few: int, many: int, rounds: int = 300) -> None:
    """One reviewer and one program, on a desk with few open loops and on one with many, in turns."""
    desks = {few: site.start_desk("few"), many: site.start_desk("many")}
    for count, desk in desks.items():
        desk.start_loops("waiting", count)
    times = asyncio.run(_queue_times(desks, rounds))
    print(f"| request | {few:,} open, ms | {many:,} open, ms | medians, ratio | 95th centiles, ratio |")
    print("| --- | --- | --- | --- | --- |")
    for request in times[few]:
        short, long = times[few][request], times[many][request]
        middle = statistics.median(long) / statistics.median(short)
        slow = statistics.quantiles(long, n=20)[-1] / statistics.quantiles(short, n=20)[-1]
        print(
            f"| {request} | {1000 * statistics.median(short):.2f} | {1000 * statistics.median(long):.2f} "
            f"| {middle:.2f} | {slow:.2f} |"
        )
    print(flush=True)


def memory(site: LoadSite, answers: int) -> None:
    """Resident memory after each tenth of the answers."""
    desk = site.start_desk("memory")
    names = desk.add_reviewers(REVIEWERS)
    step = answers // 10
    print("| answers given | resident MiB | against the first tenth |")
    print("| --- | --- | --- |")
    first = 0.0
    for tenth in range(1, 11):
        desk.start_loops(f"memory-{tenth}", step)
        asyncio.run(_answer_rate(desk, names, step))
        resident = desk.resident_mib()
        first = first or resident
        print(f"| {tenth * step:,} | {resident:.1f} | {resident / first:.3f} |", flush=True)


async def _answer_rate(desk: LoadedDesk, names: list[str], answers: int) -> float:
    """Answers a second when all reviewers together give this many; sign-in is not counted."""
    async with _http() as http:
        tokens = [await _sign_in(http, desk, name) for name in names]
        left = iter(range(answers))

        async def review(token: str) -> None:
            for _ in left:
                task = await _post(http, f"{desk.url}/worker/tasks/next", {}, token)
                await _post(http, f"{desk.url}/worker/tasks/{task['task']}/answer", ANSWER, token)

        return answers / await _seconds(lambda: asyncio.gather(*map(review, tokens)))


async def _empty_rate(url: str, requests: int) -> float:
    async with _http() as http:
        left = iter(range(requests))

        async def ask(_client: int) -> None:
            for _ in left:
                await _post(http, url, ANSWER, "none")

        return requests / await _seconds(lambda: asyncio.gather(*map(ask, range(REVIEWERS))))


async def _queue_times(desks: dict[int, LoadedDesk], rounds: int) -> dict[int, dict[str, list[float]]]:
    """Seconds of every request, by number of open loops; each answered loop is replaced by a new one."""
    times: dict[int, dict[str, list[float]]] = {count: defaultdict(list) for count in desks}
    async with _http() as http:
        callers = {}
        for count, desk in desks.items():
            (name,) = desk.add_reviewers(1)
            callers[count] = (await _sign_in(http, desk, name), desk.client())
        for number in range(rounds):
            for count, desk in desks.items():
                await _one_of_each(http, desk, *callers[count], times[count], number)
    return times


async def _one_of_each(
    http: Session, desk: LoadedDesk, token: str, client: Any, times: dict[str, list[float]], number: int
) -> None:
    async def timed(request: str, work: Callable[[], Awaitable[Any]]) -> Any:
        began = time.perf_counter()
        result = await work()
        times[request].append(time.perf_counter() - began)
        return result

    worker = f"{desk.url}/worker"
    task = await timed("take a task", lambda: _post(http, f"{worker}/tasks/next", {}, token))
    await timed("answer", lambda: _post(http, f"{worker}/tasks/{task['task']}/answer", ANSWER, token))
    await timed("numbers of the queue page", lambda: _get(http, f"{worker}/queue", token))
    await timed("look ahead", lambda: _post(http, f"{worker}/tasks/ahead", {}, token))

    async def call(operation: str, **parameters: Any) -> None:
        await asyncio.to_thread(getattr(client, operation), **parameters)

    await timed("DescribeHumanLoop", lambda: call("describe_human_loop", HumanLoopName=task["loop"]))
    await timed(
        "ListHumanLoops, 10", lambda: call("list_human_loops", FlowDefinitionArn=desk.flow_arn, MaxResults=10)
    )
    await timed(
        "StartHumanLoop by a new client", lambda: asyncio.to_thread(desk.start_loops, f"more-{number}", 1)
    )


def _http() -> Session:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=REVIEWERS))


async def _sign_in(http: Session, desk: LoadedDesk, name: str) -> str:
    session = await _post(http, f"{desk.url}/worker/sessions", {"name": name, "password": PASSWORD}, "")
    return str(session["token"])


async def _post(http: Session, url: str, body: object, token: str) -> Any:
    async with http.post(url, json=body, headers={"Authorization": f"Bearer {token}"}) as response:
        response.raise_for_status()
        return await response.json() if response.status == 200 else None


async def _get(http: Session, url: str, token: str) -> Any:
    async with http.get(url, headers={"Authorization": f"Bearer {token}"}) as response:
        response.raise_for_status()
        return await response.json()


async def _seconds(work: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
