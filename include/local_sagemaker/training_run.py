"""One training job from its folders to its model: SageMaker's container contract for training.

Source: SageMaker Developer Guide, "Use Your Own Training Algorithms". ``SAGEMAKER_BASE_DIR`` replaces
``/opt/ml``.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from include.formats.paths import inside
from include.local_sagemaker import artifact
from include.local_sagemaker.channels import PipeFeeder, download, input_mode
from include.local_sagemaker.errors import JobError
from include.local_sagemaker.logs import TRAINING_GROUP
from include.local_sagemaker.metrics import compile_metrics, final_metrics
from include.local_sagemaker.s3 import ObjectAddress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from include.local_sagemaker.process import Child
    from include.local_sagemaker.service import Service
    from include.local_sagemaker.state import Document

_MAX_FAILURE_CHARACTERS = 1024


@dataclass
class Result:
    """How a job that did not fail ended."""

    status: str
    secondary_status: str
    metrics: list[dict[str, Any]] = field(default_factory=list)


class TrainingRun:
    """Runs one job in ``folder``; ``enter(name, secondary status)`` is called at each phase."""

    def __init__(
        self, service: Service, job: Document, folder: Path, enter: Callable[[str, str], None]
    ) -> None:
        self.folder = folder
        self._service = service
        self._job = job
        self._name: str = job["TrainingJobName"]
        self._enter = enter
        self._stopped = asyncio.Event()
        self._child: Child | None = None
        self._mode: str = job["AlgorithmSpecification"]["TrainingInputMode"]

    def stop(self) -> None:
        """Ask the job to stop: SIGTERM, then SIGKILL when its grace period is over."""
        self._stopped.set()

    async def execute(self) -> Result:
        """Run the job to its end.

        Raises
        ------
        JobError
            With the sentence for the job's FailureReason.
        """
        specification = self._job["AlgorithmSpecification"]
        try:
            algorithm = self._service.algorithms.find(specification["TrainingImage"])
            metrics = compile_metrics(
                specification["TrainingImage"], specification.get("MetricDefinitions", [])
            )
        except JobError as error:
            raise JobError(f"ClientError: {error}") from error
        self._enter(self._name, "Downloading")
        feeders = await self._prepare()
        if self._stopped.is_set():
            return Result("Stopped", "Stopped")
        self._enter(self._name, "Training")
        stream = f"{self._name}/algo-1-{int(time.time())}"
        log = self._service.logs.open(TRAINING_GROUP, stream)
        try:
            self._child = await self._service.processes.start(
                [*algorithm.command, "train"],
                working_directory=algorithm.working_directory,
                environment={**algorithm.environment, **self._environment()},
                log=log,
            )
            secondary_status, code = await self._supervise(feeders)
        finally:
            await asyncio.to_thread(_stop_all, feeders, self._child)
            log.close()
        if secondary_status == "Completed":
            self._raise_failure(feeders, code, stream)
        await self._upload()
        found = await asyncio.to_thread(self._metrics, stream, metrics)
        return Result("Completed" if secondary_status == "Completed" else "Stopped", secondary_status, found)

    def _metrics(self, stream: str, metrics: dict[str, Any]) -> list[dict[str, Any]]:
        log = self._service.logs.open(TRAINING_GROUP, stream)
        try:
            return final_metrics(log.path, metrics, log.say)
        finally:
            log.close()

    async def _prepare(self) -> list[PipeFeeder]:
        """Make the folders, write the configuration and download the data."""
        for name in ("input/config", "input/data", "model", "output/data", "checkpoints"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._write_configuration()
        feeders = []
        try:
            for channel in self._job.get("InputDataConfig", []):
                data = self.folder / "input/data"
                if input_mode(channel, self._mode) == "File":
                    await asyncio.to_thread(
                        download, self._service.s3, channel, inside(data, channel["ChannelName"])
                    )
                    continue
                feeder = PipeFeeder(self._service.s3, channel, data, on_failure=self._kill)
                await asyncio.to_thread(feeder.prepare)
                feeders.append(feeder)
        except JobError as error:
            raise JobError(
                f"ClientError: Channel {channel['ChannelName']} cannot be read: {error}"
            ) from error
        return feeders

    def _write_configuration(self) -> None:
        channels = {}
        for channel in self._job.get("InputDataConfig", []):
            source = channel["DataSource"]["S3DataSource"]
            described = {
                "TrainingInputMode": input_mode(channel, self._mode),
                "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
                "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            }
            if "ContentType" in channel:
                described["ContentType"] = channel["ContentType"]
            channels[channel["ChannelName"]] = described
        resources = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"}
        documents = {
            "hyperparameters": self._job.get("HyperParameters", {}),
            "inputdataconfig": channels,
            "resourceconfig": resources,
        }
        for name, document in documents.items():
            (self.folder / f"input/config/{name}.json").write_text(json.dumps(document))

    def _environment(self) -> dict[str, str]:
        return {
            **self._job.get("Environment", {}),
            "SAGEMAKER_BASE_DIR": str(self.folder),
            "TRAINING_JOB_NAME": self._name,
            "TRAINING_JOB_ARN": self._job["TrainingJobArn"],
            "SAGEMAKER_REGION": self._service.place.region,
            "AWS_REGION": self._service.place.region,
        }

    async def _supervise(self, feeders: list[PipeFeeder]) -> tuple[str, int]:
        """Wait for the process, a stop or the time limit; return secondary status and exit code."""
        child = self._running_child()
        for feeder in feeders:
            feeder.start()
        ended = asyncio.create_task(child.wait())
        stopped = asyncio.create_task(self._stopped.wait())
        seconds = self._job["StoppingCondition"]["MaxRuntimeInSeconds"]
        try:
            await asyncio.wait({ended, stopped}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
        if ended.done():
            return "Completed", ended.result()
        status = "Stopped" if self._stopped.is_set() else "MaxRuntimeExceeded"
        return status, await child.stop(self._service.stop_grace_seconds)

    def _raise_failure(self, feeders: list[PipeFeeder], code: int, stream: str) -> None:
        for feeder in feeders:
            if feeder.failure is not None:
                raise JobError(f"ClientError: {feeder.failure}")
        if code == 0:
            return
        failure = self.folder / "output/failure"
        text = _first_characters(failure) if failure.is_file() else ""
        if text:
            raise JobError(f"AlgorithmError: {text}")
        ended = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        raise JobError(f"AlgorithmError: the training process ended {ended}; its log is stream {stream}.")

    async def _upload(self) -> None:
        """Upload the model to S3, and next to it whatever the algorithm left in ``output/data``."""
        self._enter(self._name, "Uploading")
        try:
            model = ObjectAddress.parse(self._job["ModelArtifacts"]["S3ModelArtifacts"])
            await asyncio.to_thread(self._pack_and_upload, self.folder / "model", model)
            if any((self.folder / "output/data").iterdir()):
                output = ObjectAddress(model.bucket, model.key.replace("model.tar.gz", "output.tar.gz"))
                await asyncio.to_thread(self._pack_and_upload, self.folder / "output/data", output)
        except JobError as error:
            raise JobError(f"ClientError: The model cannot be uploaded: {error}") from error

    def _pack_and_upload(self, folder: Path, address: ObjectAddress) -> None:
        archive = self.folder / f"{folder.name}.tar.gz"
        artifact.pack(folder, archive)
        self._service.s3.upload(archive, address)

    def _running_child(self) -> Child:
        if self._child is None:
            raise RuntimeError("The process has not been started.")
        return self._child

    def _kill(self) -> None:
        if self._child is not None:
            self._child.kill()


def _first_characters(path: Path) -> str:
    with path.open(errors="replace") as file:
        return file.read(_MAX_FAILURE_CHARACTERS).strip()


def _stop_all(feeders: list[PipeFeeder], child: Child | None) -> None:
    if child is not None:
        child.kill()
    for feeder in feeders:
        feeder.stop()
