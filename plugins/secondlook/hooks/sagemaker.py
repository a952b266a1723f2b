"""SageMaker's control plane in plain records: models, endpoint configs, endpoints; jobs by inheritance.

Names are promises: each holds a hash of what the resource is made of, so "already exists" means that the work
is done. It is looked at and compared all the same, because another deployment may have taken the name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from secondlook.failures.aws import error_message, is_already_there, is_not_found
from secondlook.failures.sagemaker import ResourceConflictError, refused
from secondlook.hooks.sagemaker_jobs import SageMakerJobs

if TYPE_CHECKING:
    from datetime import datetime

VARIANT = "AllTraffic"
IN_TRANSITION = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})


@dataclass(frozen=True)
class EndpointState:
    """An endpoint as described.

    :ivar status: SageMaker's word, such as ``InService``.
    :ivar config: The endpoint config that answers requests.
    :ivar failure_reason: Why the last deployment failed, empty if it did not or SageMaker does not say.
    :ivar pending: The endpoint config that an update is about to put in its place, empty without one.
    """

    status: str
    config: str
    failure_reason: str = ""
    pending: str = ""

    @property
    def in_transition(self) -> bool:
        """Whether the status will change by itself."""
        return self.status in IN_TRANSITION


@dataclass(frozen=True, order=True)
class TaggedResource:
    """A resource of this project: name, ARN, time of its creation."""

    name: str
    arn: str
    created: datetime


class SageMaker(SageMakerJobs):
    """SageMaker through one Airflow connection: models, endpoint configs, endpoints, and jobs.

    What exists already is attached to after a comparison, so that a retry makes nothing twice.

    Example:

        sagemaker = SageMaker("aws_default")
        sagemaker.ensure_model("cells-1", artifact=artifact, image=image, role_arn=role)
        spec = TransformSpec("cells-1", manifest, output, "ml.m5.xlarge")
        sagemaker.start_transform(spec, "cells-1-tonight")
        ended = not sagemaker.job("transform", "cells-1-tonight").active
    """

    # Models and endpoint configs.

    def ensure_model(self, name: str, *, artifact: str, image: str, role_arn: str) -> None:
        """Create the model, or find it with the same artifact and image.

        :raises ResourceConflictError: A model of this name holds something else.
        :raises SageMakerRefusedError: For example a role that cannot be used.
        """
        container = {"Image": image, "ModelDataUrl": artifact}
        try:
            self.client.create_model(
                ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role_arn, Tags=self.tags
            )
        except ClientError as error:
            if not is_already_there(error):
                raise refused(f"create the model {name}", error) from error
            found = self.client.describe_model(ModelName=name)["PrimaryContainer"]
            _same("model", name, container, {key: found.get(key) for key in container})

    def ensure_endpoint_config(
        self, name: str, *, model: str, instance_type: str, instance_count: int
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
                EndpointConfigName=name, ProductionVariants=[variant], Tags=self.tags
            )
        except ClientError as error:
            if not is_already_there(error):
                raise refused(f"create the endpoint config {name}", error) from error
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
            raise refused(f"look up the endpoint {name}", error) from error
        # While a first deployment fails there is no config to name.
        config = str(found.get("EndpointConfigName", ""))
        pending = str(found.get("PendingDeploymentSummary", {}).get("EndpointConfigName", ""))
        reason = str(found.get("FailureReason", ""))
        return EndpointState(str(found["EndpointStatus"]), config, reason, pending)

    def create_endpoint(self, name: str, config: str) -> bool:
        """Create the endpoint; False when another run was faster."""
        try:
            self.client.create_endpoint(EndpointName=name, EndpointConfigName=config, Tags=self.tags)
        except ClientError as error:
            if is_already_there(error):
                return False
            raise refused(f"create the endpoint {name}", error) from error
        return True

    def update_endpoint(self, name: str, config: str, *, replaces: str) -> bool:
        """Ask for a blue/green update; False when another update is under way.

        The old fleet answers until the new one passes its health check, and goes on answering if it never
        does. The instance count that the endpoint has by now, set by auto-scaling perhaps, is kept, unless
        ``config`` asks for another count than ``replaces``, the endpoint config in service: a count that
        was changed in the settings takes effect.
        """
        request: dict[str, Any] = {"RetainAllVariantProperties": True}
        if self._instance_counts(config) != self._instance_counts(replaces):
            # SageMaker API Reference, UpdateEndpoint: only with it the count comes from the new config.
            request["ExcludeRetainedVariantProperties"] = [{"VariantPropertyType": "DesiredInstanceCount"}]
        try:
            self.client.update_endpoint(EndpointName=name, EndpointConfigName=config, **request)
        except ClientError as error:
            if "Cannot update in-progress endpoint" in error_message(error):
                return False
            raise refused(f"update the endpoint {name}", error) from error
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
            raise refused(f"delete the {kind.replace('_', ' ')} {name}", error) from error
        return True

    def resources(self, kind: str, prefix: str) -> list[TaggedResource]:
        """Every ``endpoint_config`` or ``model`` named ``<prefix>-...`` with all of the client's tags.

        Others are not looked at: an account may hold thousands, and permissions may end at our names.
        """
        shape = {"endpoint_config": "EndpointConfig", "model": "Model"}[kind]
        pages = self.client.get_paginator(f"list_{kind}s").paginate(NameContains=f"{prefix}-")
        found = [
            TaggedResource(item[f"{shape}Name"], item[f"{shape}Arn"], item["CreationTime"])
            for page in pages
            for item in page[f"{shape}s"]
            if item[f"{shape}Name"].startswith(f"{prefix}-")
        ]
        return sorted(item for item in found if self._is_ours(item.arn))

    def models_of_config(self, config: str) -> set[str]:
        """Names of the models in an endpoint config; empty when there is no such config."""
        return {str(variant["ModelName"]) for variant in self._variants(config)}

    def _instance_counts(self, config: str) -> dict[str, int | None]:
        return {str(item["VariantName"]): item.get("InitialInstanceCount") for item in self._variants(config)}

    def _variants(self, config: str) -> list[dict[str, Any]]:
        try:
            found = self.client.describe_endpoint_config(EndpointConfigName=config)
        except ClientError as error:
            if is_not_found(error):
                return []
            raise refused(f"look up the endpoint config {config}", error) from error
        variants: list[dict[str, Any]] = found["ProductionVariants"]
        return variants

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

    def _is_ours(self, arn: str) -> bool:
        pages = self.client.get_paginator("list_tags").paginate(ResourceArn=arn)
        carried = [tag for page in pages for tag in page["Tags"]]
        return bool(self.tags) and all(tag in carried for tag in self.tags)


def _same(kind: str, name: str, wanted: dict[str, Any], found: dict[str, Any]) -> None:
    for key, value in wanted.items():
        if found[key] != value:
            raise ResourceConflictError(
                f"The {kind} {name} exists with {key} {found[key]!r} instead of {value!r}: "
                "delete it or change the prefix of this deployment."
            )
