"""InvokeEndpoint: passes a request on to a model and its response back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.aws_protocol import ServiceError
from include.local_sagemaker.errors import JobError
from include.local_sagemaker.hosting import invocation_headers
from include.local_sagemaker.logs import ENDPOINT_GROUP

if TYPE_CHECKING:
    from include.aws_protocol import Call
    from include.aws_protocol.application import Handler
    from include.local_sagemaker.endpoints import Endpoints

_MAX_MESSAGE_CHARACTERS = 1024
_UNSUPPORTED = ("TargetModel", "TargetContainerHostname", "InferenceComponentName", "SessionId")


class Invocations:
    """The operation of SageMaker Runtime."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def handlers(self) -> dict[tuple[str, str], Handler]:
        """Return the operations served."""
        return {("sagemaker-runtime", "InvokeEndpoint"): self._invoke}

    async def _invoke(self, call: Call) -> dict[str, Any]:
        params = call.params
        name = params["EndpointName"]
        for member in _UNSUPPORTED:
            if member in params:
                raise ServiceError("ValidationError", f"{member} is not supported by this server.")
        fleet = await self._endpoints.fleet(name)
        chosen = fleet.choose(params.get("TargetVariant"))
        if chosen is None:
            raise ServiceError(
                "ValidationError", f"Variant {params['TargetVariant']} not found in endpoint {name}."
            )
        variant, server = chosen
        log = f"arn:aws:logs:{call.region}:{call.account_id}:log-group:{ENDPOINT_GROUP}/{name}"
        try:
            answer = await server.invoke(params["Body"], invocation_headers(params))
        except JobError as error:
            raise _model_error(500, str(error), log) from error
        if not 200 <= answer.status < 300:
            raise _model_error(answer.status, answer.body.decode("utf-8", "replace"), log)
        return {
            "Body": answer.body,
            "ContentType": answer.content_type,
            "CustomAttributes": answer.custom_attributes,
            "InvokedProductionVariant": variant,
        }


def _model_error(status: int, message: str, log: str) -> ServiceError:
    message = message[:_MAX_MESSAGE_CHARACTERS]
    who = "client" if status < 500 else "server"
    return ServiceError(
        "ModelError",
        f'Received {who} error ({status}) from primary with message "{message}". See {log} for more.',
        OriginalStatusCode=status,
        OriginalMessage=message,
        LogStreamArn=log,
    )
