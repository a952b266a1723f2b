"""Memory of the tasks that read a whole night: a small night and one ten times as large, on real servers.

``make large-night`` writes build/large_night.json. Every task runs in a process of its own, whose peak of
resident memory is Linux's own count (VmHWM). The large night's scoring task is killed (SIGKILL) when half of
its images have been sent, and run again. The images are tiny and the model answers at once: what counts here
is memory and the number of images sent, not time.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# An installed package brings a top-level "tests" of its own, which a folder without __init__.py loses to.
_TESTS = ModuleType("tests")
_TESTS.__path__ = [str(ROOT / "tests")]
sys.modules["tests"] = _TESTS

from tests.faults.algorithm import picture  # noqa: E402
from tests.faults.deployment import create_flow  # noqa: E402
from tests.faults.servers import IMAGE, ROLE_ARN, Servers  # noqa: E402
from tests.faults.workers import LABELS  # noqa: E402
from tests.support.airflow import TaskInstance  # noqa: E402

BUCKET, PREFIX, MODEL, ENDPOINT = "large-night", "large", "large-night-model", "large-night"
FLOW = "large-night"
REVIEWS = 20
PART_SIZE = 500
POLL_SECONDS = 0.5
PLACE = {"bucket": BUCKET, "prefix": PREFIX}


def run_task(order: dict[str, Any]) -> None:
    """Run one operator in this process; prints its result and the memory that it took."""
    os.environ |= order["environment"]
    from secondlook.operators.deploy import SageMakerDeployEndpointOperator
    from secondlook.operators.launch import HumanLoopStartOperator
    from secondlook.operators.plan import NightPlanOperator
    from secondlook.operators.score import SageMakerScoreImagesOperator
    from secondlook.operators.score_archive import ArchiveScoreOperator
    from secondlook.operators.scored import ScoredNightOperator

    operators: dict[str, Any] = {
        "plan": NightPlanOperator,
        "deploy": SageMakerDeployEndpointOperator,
        "score": SageMakerScoreImagesOperator,
        "score_archive": ArchiveScoreOperator,
        "scored": ScoredNightOperator,
        "launch": HumanLoopStartOperator,
    }
    operator = operators[order["task"]](task_id=order["task"], **PLACE, **order["arguments"])
    context = {
        "ti": TaskInstance("manual__large", order["task"]),
        "dag_run": SimpleNamespace(run_type="manual"),
    }
    before, began = memory_mib(os.getpid(), "VmRSS"), time.monotonic()
    result = operator.execute(context)
    answer = {
        "before_mib": before,
        "peak_mib": memory_mib(os.getpid(), "VmHWM"),
        "seconds": round(time.monotonic() - began),
        "result": result,
    }
    print(json.dumps(answer))


def memory_mib(pid: int, name: str) -> float:
    """A line of /proc/<pid>/status in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise RuntimeError(f"The process {pid} has ended.")


class Site:
    """S3 and SageMaker with nights of generated images, and processes that run single tasks over them."""

    def __init__(self, folder: Path, nights: dict[str, int]) -> None:
        self.folder = folder
        self.servers = Servers(folder)
        self.s3 = self.servers.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        artifact = f"{PREFIX}/models/{MODEL}/output/model.tar.gz"
        self.s3.put_object(Bucket=BUCKET, Key=artifact, Body=_artifact())
        champion = {"model": MODEL, "artifact": f"s3://{BUCKET}/{artifact}", "card": "s3://nowhere/card"}
        champion |= {"image": IMAGE, "parent": None, "version": 1}
        self.s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}/champion.json", Body=json.dumps(champion).encode())
        create_flow(self.servers, FLOW, f"s3://{BUCKET}/{PREFIX}/reviews/a2i")
        self._generate(nights)

    def _generate(self, nights: dict[str, int]) -> None:
        """Lay the images where the S3 server keeps its objects: a tenth of the time of as many PUTs."""
        self.servers.kill("s3")
        (home,) = self.folder.glob(f"s3/*/{BUCKET}")
        for night, count in nights.items():
            images = home / PREFIX / "images" / night
            images.mkdir(parents=True)
            for number in range(count):
                (images / f"image{number:07d}.jpg").write_bytes(picture(f"{night}/{number}"))
        self.servers.start("s3")

    def start(self, task: str, **arguments: Any) -> subprocess.Popen[str]:
        """Start a task's process."""
        connections = self.servers.environment()
        order = json.dumps({"task": task, "arguments": arguments, "environment": connections})
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"}
        log = (self.folder / "tasks.log").open("ab")
        command = [sys.executable, __file__, "--task", order]
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )

    def run(self, task: str, **arguments: Any) -> dict[str, Any]:
        """Run a task to its end."""
        process = self.start(task, **arguments)
        output, _ = process.communicate()
        if process.returncode:
            tail = (self.folder / "tasks.log").read_text(errors="replace")[-3000:]
            raise RuntimeError(f"The task {task} failed:\n{output[-2000:]}\n{tail}")
        print(f"{task} {arguments.get('night', '')}: {output.splitlines()[-1][:200]}", flush=True)
        answer: dict[str, Any] = json.loads(output.splitlines()[-1])
        return answer

    def invocations(self) -> int:
        """How often the endpoint has been asked."""
        return self.servers.calls("InvokeEndpoint")

    def kill_at_half(self, images: int, task: str, **arguments: Any) -> dict[str, Any]:
        """Run a task until half of its images have been sent, kill it, and run it again."""
        start = self.invocations()
        process = self.start(task, **arguments)
        peak = 0.0
        while (sent := self.invocations() - start) < images // 2:
            if process.poll() is not None:
                raise RuntimeError(f"The task {task} ended after {sent} images, before it could be killed.")
            peak = max(peak, memory_mib(process.pid, "VmHWM"))
            time.sleep(POLL_SECONDS)
        process.kill()
        process.communicate()
        resumed = self.run(task, **arguments)
        return {
            "killed_after": sent,
            "peak_mib_killed": peak,
            "sent_again": self.invocations() - start - images,
            "part_size": PART_SIZE,
            **resumed,
        }


def _artifact() -> bytes:
    buffer, skill = io.BytesIO(), b'{"skill": 0}'
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("skill.json")
        member.size = len(skill)
        archive.addfile(member, io.BytesIO(skill))
    return buffer.getvalue()


def measure(site: Site, night: str, images: int, *, killed: bool) -> dict[str, Any]:
    """Plan, score and join one night with the endpoint, and ask about it."""
    where = {"night": night, "serving": {"part_size": PART_SIZE}}
    plan = site.run("plan", **where)
    scoring = {**where, "model": MODEL, "endpoint_name": ENDPOINT, "shard": _all_of(plan["result"])}
    score = site.kill_at_half(images, "score", **scoring) if killed else site.run("score", **scoring)
    scored = site.run("scored", **where, model=MODEL, shards=[scoring["shard"]])
    assert scored["result"]["images"] == scored["result"]["scored"] == images
    launch = site.run(
        "launch",
        night=night,
        model=MODEL,
        flow_definition_name=FLOW,
        labels=list(LABELS),
        review={"limit": REVIEWS},
    )
    assert launch["result"]["selected"] == REVIEWS
    del plan["result"], score["result"], scored["result"], launch["result"]
    return {"images": images, "plan": plan, "score": score, "scored": scored, "launch": launch}


def _all_of(shards: list[dict[str, Any]]) -> dict[str, Any]:
    """One shard for the whole night: one task has to bear it all."""
    return {**shards[0], "until": None, "parts": sum(shard["parts"] for shard in shards)}


def measure_archive(site: Site, night: str, images: int) -> dict[str, Any]:
    """Score one night by batch transform."""
    archive = site.run(
        "score_archive",
        night=night,
        execution_role_arn=ROLE_ARN,
        archive={"max_concurrent_transforms": 8, "poll_interval_seconds": POLL_SECONDS},
        serving={"part_size": PART_SIZE},
        deferrable=False,
    )
    assert archive["result"]["scored"] == images
    del archive["result"]
    return {"images": images, "score_archive": archive}


def ratios(nights: list[dict[str, Any]]) -> dict[str, float]:
    """Peak of the larger night by peak of the smaller one, per task."""
    small, large = nights
    found = {}
    for task in [name for name in small if name != "images"]:
        peak = max(large[task]["peak_mib"], large[task].get("peak_mib_killed", 0.0))
        found[task] = round(peak / small[task]["peak_mib"], 3)
    return found


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--images", type=int, nargs=2, default=[10_000, 100_000])
    parser.add_argument("--archive-images", type=int, nargs=2, default=[10_000, 100_000])
    parser.add_argument("--report", type=Path, default=ROOT / "build/large_night.json")
    options = parser.parse_args()
    if options.task:
        run_task(json.loads(options.task))
        return
    nights = {"2026-01-01": options.images[0], "2026-01-02": options.images[1]}
    archives = {"2025-01-01": options.archive_images[0], "2025-01-02": options.archive_images[1]}
    with tempfile.TemporaryDirectory(prefix="second-look-large-night-") as folder:
        site = Site(Path(folder), nights | archives)
        try:
            site.run(
                "deploy",
                endpoint_name=ENDPOINT,
                execution_role_arn=ROLE_ARN,
                serving={"poll_interval_seconds": POLL_SECONDS},
                deferrable=False,
            )
            by_endpoint = [
                measure(site, night, images, killed=night == "2026-01-02") for night, images in nights.items()
            ]
            _write(options.report, by_endpoint, [])
            by_transform = [measure_archive(site, night, images) for night, images in archives.items()]
            _write(options.report, by_endpoint, by_transform)
        finally:
            site.servers.stop()


def _write(report: Path, by_endpoint: list[dict[str, Any]], by_transform: list[dict[str, Any]]) -> None:
    peaks = ratios(by_endpoint) | (ratios(by_transform) if by_transform else {})
    found = {"peak_ratio": peaks, "endpoint": by_endpoint, "transform": by_transform}
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(peaks), flush=True)
    faults = [f"{task}: {ratio}" for task, ratio in peaks.items() if ratio > 1.1]
    again = by_endpoint[1]["score"]["sent_again"]
    if again > PART_SIZE:
        faults.append(f"{again} images sent again after a kill, more than a part of {PART_SIZE}")
    if faults:
        sys.exit(f"The memory grows with the night, or too much is done again: {'; '.join(faults)}.")


if __name__ == "__main__":
    main()
