"""Everything that one endpoint configuration runs: a model server per variant, chosen by weight."""

from __future__ import annotations

import asyncio
import random
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.formats.paths import inside
from include.local_sagemaker.arns import MODEL, find
from include.local_sagemaker.errors import JobError
from include.local_sagemaker.hosting import ModelContainer, ModelServer
from include.local_sagemaker.logs import ENDPOINT_GROUP
from include.local_sagemaker.models import single_container

if TYPE_CHECKING:
    from include.local_sagemaker.service import Service
    from include.local_sagemaker.state import Document


def resolve_variants(service: Service, config: Document) -> list[dict[str, Any]]:
    """Return what a configuration's variants run, self-contained, since models may be deleted afterwards.

    Raises
    ------
    ServiceError
        When a model does not exist any more.
    """
    resolved = []
    for variant in config["ProductionVariants"]:
        container = single_container(find(service.store, service.place, MODEL, variant["ModelName"]))
        resolved.append(
            {
                "VariantName": variant["VariantName"],
                "Weight": variant.get("InitialVariantWeight", 1.0),
                "InstanceCount": variant.get("InitialInstanceCount", 1),
                "Image": container["Image"],
                "ModelDataUrl": container.get("ModelDataUrl"),
                "Environment": container.get("Environment", {}),
                "StartupTimeout": variant.get("ContainerStartupHealthCheckTimeoutInSeconds"),
            }
        )
    return resolved


def retain_properties(
    variants: list[dict[str, Any]], current: list[dict[str, Any]], request: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return the variants of an update with what ``request``, an UpdateEndpoint, lets the endpoint keep.

    Source: SageMaker API Reference, UpdateEndpoint, ``RetainAllVariantProperties``: instance count and weight
    stay those of the endpoint unless ``ExcludeRetainedVariantProperties`` names them. A new variant has
    nothing to keep.
    """
    if not request.get("RetainAllVariantProperties"):
        return variants
    excluded = {item["VariantPropertyType"] for item in request.get("ExcludeRetainedVariantProperties") or ()}
    properties = {"DesiredInstanceCount": "InstanceCount", "DesiredWeight": "Weight"}
    kept = [member for kind, member in properties.items() if kind not in excluded]
    by_name = {variant["VariantName"]: variant for variant in current}
    return [
        variant | {member: old[member] for member in kept if (old := by_name.get(variant["VariantName"]))}
        for variant in variants
    ]


def summaries(variants: list[dict[str, Any]], deployed_at: float) -> list[dict[str, Any]]:
    """Return ``ProductionVariants`` as DescribeEndpoint shows them."""
    return [
        {
            "VariantName": variant["VariantName"],
            "DeployedImages": [
                {
                    "SpecifiedImage": variant["Image"],
                    "ResolvedImage": variant["Image"],
                    "DeploymentTime": deployed_at,
                }
            ],
            "CurrentWeight": variant["Weight"],
            "DesiredWeight": variant["Weight"],
            "CurrentInstanceCount": variant["InstanceCount"],
            "DesiredInstanceCount": variant["InstanceCount"],
        }
        for variant in variants
    ]


@dataclass(frozen=True)
class _Member:
    name: str
    weight: float
    startup_timeout_seconds: float
    server: ModelServer


class Fleet:
    """The running model servers of one endpoint."""

    def __init__(self, service: Service, endpoint: str, variants: list[dict[str, Any]]) -> None:
        self._members = []
        for variant in variants:
            run = uuid.uuid4().hex[:17]
            server = ModelServer(
                service,
                ModelContainer(variant["Image"], variant["ModelDataUrl"], variant["Environment"]),
                inside(service.folder / "endpoints", endpoint) / run,
                f"{ENDPOINT_GROUP}/{endpoint}",
                f"{variant['VariantName']}/i-{run}",
            )
            timeout = variant["StartupTimeout"] or service.startup_timeout_seconds
            self._members.append(_Member(variant["VariantName"], variant["Weight"], timeout, server))

    async def start(self) -> None:
        """Start every variant; when one does not come up, stop all.

        Raises
        ------
        JobError
            With the variant and why it did not answer its ping.
        """
        try:
            # All starts must have finished before any server may be stopped.
            outcomes = await asyncio.gather(
                *(self._start(member) for member in self._members), return_exceptions=True
            )
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
        except BaseException:
            await self.stop()
            raise

    async def _start(self, member: _Member) -> None:
        try:
            await member.server.start(member.startup_timeout_seconds)
        except JobError as error:
            raise JobError(
                f"The primary container for production variant {member.name} did not pass the ping "
                f"health check. {error}"
            ) from error

    def choose(self, target_variant: str | None) -> tuple[str, ModelServer] | None:
        """Return name and server of the variant for one request; None when the target does not exist."""
        if target_variant is not None:
            return next(
                ((member.name, member.server) for member in self._members if member.name == target_variant),
                None,
            )
        (member,) = random.choices(self._members, [member.weight for member in self._members])
        return member.name, member.server

    async def drain_and_stop(self) -> None:
        """Let running requests finish, then stop."""
        await asyncio.gather(*(member.server.drain() for member in self._members))
        await self.stop()

    async def stop(self) -> None:
        """Stop every variant."""
        await asyncio.gather(*(member.server.stop() for member in self._members))
