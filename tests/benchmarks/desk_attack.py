"""How reviewers fare while the Review Desk is attacked, against the same reviewers on a quiet Desk.

Run it from the repository's root: ``python tests/benchmarks/desk_attack.py``. It prints the tables of
docs/measurements/review-desk.md#under-attack; the exit code is 1 when the promise does not hold.

Twenty reviewers take a task, look at it for a moment and answer it. Quiet and attacked rounds alternate on
one Desk. An attacked round has, at once and throughout: 1,100 connections with half a head, 300 bodies that
come a byte at a time (of strangers, of invented sessions, of a key that is only named), and signed requests
of 33 MiB, one after the other. An attacker whose connection the Desk closes comes back after three seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from desk_load import ANSWER, REVIEWERS, _get, _http, _post, _sign_in
from desk_site import ACCESS_KEY, ACCOUNT_ID, REGION, SECRET_KEY, LoadedDesk, LoadSite, load_site

HALF_OPEN, SLOW_BODIES = 1_100, 300
BIG_BYTES = 33 * 1024 * 1024
ROUNDS = 3
# A person looks at an image; without it twenty programs ask as fast as the machine can.
LOOK_SECONDS = 3.0
MOST_P95, MOST_MEMORY, MOST_HEALTH_SECONDS = 3.0, 1.5, 1.0
OPENERS = 100
AGAIN_SECONDS, DRIP_SECONDS = 3.0, 3.0


@dataclass
class Seen:
    """What reviewers and the health check saw in the rounds of one kind."""

    seconds: list[float] = field(default_factory=list)
    health_seconds: list[float] = field(default_factory=list)
    resident_mib: list[float] = field(default_factory=list)
    busy_seconds: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def p95(self) -> float:
        """95th percentile of a reviewer's requests, in seconds."""
        return statistics.quantiles(self.seconds, n=20)[-1]


def main() -> int:
    """Measure, print; 0 when the promise held."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each round (default 30)")
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < HALF_OPEN + SLOW_BODIES + OPENERS:
        print(f"This process may open {soft} files only: raise the limit (ulimit -n).")
        return 1
    with tempfile.TemporaryDirectory(prefix="desk-attack-") as folder, load_site(Path(folder)) as site:
        quiet, attacked, attackers = measure(site, options.seconds)
    return report(quiet, attacked, attackers)


def measure(site: LoadSite, seconds: float) -> tuple[Seen, Seen, Counter[str]]:
    """Quiet and attacked rounds in turns; what was seen in each, and what the attackers were told."""
    desk = site.start_desk("attacked")
    names = desk.add_reviewers(REVIEWERS)
    rounds = 2 * ROUNDS + 1
    desk.start_loops("work", int(rounds * REVIEWERS * (seconds / LOOK_SECONDS + 1)))
    quiet, attacked, told = Seen(), Seen(), Counter[str]()
    asyncio.run(_work(desk, names, Seen(), seconds / 3))
    for _ in range(ROUNDS):
        asyncio.run(_work(desk, names, quiet, seconds))
        with attack(desk) as attackers:
            asyncio.run(_work(desk, names, attacked, seconds))
        told += attackers()
    return quiet, attacked, told


def report(quiet: Seen, attacked: Seen, attackers: Counter[str]) -> int:
    """Print the tables and whether the promise held."""
    print("| | quiet | attacked | ratio | promised |")
    print("| --- | --- | --- | --- | --- |")
    p95 = attacked.p95 / quiet.p95
    memory = max(attacked.resident_mib) / max(quiet.resident_mib)
    health = max(attacked.health_seconds)
    middle = [1000 * statistics.median(seen.seconds) for seen in (quiet, attacked)]
    print(f"| requests of reviewers | {len(quiet.seconds):,} | {len(attacked.seconds):,} | | |")
    print(f"| median, ms | {middle[0]:.1f} | {middle[1]:.1f} | {middle[1] / middle[0]:.2f} | |")
    print(
        f"| 95th percentile, ms | {1000 * quiet.p95:.1f} | {1000 * attacked.p95:.1f} | {p95:.2f} "
        f"| at most {MOST_P95:g} |"
    )
    print(
        f"| slowest, ms | {1000 * max(quiet.seconds):.0f} | {1000 * max(attacked.seconds):.0f} | | |\n"
        f"| most resident memory, MiB | {max(quiet.resident_mib):.1f} | {max(attacked.resident_mib):.1f} "
        f"| {memory:.2f} | at most {MOST_MEMORY:g} |\n"
        f"| slowest /healthz, ms | {1000 * max(quiet.health_seconds):.0f} | {1000 * health:.0f} | "
        f"| under {1000 * MOST_HEALTH_SECONDS:g} |\n"
        f"| processor time of the Desk, s | {quiet.busy_seconds:.1f} | {attacked.busy_seconds:.1f} | | |\n"
        f"| requests that failed | {quiet.failures.total()} | {attacked.failures.total()} | | 0 |\n"
    )
    print("| what attackers were told | how often |")
    print("| --- | --- |")
    for what, count in attackers.most_common():
        print(f"| {what} | {count:,} |")
    for kind, seen in (("quiet", quiet), ("attacked", attacked)):
        for failure, count in seen.failures.most_common(5):
            print(f"{kind}: {count} x {failure}", file=sys.stderr)
    failed = quiet.failures.total() + attacked.failures.total()
    held = p95 <= MOST_P95 and memory <= MOST_MEMORY and health < MOST_HEALTH_SECONDS and not failed
    print("\nThe promise holds." if held else "\nThe promise does not hold.")
    return 0 if held else 1


async def _work(desk: LoadedDesk, names: list[str], seen: Seen, seconds: float) -> None:
    """All reviewers work, the health check asks, for so long."""
    async with _http() as http, aiohttp.ClientSession() as other:
        tokens = [await _sign_in(http, desk, name) for name in names]
        until = time.monotonic() + seconds
        busy = desk.processor_seconds()
        await asyncio.gather(
            *(_review(http, desk, token, seen, until, number) for number, token in enumerate(tokens)),
            _watch(other, desk, seen, until),
        )
        seen.busy_seconds += desk.processor_seconds() - busy


async def _review(
    http: aiohttp.ClientSession, desk: LoadedDesk, token: str, seen: Seen, until: float, number: int
) -> None:
    # Not all at the same moment.
    await asyncio.sleep(LOOK_SECONDS * number / REVIEWERS)
    while time.monotonic() < until:
        try:
            began = time.perf_counter()
            task = await _post(http, f"{desk.url}/worker/tasks/next", {}, token)
            seen.seconds.append(time.perf_counter() - began)
            await asyncio.sleep(LOOK_SECONDS)
            began = time.perf_counter()
            await _post(http, f"{desk.url}/worker/tasks/{task['task']}/answer", ANSWER, token)
            seen.seconds.append(time.perf_counter() - began)
        except (aiohttp.ClientError, TimeoutError) as error:
            seen.failures[f"{type(error).__name__}: {error}"[:100]] += 1
            await asyncio.sleep(LOOK_SECONDS)


async def _watch(http: aiohttp.ClientSession, desk: LoadedDesk, seen: Seen, until: float) -> None:
    while time.monotonic() < until:
        began = time.perf_counter()
        try:
            await _get(http, f"{desk.url}/healthz", "")
        except (aiohttp.ClientError, TimeoutError) as error:
            seen.failures[f"/healthz {type(error).__name__}: {error}"[:100]] += 1
        seen.health_seconds.append(time.perf_counter() - began)
        seen.resident_mib.append(desk.resident_mib())
        await asyncio.sleep(0.1)


@contextlib.contextmanager
def attack(desk: LoadedDesk):
    """The attack in a process of its own, under way for the length of the context.

    Yields a function that ends it and returns what the attackers were told.
    """
    context = multiprocessing.get_context("spawn")
    ready, stop, told = context.Event(), context.Event(), context.Queue()
    address = urlsplit(desk.url)
    process = context.Process(
        target=_attack_process, args=(address.hostname, address.port, ready, stop, told)
    )
    process.start()
    try:
        if not ready.wait(120):
            raise RuntimeError("The attack did not begin within two minutes.")
        ended: list[Counter[str]] = []

        def end() -> Counter[str]:
            return ended[0]

        yield end
        stop.set()
        ended.append(told.get(timeout=120))
    finally:
        stop.set()
        process.join(60)
        process.kill()


def _attack_process(host, port, ready, stop, told) -> None:
    # Where the machine is short of cores, the reviewers and the Desk come first.
    os.nice(5)
    told.put(asyncio.run(_Attack(host, port).run(ready, stop)))


class _Attack:
    """All attackers of one Desk. They are cheap to run: their machine is the Desk's."""

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)
        self.told: Counter[str] = Counter()
        self.opened = 0
        self._opening = asyncio.Semaphore(OPENERS)

    async def run(self, ready, stop) -> Counter[str]:
        """Attack until told to stop; what the attackers were told."""
        head, body = _signed_tags(*self.address)
        slow = itertools.cycle((_STRANGER, _INVENTED_SESSION, _named_key()))
        crowd = [("half a head", _HALF_OPEN)] * HALF_OPEN + [next(slow) for _ in range(SLOW_BODIES)]
        running = [asyncio.create_task(self._again(what, beginning, b"")) for what, beginning in crowd]
        running.append(asyncio.create_task(self._again("signed request of 33 MiB", head, body)))
        while self.opened < len(crowd):
            await asyncio.sleep(0.05)
        ready.set()
        await asyncio.to_thread(stop.wait)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        return self.told

    async def _again(self, what: str, beginning: bytes, rest: bytes) -> None:
        """One attacker, who begins again three seconds after the Desk has closed the connection."""
        loop = asyncio.get_running_loop()
        first = True
        while True:
            try:
                async with self._opening:
                    transport, attacker = await loop.create_connection(
                        lambda: _Attacker(beginning, rest), *self.address
                    )
            except OSError as error:
                self.told[f"no connection: {type(error).__name__}"] += 1
            else:
                self.opened += first
                first = False
                try:
                    self.told[f"{what}: {await attacker.told}"] += 1
                finally:
                    if not attacker.told.done():
                        transport.abort()
            await asyncio.sleep(AGAIN_SECONDS)


class _Attacker(asyncio.Protocol):
    """Sends a beginning, then a byte now and then or all of the rest, until it is answered or cut off."""

    def __init__(self, beginning: bytes, rest: bytes) -> None:
        self._beginning = beginning
        self._rest = rest
        self._answer = b""
        self._timer: asyncio.TimerHandle | None = None
        self.told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        transport.write(self._beginning)
        if self._rest:
            transport.write(self._rest)
        else:
            self._drip()

    def _drip(self) -> None:
        self._transport.write(b"a")
        self._timer = asyncio.get_running_loop().call_later(DRIP_SECONDS, self._drip)

    def data_received(self, data: bytes) -> None:
        self._answer += data

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self.told.done():
            started = self._answer.startswith(b"HTTP/1.1 ")
            self.told.set_result(self._answer.split(b" ", 2)[1].decode() if started else "closed")


def _slow_body(line: str, size: int, headers: str = "") -> bytes:
    head = f"{line} HTTP/1.1\r\nHost: desk\r\n{headers}Content-Length: {size}\r\n\r\n".encode()
    # As much as is let through at once; the rest comes a byte at a time.
    return head + b"a" * min(size // 2, 60_000)


_HALF_OPEN = b"POST /worker/sessions HTTP/1.1\r\nHost: desk\r\nX-Slow: "
_STRANGER = ("slow body of a stranger", _slow_body("POST /worker/sessions", 10_000))
_INVENTED_SESSION = (
    "slow body, invented session",
    _slow_body("POST /worker/tasks/x/answer", 1_000_000, f"Authorization: Bearer {'A' * 43}\r\n"),
)


def _named_key() -> tuple[str, bytes]:
    day = datetime.now(UTC)
    named = (
        f"X-Amz-Date: {day:%Y%m%dT%H%M%SZ}\r\nAuthorization: AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/"
        f"{day:%Y%m%d}/{REGION}/sagemaker/aws4_request, SignedHeaders=host;x-amz-date, "
        f"Signature={'0' * 64}\r\nContent-Type: application/json\r\n"
    )
    return "slow body, key only named", _slow_body("POST /human-loops", 30_000_000, named)


def _signed_tags(host: str, port: int) -> tuple[bytes, bytes]:
    """Head and body of an AddTags of 33 MiB, rightly signed."""
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:flow-definition/load"
    tag = json.dumps({"Key": "k", "Value": "v"})
    start = json.dumps({"ResourceArn": arn, "Tags": []})[:-2]
    body = (start + ",".join([tag] * (BIG_BYTES // (len(tag) + 1))) + "]}").encode()
    headers = {"X-Amz-Target": "SageMaker.AddTags", "Content-Type": "application/x-amz-json-1.1"}
    request = AWSRequest("POST", f"http://{host}:{port}/", headers=headers, data=body)
    SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "sagemaker", REGION).add_auth(request)
    lines = [f"{name}: {value}" for name, value in request.headers.items()]
    head = ["POST / HTTP/1.1", f"Host: {host}:{port}", *lines, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode(), body


if __name__ == "__main__":
    sys.exit(main())
