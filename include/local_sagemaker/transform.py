"""The operations on batch transform jobs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from include.local_sagemaker import listing
from include.local_sagemaker.arns import MODEL, TRANSFORM_JOB, already_exists, find, invalid
from include.local_sagemaker.environment import check_environment
from include.local_sagemaker.errors import JobError
from include.local_sagemaker.models import single_container
from include.local_sagemaker.s3 import ObjectAddress
from include.local_sagemaker.service import now
from include.local_sagemaker.training import RESTARTED
from include.local_sagemaker.transform_run import TransformRun

if TYPE_CHECKING:
    from include.aws_protocol import Call
    from include.aws_protocol.application import Handler
    from include.local_sagemaker.service import Service
    from include.local_sagemaker.state import Document

logger = logging.getLogger(__name__)

_MAX_REASON_CHARACTERS = 1024
_MAX_MB_IN_FLIGHT = 100


class TransformJobs:
    """The operations on transform jobs; each job is a background task with a model server of its own."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._runs: dict[str, TransformRun] = {}

    def handlers(self) -> dict[tuple[str, str], Handler]:
        """Return the operations served."""
        return {
            ("sagemaker", "CreateTransformJob"): self._create,
            ("sagemaker", "DescribeTransformJob"): self._describe,
            ("sagemaker", "ListTransformJobs"): self._list,
            ("sagemaker", "StopTransformJob"): self._stop,
        }

    def restore(self) -> None:
        """Fail the jobs that an earlier server left behind unfinished."""
        for job in self._service.store.all(TRANSFORM_JOB):
            if job["TransformJobStatus"] in ("InProgress", "Stopping"):
                self._finish(job["TransformJobName"], "Failed", RESTARTED)

    async def _create(self, call: Call) -> dict[str, Any]:
        params = call.params
        _check(params)
        name = params["TransformJobName"]
        model = find(self._service.store, self._service.place, MODEL, params["ModelName"])
        arn = self._service.place.arn(TRANSFORM_JOB, name)
        document: Document = {
            **{key: value for key, value in params.items() if key != "Tags"},
            "TransformJobArn": arn,
            "TransformJobStatus": "InProgress",
            "CreationTime": now(),
        }
        container = single_container(model)
        if not self._service.store.insert(TRANSFORM_JOB, name, document):
            raise already_exists(self._service.place, TRANSFORM_JOB, name)
        self._service.store.add_tags(arn, params.get("Tags", []))
        self._runs[name] = TransformRun(self._service, document, container)
        self._service.run_in_background(self._run(name, self._runs[name]))
        return {"TransformJobArn": arn}

    async def _run(self, name: str, run: TransformRun) -> None:
        self._service.store.update(TRANSFORM_JOB, name, TransformStartTime=now())
        try:
            done = await run.execute()
        except JobError as error:
            self._finish(name, "Failed", f"ClientError: {error}")
        except Exception as error:
            logger.exception("Transform job %s failed inside the server", name)
            self._finish(name, "Failed", f"InternalServerError: {type(error).__name__}: {error}")
        else:
            self._finish(name, "Completed" if done else "Stopped")
        finally:
            del self._runs[name]

    def _finish(self, name: str, status: str, reason: str | None = None) -> None:
        moment = now()
        started = self._job(name).get("TransformStartTime", moment)
        self._service.store.update(
            TRANSFORM_JOB,
            name,
            TransformJobStatus=status,
            TransformStartTime=started,
            TransformEndTime=moment,
            LastModifiedTime=moment,
            FailureReason=reason[:_MAX_REASON_CHARACTERS] if reason else None,
        )

    async def _describe(self, call: Call) -> dict[str, Any]:
        return self._job(call.params["TransformJobName"])

    async def _list(self, call: Call) -> dict[str, Any]:
        return listing.page(
            self._service.store.all(TRANSFORM_JOB),
            call.params,
            result="TransformJobSummaries",
            name="TransformJobName",
            status="TransformJobStatus",
        )

    async def _stop(self, call: Call) -> None:
        name = call.params["TransformJobName"]
        status = self._job(name)["TransformJobStatus"]
        if status == "Stopping":
            return
        if status != "InProgress":
            raise invalid(f"The request was rejected because the transform job is in status {status}.")
        self._service.store.update(TRANSFORM_JOB, name, TransformJobStatus="Stopping")
        self._runs[name].stop()

    def _job(self, name: str) -> Document:
        return find(self._service.store, self._service.place, TRANSFORM_JOB, name)


def _check(params: dict[str, Any]) -> None:
    """Refuse requests that are invalid or not supported here, before a job starts."""
    source = params["TransformInput"]["DataSource"].get("S3DataSource")
    if source is None or source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        raise invalid("TransformInput needs an S3DataSource of type S3Prefix or ManifestFile.")
    for member, group in (("SplitType", "TransformInput"), ("CompressionType", "TransformInput")):
        if params[group].get(member, "None") != "None":
            raise invalid(f"{group}.{member} {params[group][member]} is not supported by this server.")
    if params["TransformOutput"].get("AssembleWith", "None") != "None":
        raise invalid(
            "TransformOutput.AssembleWith is not supported by this server; each object has its own result."
        )
    processing = params.get("DataProcessing", {})
    if processing.get("JoinSource", "None") != "None" or {"InputFilter", "OutputFilter"} & processing.keys():
        raise invalid("DataProcessing is not supported by this server.")
    if params.get("BatchStrategy", "SingleRecord") != "SingleRecord":
        raise invalid("BatchStrategy MultiRecord needs a SplitType, which this server does not support.")
    check_environment(params.get("Environment", {}), "Environment")
    in_flight = params.get("MaxConcurrentTransforms", 1) * params.get("MaxPayloadInMB", 6)
    if in_flight > _MAX_MB_IN_FLIGHT:
        raise invalid(
            f"MaxConcurrentTransforms times MaxPayloadInMB is {in_flight} MB; it must not exceed "
            f"{_MAX_MB_IN_FLIGHT} MB."
        )
    try:
        ObjectAddress.parse(params["TransformOutput"]["S3OutputPath"])
    except JobError as error:
        raise invalid(f"TransformOutput.S3OutputPath is wrong: {error}") from error
