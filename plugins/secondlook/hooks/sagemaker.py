"""SageMaker's control plane in plain records: models, endpoint configs, endpoints, jobs.

Names are promises: each holds a hash of what the resource is made of, so "already exists" means that the work
is done. It is looked at and compared all the same, because somebody else may have taken the name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from secondlook.errors import SecondLookError
from secondlook.failures import (
    Cause,
    error_code,
    error_message,
    fault_of,
    is_already_there,
    is_not_found,
)
from secondlook.hooks.clients import LogsHook, SageMakerClientHook
from secondlook.hooks.requests import training_differences, transform_differences

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from secondlook.hooks.requests import JobKind, TransformSpec

VARIANT = "AllTraffic"
SETTLING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
JOB_ACTIVE = frozenset({"InProgress", "Stopping", "Deleting"})
LOG_GROUPS = {"training": "/aws/sagemaker/TrainingJobs", "transform": "/aws/sagemaker/TransformJobs"}


class SageMakerRefusedError(SecondLookError):
    """SageMaker did not accept a request; the message holds its own sentence."""


class ResourceConflictError(SecondLookError):
    """A resource of the wanted name exists but holds something else."""


@dataclass(frozen=True)
class EndpointState:
    """An endpoint as described: status, the config that answers requests, the reason of a failure."""

    status: str
    config: str
    failure_reason: str = ""

    @property
    def settling(self) -> bool:
        """Whether the status will change by itself."""
        return self.status in SETTLING


@dataclass(frozen=True)
class JobState:
    """A training or transform job as described."""

    name: str
    status: str
    failure_reason: str = ""
    artifact: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        """Whether the job may still change."""
        return self.status in JOB_ACTIVE

    @property
    def stopping(self) -> bool:
        """Whether somebody has asked the job to stop; it is still active."""
        return self.status == "Stopping"

    @property
    def succeeded(self) -> bool:
        """Whether the job ended with its whole result. A stopped job did not."""
        return self.status == "Completed"


@dataclass(frozen=True, order=True)
class TaggedResource:
    """A resource of this project: name, ARN, time of its creation."""

    name: str
    arn: str
    created: datetime


class SageMaker:
    """SageMaker as one Airflow connection sees it."""

    def __init__(self, aws_conn_id: str | None = "aws_default", region_name: str | None = None) -> None:
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

    # Models and endpoint configs.

    def ensure_model(
        self, name: str, *, artifact: str, image: str, role_arn: str, tags: list[dict[str, str]]
    ) -> None:
        """Create the model, or find it with the same artifact and image.

        Raises
        ------
        ResourceConflictError
            A model of this name holds something else.
        SageMakerRefusedError
            For example a role that cannot be used.
        """
        container = {"Image": image, "ModelDataUrl": artifact}
        try:
            self.client.create_model(
                ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role_arn, Tags=tags
            )
        except ClientError as error:
            if not is_already_there(error):
                raise refused("CreateModel", name, error) from error
            found = self.client.describe_model(ModelName=name)["PrimaryContainer"]
            _same("model", name, container, {key: found.get(key) for key in container})

    def ensure_endpoint_config(
        self, name: str, *, model: str, instance_type: str, instance_count: int, tags: list[dict[str, str]]
    ) -> None:
        """Create the endpoint config with one variant, or find it with the same content. Raises as above."""
        variant = {
            "VariantName": VARIANT,
            "ModelName": model,
            "InitialInstanceCount": instance_count,
            "InstanceType": instance_type,
        }
        try:
            self.client.create_endpoint_config(
                EndpointConfigName=name, ProductionVariants=[variant], Tags=tags
            )
        except ClientError as error:
            if not is_already_there(error):
                raise refused("CreateEndpointConfig", name, error) from error
            found = self.client.describe_endpoint_config(EndpointConfigName=name)["ProductionVariants"][0]
            _same("endpoint config", name, variant, {key: found.get(key) for key in variant})

    # Endpoints.

    def endpoint(self, name: str) -> EndpointState | None:
        """Describe the endpoint; None when there is none."""
        try:
            found = self.client.describe_endpoint(EndpointName=name)
        except ClientError as error:
            if is_not_found(error):
                return None
            raise refused("DescribeEndpoint", name, error) from error
        # While a first deployment fails there is no config to name.
        config = str(found.get("EndpointConfigName", ""))
        return EndpointState(str(found["EndpointStatus"]), config, str(found.get("FailureReason", "")))

    def create_endpoint(self, name: str, config: str, tags: list[dict[str, str]]) -> bool:
        """Create the endpoint; False when another run was faster."""
        try:
            self.client.create_endpoint(EndpointName=name, EndpointConfigName=config, Tags=tags)
        except ClientError as error:
            if is_already_there(error):
                return False
            raise refused("CreateEndpoint", name, error) from error
        return True

    def update_endpoint(self, name: str, config: str) -> bool:
        """Ask for a blue/green update; False when another update is under way.

        The old fleet answers until the new one passes its health check, and goes on answering if it never
        does. Instance counts set by auto-scaling are kept.
        """
        try:
            self.client.update_endpoint(
                EndpointName=name, EndpointConfigName=config, RetainAllVariantProperties=True
            )
        except ClientError as error:
            if "Cannot update in-progress endpoint" in error_message(error):
                return False
            raise refused("UpdateEndpoint", name, error) from error
        return True

    def delete(self, kind: str, name: str) -> bool:
        """Delete an ``endpoint``, ``endpoint_config`` or ``model``; False when there is none."""
        member = {"endpoint": "EndpointName", "endpoint_config": "EndpointConfigName", "model": "ModelName"}[
            kind
        ]
        try:
            getattr(self.client, f"delete_{kind}")(**{member: name})
        except ClientError as error:
            if is_not_found(error):
                return False
            raise refused(f"the deletion of the {kind.replace('_', ' ')}", name, error) from error
        return True

    def resources(self, kind: str, tags: list[dict[str, str]]) -> list[TaggedResource]:
        """Every ``endpoint_config`` or ``model`` that carries all of ``tags``, by name."""
        shape = {"endpoint_config": "EndpointConfig", "model": "Model"}[kind]
        pages = self.client.get_paginator(f"list_{kind}s").paginate()
        found = [
            TaggedResource(item[f"{shape}Name"], item[f"{shape}Arn"], item["CreationTime"])
            for page in pages
            for item in page[f"{shape}s"]
        ]
        return sorted(item for item in found if self._carries(item.arn, tags))

    def models_of_config(self, config: str) -> set[str]:
        """Names of the models in an endpoint config; empty when there is no such config."""
        try:
            found = self.client.describe_endpoint_config(EndpointConfigName=config)
        except ClientError as error:
            if is_not_found(error):
                return set()
            raise refused("DescribeEndpointConfig", config, error) from error
        return {str(variant["ModelName"]) for variant in found["ProductionVariants"]}

    def artifact_of_model(self, model: str) -> str | None:
        """Address of the artifact that a SageMaker model holds."""
        found = self.client.describe_model(ModelName=model)
        return found.get("PrimaryContainer", {}).get("ModelDataUrl")  # type: ignore[no-any-return]

    def endpoint_configs_in_use(self) -> set[str]:
        """Names of the endpoint configs that any endpoint of the account answers with, or moves to."""
        in_use = set()
        for page in self.client.get_paginator("list_endpoints").paginate():
            for item in page["Endpoints"]:
                found = self.client.describe_endpoint(EndpointName=item["EndpointName"])
                in_use.add(str(found.get("EndpointConfigName", "")))
                in_use.add(str(found.get("PendingDeploymentSummary", {}).get("EndpointConfigName", "")))
        return in_use - {""}

    def _carries(self, arn: str, tags: list[dict[str, str]]) -> bool:
        pages = self.client.get_paginator("list_tags").paginate(ResourceArn=arn)
        carried = [tag for page in pages for tag in page["Tags"]]
        return all(tag in carried for tag in tags)

    # Jobs.

    def job(self, kind: JobKind, name: str) -> JobState | None:
        """Describe a job; None when there is none."""
        try:
            found = self._describe_job(kind, name)
        except ClientError as error:
            if is_not_found(error):
                return None
            raise refused(f"the description of the {kind} job", name, error) from error
        return job_state(kind, found)

    def start_training(self, request: dict[str, Any]) -> None:
        """Start the training job of :meth:`TrainingSpec.request`, or attach to it if it has the same inputs.

        Raises
        ------
        ResourceConflictError
            A job of this name has other inputs.
        SageMakerRefusedError
            SageMaker refused the request.
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
                raise refused(f"the stop of the {kind} job", name, error) from error

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
            create(**request)
        except ClientError as error:
            if not is_already_there(error):
                raise refused(f"the {kind} job", name, error) from error
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
    )


def refused(operation: str, name: str, error: ClientError) -> SageMakerRefusedError:
    """Make one sentence of a refusal."""
    text, what = error_message(error).strip().rstrip("."), fault_of(error)
    advice = what.advice
    if what.cause is Cause.INVALID and "role" in text.lower():
        advice = "check the setting execution_role_arn and that the role trusts sagemaker.amazonaws.com"
    return SageMakerRefusedError(
        f"SageMaker refused {operation} {name} ({error_code(error)}: {text}): {advice}."
    )


def _same(kind: str, name: str, wanted: dict[str, Any], found: dict[str, Any]) -> None:
    for key, value in wanted.items():
        if found[key] != value:
            raise ResourceConflictError(
                f"The {kind} {name} exists with {key} {found[key]!r} instead of {value!r}: "
                "delete it or change the prefix of this deployment."
            )
