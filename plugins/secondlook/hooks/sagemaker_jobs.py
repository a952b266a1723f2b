"""SageMaker's training and transform jobs in plain records.

A job's name holds a hash of what it reads, so "already exists" means that the work is done or under way. It
is looked at and compared all the same, because another deployment may have taken the name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from secondlook.failures.aws import error_code, is_already_there, is_not_found
from secondlook.failures.sagemaker import ResourceConflictError, refused
from secondlook.hooks.clients import LogsHook, SageMakerClientHook
from secondlook.scoring.transform_spec import transform_differences
from secondlook.training.job_spec import training_differences

if TYPE_CHECKING:
    from collections.abc import Callable

    from secondlook.scoring.transform_spec import TransformSpec

JobKind = Literal["training", "transform"]

JOB_ACTIVE = frozenset({"InProgress", "Stopping", "Deleting"})
LOG_GROUPS = {"training": "/aws/sagemaker/TrainingJobs", "transform": "/aws/sagemaker/TransformJobs"}


@dataclass(frozen=True)
class JobState:
    """A training or transform job as described; ``ran_seconds`` is how long a training that ended trained."""

    name: str
    status: str
    failure_reason: str = ""
    artifact: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    ran_seconds: float = 0.0

    @property
    def active(self) -> bool:
        """Whether the job may still change."""
        return self.status in JOB_ACTIVE

    @property
    def stopping(self) -> bool:
        """Whether the job was asked to stop; it is still active."""
        return self.status == "Stopping"

    @property
    def succeeded(self) -> bool:
        """Whether the job ended with its whole result. A stopped job did not."""
        return self.status == "Completed"


class SageMakerJobs:
    """SageMaker's jobs as one Airflow connection sees them.

    :param aws_conn_id: Airflow connection.
    :param region_name: AWS Region; the connection's when None.
    :param tags: of everything that is created through this client, as AWS takes them.
    """

    def __init__(
        self,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        tags: list[dict[str, str]] | None = None,
    ) -> None:
        self.tags = tags or []
        self._hook = SageMakerClientHook(aws_conn_id, region_name)
        self._logs_hook = LogsHook(aws_conn_id, region_name)

    @cached_property
    def client(self) -> Any:
        """The boto3 client (for links and pages)."""
        return self._hook.client

    @property
    def region(self) -> str:
        """The Region that answers."""
        return str(self.client.meta.region_name)

    def job(self, kind: JobKind, name: str) -> JobState | None:
        """Describe a job; None when there is none."""
        try:
            found = self._describe_job(kind, name)
        except ClientError as error:
            if is_not_found(error):
                return None
            raise refused(f"look up the {kind} job {name}", error) from error
        return job_state(kind, found)

    def start_training(self, request: dict[str, Any]) -> None:
        """Start the training job of :meth:`TrainingSpec.request`, or attach to it if it has the same inputs.

        :raises ResourceConflictError: A job of this name has other inputs.
        :raises SageMakerRefusedError: SageMaker refused the request.
        """
        name = str(request["TrainingJobName"])
        self._start("training", name, request, self.client.create_training_job, training_differences)

    def start_transform(self, spec: TransformSpec, name: str) -> None:
        """Start the batch transform job, or attach to it. Raises like :meth:`start_training`."""
        request = spec.request(name)
        self._start("transform", name, request, self.client.create_transform_job, transform_differences)

    def stop_job(self, kind: JobKind, name: str) -> None:
        """Ask a job to stop; it is no fault when it has ended or does not exist."""
        try:
            if kind == "training":
                self.client.stop_training_job(TrainingJobName=name)
            else:
                self.client.stop_transform_job(TransformJobName=name)
        except ClientError as error:
            if error_code(error) != "ValidationException" and not is_not_found(error):
                raise refused(f"stop the {kind} job {name}", error) from error

    def log_tail(self, kind: JobKind, name: str, lines: int = 20) -> list[str]:
        """The last lines that a job logged; empty when there is no log (or no permission to read it)."""
        group = LOG_GROUPS[kind]
        logs = self._logs_hook.client
        try:
            streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")[
                "logStreams"
            ]
            if not streams:
                return []
            events = logs.get_log_events(
                logGroupName=group,
                logStreamName=streams[0]["logStreamName"],
                limit=lines,
                startFromHead=False,
            )["events"]
        except ClientError:
            return []
        return [str(event["message"]) for event in events]

    def _start(
        self,
        kind: JobKind,
        name: str,
        request: dict[str, Any],
        create: Callable[..., Any],
        differences: Callable[[dict[str, Any], dict[str, Any]], list[str]],
    ) -> None:
        try:
            create(**request, Tags=self.tags)
        except ClientError as error:
            if not is_already_there(error):
                raise refused(f"start the {kind} job {name}", error) from error
            different = differences(request, self._describe_job(kind, name))
            if different:
                raise ResourceConflictError(
                    f"A {kind} job called {name} exists with other {' and '.join(different)}: "
                    "delete it or change the prefix of this deployment."
                ) from error

    def _describe_job(self, kind: JobKind, name: str) -> dict[str, Any]:
        if kind == "training":
            return self.client.describe_training_job(TrainingJobName=name)  # type: ignore[no-any-return]
        return self.client.describe_transform_job(TransformJobName=name)  # type: ignore[no-any-return]


def job_state(kind: JobKind, described: dict[str, Any]) -> JobState:
    """Make the plain record of a Describe answer (used by the triggers, too)."""
    shape = "TrainingJob" if kind == "training" else "TransformJob"
    return JobState(
        name=str(described[f"{shape}Name"]),
        status=str(described[f"{shape}Status"]),
        failure_reason=str(described.get("FailureReason", "")),
        artifact=described.get("ModelArtifacts", {}).get("S3ModelArtifacts"),
        metrics={
            str(metric["MetricName"]): float(metric["Value"])
            for metric in described.get("FinalMetricDataList", ())
        },
        ran_seconds=_ran_seconds(described),
    )


def _ran_seconds(described: dict[str, Any]) -> float:
    """How long a training job trained; 0 if it has not begun or not ended."""
    started, ended = described.get("TrainingStartTime"), described.get("TrainingEndTime")
    return (ended - started).total_seconds() if started and ended else 0.0
