"""The server as an ASGI application: AWS operations, and ``/_status`` for people and scripts."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from include.aws_protocol import AwsApplication
from include.local_sagemaker.endpoints import Endpoints
from include.local_sagemaker.invocations import Invocations
from include.local_sagemaker.models import Models
from include.local_sagemaker.tags import Tags
from include.local_sagemaker.training import TrainingJobs
from include.local_sagemaker.transform import TransformJobs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from starlette.requests import Request

    from include.local_sagemaker.service import Service


def create_app(service: Service, credentials: Mapping[str, str]) -> Starlette:
    """Build the application; it restores its endpoints on startup and stops all processes on shutdown."""
    endpoints = Endpoints(service)
    training = TrainingJobs(service)
    transform = TransformJobs(service)
    aws = AwsApplication(
        handlers={
            **Models(service).handlers(),
            **endpoints.handlers(),
            **Invocations(endpoints).handlers(),
            **training.handlers(),
            **transform.handlers(),
            **Tags(service).handlers(),
            **service.logs.handlers(),
        },
        credentials=credentials,
        region=service.place.region,
        account_id=service.place.account_id,
        on_call=lambda call, _: service.store.count_call(call.operation),
    )

    async def status(_: Request) -> JSONResponse:
        return JSONResponse(
            {
                "operations": service.store.calls(),
                "implemented": aws.implemented,
                "endpoints": endpoints.status(),
            }
        )

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        training.restore()
        transform.restore()
        endpoints.restore()
        yield
        await service.stop()
        service.store.close()

    return Starlette(routes=[Route("/_status", status), Mount("/", aws)], lifespan=lifespan)
