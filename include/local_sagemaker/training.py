"""The operations on training jobs, and the states of a job."""

from __future__ import annotations

import asyncio
import logging
import math
import shutil
from typing import TYPE_CHECKING, Any

from include.aws_protocol import ServiceError
from include.formats.paths import inside
from include.local_sagemaker import listing
from include.local_sagemaker.arns import TRAINING_JOB, already_exists, find, invalid
from include.local_sagemaker.channels import check_channel, check_pipes
from include.local_sagemaker.environment import check_environment
from include.local_sagemaker.errors import JobError
from include.local_sagemaker.s3 import ObjectAddress
from include.local_sagemaker.service import now
from include.local_sagemaker.training_run import TrainingRun

if TYPE_CHECKING:
    from pathlib import Path

    from include.aws_protocol import Call
    from include.aws_protocol.application import Handler
    from include.local_sagemaker.service import Service
    from include.local_sagemaker.state import Document

logger = logging.getLogger(__name__)

RESTARTED = "InternalServerError: the server was restarted while the job ran; start the job again."
_DEFAULT_MAX_RUNTIME_SECONDS = 86_400
_MAX_REASON_CHARACTERS = 1024
_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Completed": "Training job completed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}


class TrainingJobs:
    """The operations on training jobs; each job is one background task and one process."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._runs: dict[str, TrainingRun] = {}

    def handlers(self) -> dict[tuple[str, str], Handler]:
        """Return the operations served."""
        return {
            ("sagemaker", "CreateTrainingJob"): self._create,
            ("sagemaker", "DescribeTrainingJob"): self._describe,
            ("sagemaker", "ListTrainingJobs"): self._list,
            ("sagemaker", "StopTrainingJob"): self._stop,
            ("sagemaker", "DeleteTrainingJob"): self._delete,
        }

    def restore(self) -> None:
        """Fail the jobs that an earlier server left behind unfinished."""
        for job in self._service.store.all(TRAINING_JOB):
            if job["TrainingJobStatus"] in ("InProgress", "Stopping"):
                shutil.rmtree(self._folder(job["TrainingJobName"]), ignore_errors=True)
                self._finish(job["TrainingJobName"], "Failed", "Failed", FailureReason=RESTARTED)

    async def _create(self, call: Call) -> dict[str, Any]:
        params = call.params
        self._service.check_role(params.get("RoleArn", ""))
        _check(params)
        name = params["TrainingJobName"]
        arn = self._service.place.arn(TRAINING_JOB, name)
        moment = now()
        output = ObjectAddress.parse(params["OutputDataConfig"]["S3OutputPath"])
        document: Document = {
            **{key: value for key, value in params.items() if key != "Tags"},
            "TrainingJobArn": arn,
            "TrainingJobStatus": "InProgress",
            "SecondaryStatus": "Starting",
            "CreationTime": moment,
            "LastModifiedTime": moment,
            "ModelArtifacts": {"S3ModelArtifacts": output.child(f"{name}/output/model.tar.gz").uri},
            "StoppingCondition": {
                "MaxRuntimeInSeconds": _DEFAULT_MAX_RUNTIME_SECONDS,
                **params.get("StoppingCondition", {}),
            },
            "SecondaryStatusTransitions": [
                {"Status": "Starting", "StartTime": moment, "StatusMessage": _MESSAGES["Starting"]}
            ],
        }
        if not self._service.store.insert(TRAINING_JOB, name, document):
            raise already_exists(self._service.place, TRAINING_JOB, name)
        self._service.store.add_tags(arn, params.get("Tags", []))
        self._runs[name] = TrainingRun(self._service, document, self._folder(name), self._enter)
        self._service.run_in_background(self._run(name))
        return {"TrainingJobArn": arn}

    async def _run(self, name: str) -> None:
        run = self._runs[name]
        try:
            result = await run.execute()
        except JobError as error:
            self._finish(name, "Failed", "Failed", FailureReason=str(error))
        except Exception as error:
            logger.exception("Training job %s failed inside the server", name)
            reason = f"InternalServerError: {type(error).__name__}: {error}"
            self._finish(name, "Failed", "Failed", FailureReason=reason)
        else:
            self._finish(
                name, result.status, result.secondary_status, FinalMetricDataList=result.metrics or None
            )
        finally:
            del self._runs[name]
            await asyncio.to_thread(shutil.rmtree, run.folder, ignore_errors=True)

    def _enter(self, name: str, secondary_status: str) -> None:
        """Note that a job has entered its next phase."""
        moment = now()
        job = self._job(name)
        changes: dict[str, Any] = {
            "SecondaryStatus": secondary_status,
            "LastModifiedTime": moment,
            "SecondaryStatusTransitions": _transitions(
                job, secondary_status, _MESSAGES[secondary_status], moment
            ),
        }
        if secondary_status == "Downloading":
            changes["TrainingStartTime"] = moment
        self._service.store.update(TRAINING_JOB, name, **changes)

    def _finish(self, name: str, status: str, secondary_status: str, **members: Any) -> None:
        moment = now()
        job = self._job(name)
        message = members.get("FailureReason") or _MESSAGES[secondary_status]
        if "FailureReason" in members:
            members["FailureReason"] = members["FailureReason"][:_MAX_REASON_CHARACTERS]
        started = job.get("TrainingStartTime", moment)
        seconds = max(1, math.ceil(moment - started))
        transitions = _transitions(job, secondary_status, message[:_MAX_REASON_CHARACTERS], moment)
        self._service.store.update(
            TRAINING_JOB,
            name,
            TrainingJobStatus=status,
            SecondaryStatus=secondary_status,
            TrainingStartTime=started,
            TrainingEndTime=moment,
            LastModifiedTime=moment,
            TrainingTimeInSeconds=seconds,
            BillableTimeInSeconds=seconds,
            SecondaryStatusTransitions=[*transitions[:-1], {**transitions[-1], "EndTime": moment}],
            **members,
        )

    async def _describe(self, call: Call) -> dict[str, Any]:
        return self._job(call.params["TrainingJobName"])

    async def _list(self, call: Call) -> dict[str, Any]:
        return listing.page(
            self._service.store.all(TRAINING_JOB),
            call.params,
            result="TrainingJobSummaries",
            name="TrainingJobName",
            status="TrainingJobStatus",
        )

    async def _stop(self, call: Call) -> None:
        name = call.params["TrainingJobName"]
        job = self._job(name)
        if job["TrainingJobStatus"] == "Stopping":
            return
        if job["TrainingJobStatus"] != "InProgress":
            raise invalid(
                "The request was rejected because the training job is in status "
                f"{job['TrainingJobStatus']}; only a running one can be stopped."
            )
        self._service.store.update(TRAINING_JOB, name, TrainingJobStatus="Stopping")
        self._enter(name, "Stopping")
        self._runs[name].stop()

    async def _delete(self, call: Call) -> None:
        name = call.params["TrainingJobName"]
        job = self._job(name)
        if job["TrainingJobStatus"] in ("InProgress", "Stopping"):
            raise ServiceError(
                "ResourceInUse",
                f"The training job {name} is in status {job['TrainingJobStatus']}; stop it first.",
            )
        self._service.store.delete(TRAINING_JOB, name)
        self._service.store.delete_tags(job["TrainingJobArn"])

    def _job(self, name: str) -> Document:
        return find(self._service.store, self._service.place, TRAINING_JOB, name)

    def _folder(self, name: str) -> Path:
        return inside(self._service.folder / "training", name)


def _transitions(job: Document, status: str, message: str, moment: float) -> list[dict[str, Any]]:
    transitions = list(job["SecondaryStatusTransitions"])
    transitions[-1] = {**transitions[-1], "EndTime": moment}
    return [*transitions, {"Status": status, "StartTime": moment, "StatusMessage": message}]


def _check(params: dict[str, Any]) -> None:
    """Refuse requests that are invalid or not supported here, before a job starts."""
    algorithm = params.get("AlgorithmSpecification", {})
    if "TrainingImage" not in algorithm:
        raise invalid(
            "AlgorithmSpecification needs a TrainingImage; others are not supported by this server."
        )
    if "ResourceConfig" not in params:
        raise invalid("ResourceConfig is missing.")
    check_environment(params.get("Environment", {}), "Environment")
    channels = params.get("InputDataConfig", [])
    names = [channel["ChannelName"] for channel in channels]
    for channel in channels:
        if names.count(channel["ChannelName"]) > 1:
            raise invalid(f"The channel name {channel['ChannelName']} occurs more than once.")
        check_channel(channel, algorithm["TrainingInputMode"])
    check_pipes(channels, algorithm["TrainingInputMode"])
    try:
        ObjectAddress.parse(params["OutputDataConfig"]["S3OutputPath"])
    except JobError as error:
        raise invalid(f"OutputDataConfig.S3OutputPath is wrong: {error}") from error
