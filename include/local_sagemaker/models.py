"""Models and endpoint configurations: what to serve, with which weight."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from include.local_sagemaker import listing
from include.local_sagemaker.arns import ENDPOINT_CONFIG, MODEL, already_exists, find, invalid, not_found
from include.local_sagemaker.environment import check_environment
from include.local_sagemaker.errors import JobError
from include.local_sagemaker.s3 import ObjectAddress
from include.local_sagemaker.service import now

if TYPE_CHECKING:
    from include.aws_protocol import Call
    from include.aws_protocol.application import Handler
    from include.local_sagemaker.service import Service

_UNSUPPORTED_CONFIG = ("AsyncInferenceConfig", "ShadowProductionVariants", "ExplainerConfig")


class Models:
    """The operations on models and endpoint configurations."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def handlers(self) -> dict[tuple[str, str], Handler]:
        """Return the operations served."""
        return {
            ("sagemaker", "CreateModel"): self._create_model,
            ("sagemaker", "DescribeModel"): self._describe_model,
            ("sagemaker", "ListModels"): self._list_models,
            ("sagemaker", "DeleteModel"): self._delete_model,
            ("sagemaker", "CreateEndpointConfig"): self._create_config,
            ("sagemaker", "DescribeEndpointConfig"): self._describe_config,
            ("sagemaker", "ListEndpointConfigs"): self._list_configs,
            ("sagemaker", "DeleteEndpointConfig"): self._delete_config,
        }

    async def _create_model(self, call: Call) -> dict[str, Any]:
        params = call.params
        if "ExecutionRoleArn" in params:
            self._service.check_role(params["ExecutionRoleArn"])
        container = single_container(params)
        check_environment(container.get("Environment", {}), "The container's Environment")
        if "ModelDataUrl" in container:
            await self._check_model_data(container["ModelDataUrl"])
        return self._insert(MODEL, params["ModelName"], "Model", params)

    async def _check_model_data(self, uri: str) -> None:
        try:
            await asyncio.to_thread(self._service.s3.size, ObjectAddress.parse(uri))
        except JobError as error:
            raise invalid(f"Could not find model data at {uri}. {error}") from error

    async def _describe_model(self, call: Call) -> dict[str, Any]:
        return find(self._service.store, self._service.place, MODEL, call.params["ModelName"])

    async def _list_models(self, call: Call) -> dict[str, Any]:
        documents = self._service.store.all(MODEL)
        return listing.page(documents, call.params, result="Models", name="ModelName")

    async def _delete_model(self, call: Call) -> None:
        self._delete(MODEL, call.params["ModelName"])

    async def _create_config(self, call: Call) -> dict[str, Any]:
        params = call.params
        _check_config(params)
        for variant in params["ProductionVariants"]:
            find(self._service.store, self._service.place, MODEL, variant["ModelName"])
        return self._insert(ENDPOINT_CONFIG, params["EndpointConfigName"], "EndpointConfig", params)

    async def _describe_config(self, call: Call) -> dict[str, Any]:
        name = call.params["EndpointConfigName"]
        return find(self._service.store, self._service.place, ENDPOINT_CONFIG, name)

    async def _list_configs(self, call: Call) -> dict[str, Any]:
        documents = self._service.store.all(ENDPOINT_CONFIG)
        return listing.page(documents, call.params, result="EndpointConfigs", name="EndpointConfigName")

    async def _delete_config(self, call: Call) -> None:
        self._delete(ENDPOINT_CONFIG, call.params["EndpointConfigName"])

    def _insert(self, kind: str, name: str, member: str, params: dict[str, Any]) -> dict[str, Any]:
        arn = self._service.place.arn(kind, name)
        tags = params.get("Tags", [])
        document = {key: value for key, value in params.items() if key != "Tags"}
        if not self._service.store.insert(
            kind, name, {**document, f"{member}Arn": arn, "CreationTime": now()}
        ):
            raise already_exists(self._service.place, kind, name)
        self._service.store.add_tags(arn, tags)
        return {f"{member}Arn": arn}

    def _delete(self, kind: str, name: str) -> None:
        if not self._service.store.delete(kind, name):
            raise not_found(self._service.place, kind, name)
        self._service.store.delete_tags(self._service.place.arn(kind, name))


def single_container(model: dict[str, Any]) -> dict[str, Any]:
    """Return the one container of a model.

    Raises
    ------
    ServiceError
        ``ValidationException`` for what is not served here: pipelines, model packages, uncompressed model
        data.
    """
    containers = model.get("Containers") or (
        [model["PrimaryContainer"]] if "PrimaryContainer" in model else []
    )
    if len(containers) != 1:
        raise invalid(f"A model needs exactly one container on this server, not {len(containers)}.")
    container: dict[str, Any] = containers[0]
    if "Image" not in container:
        raise invalid("The container needs an Image; model packages are not supported by this server.")
    if "ModelDataSource" in container:
        raise invalid(
            "Give the model's data as ModelDataUrl; ModelDataSource is not supported by this server."
        )
    return container


def _check_config(params: dict[str, Any]) -> None:
    for member in _UNSUPPORTED_CONFIG:
        if params.get(member):
            raise invalid(f"{member} is not supported by this server.")
    if params.get("DataCaptureConfig", {}).get("EnableCapture"):
        raise invalid("Data capture is not supported by this server; leave DataCaptureConfig out.")
    variants = params["ProductionVariants"]
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) != len(names):
        raise invalid(f"The variant names must differ; given are {', '.join(names)}.")
    for variant in variants:
        if "ModelName" not in variant:
            raise invalid(f"The variant {variant['VariantName']} needs a ModelName.")
    if sum(variant.get("InitialVariantWeight", 1.0) for variant in variants) <= 0:
        raise invalid("At least one variant needs an InitialVariantWeight above 0.")
