"""A model behind HTTP on a loopback port: SageMaker's container contract for inference.

Source: SageMaker Developer Guide, "Use Your Own Inference Code with Hosting Services": the command is run
with ``serve``, answers ``GET /ping`` with 200 once it is ready, and ``POST /invocations``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from include.local_sagemaker import artifact
from include.local_sagemaker.errors import JobError
from include.local_sagemaker.s3 import ObjectAddress

if TYPE_CHECKING:
    from pathlib import Path

    from include.local_sagemaker.logs import LogStream
    from include.local_sagemaker.process import Child
    from include.local_sagemaker.service import Service

logger = logging.getLogger(__name__)

INVOCATION_TIMEOUT_SECONDS = 60.0
_PING_TIMEOUT_SECONDS = 2.0
_PING_INTERVAL_SECONDS = 0.05
_MAX_RESTART_DELAY_SECONDS = 30.0
# uvicorn and gunicorn close idle connections after 5 s or less; we must close ours sooner.
_KEEPALIVE_SECONDS = 1.5


@dataclass(frozen=True)
class ModelContainer:
    """What to run: an image, its model data and its environment."""

    image: str
    model_data_uri: str | None
    environment: dict[str, str]


@dataclass(frozen=True)
class ModelAnswer:
    """A model's response."""

    status: int
    content_type: str | None
    custom_attributes: str | None
    body: bytes


class ModelServer:
    """One running model. A process that dies is started again until :meth:`stop`."""

    def __init__(
        self, service: Service, container: ModelContainer, folder: Path, log_group: str, log_stream: str
    ) -> None:
        self._service = service
        self._container = container
        self._folder = folder
        self._log_group = log_group
        self._log_stream = log_stream
        self._log: LogStream | None = None
        self._child: Child | None = None
        self._session: aiohttp.ClientSession | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._port = 0

    async def start(self, timeout_seconds: float) -> None:
        """Fetch the model, start the process and wait for its first ping.

        Raises
        ------
        JobError
            When the model data is missing, the image unknown, or the process ends or stays silent.
        """
        try:
            await self._fetch_model()
            await self._launch(timeout_seconds)
        except BaseException:
            await self.stop()
            raise
        self._keeper = asyncio.create_task(self._keep_running())

    async def invoke(
        self, body: bytes, headers: dict[str, str], timeout_seconds: float = INVOCATION_TIMEOUT_SECONDS
    ) -> ModelAnswer:
        """Pass a request to ``/invocations``.

        Raises
        ------
        JobError
            When the process does not answer, or not in time.
        """
        self._in_flight += 1
        self._idle.clear()
        try:
            return await self._post(body, headers, timeout_seconds)
        finally:
            self._in_flight -= 1
            if self._in_flight == 0:
                self._idle.set()

    async def drain(self, timeout_seconds: float = INVOCATION_TIMEOUT_SECONDS) -> None:
        """Wait until no request is running."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), timeout_seconds)

    async def stop(self) -> None:
        """End the process and remove its files."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._child is not None:
            await self._child.stop(self._service.stop_grace_seconds)
        self._service.ports.give_back(self._port)
        if self._log is not None:
            self._log.close()
        if self._session is not None:
            await self._session.close()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _fetch_model(self) -> None:
        model = self._folder / "model"
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        model.mkdir(parents=True)
        uri = self._container.model_data_uri
        if uri is None:
            return
        archive = self._folder / "model.tar.gz"
        await asyncio.to_thread(self._service.s3.download, ObjectAddress.parse(uri), archive)
        await asyncio.to_thread(artifact.unpack, archive, model, uri)
        archive.unlink()

    async def _launch(self, timeout_seconds: float) -> None:
        algorithm = self._service.algorithms.find(self._container.image)
        self._service.ports.give_back(self._port)
        self._port = self._service.ports.lease()
        if self._log is not None:
            self._log.close()
        self._log = self._service.logs.open(self._log_group, self._log_stream)
        self._child = await self._service.processes.start(
            [*algorithm.command, "serve"],
            working_directory=algorithm.working_directory,
            environment={
                **algorithm.environment,
                **self._container.environment,
                "SAGEMAKER_BASE_DIR": str(self._folder),
                "SAGEMAKER_BIND_TO_PORT": str(self._port),
                "SAGEMAKER_REGION": self._service.place.region,
                "AWS_REGION": self._service.place.region,
            },
            log=self._log,
        )
        await self._wait_for_ping(self._child, timeout_seconds)

    async def _wait_for_ping(self, child: Child, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        where = f"its log is {self._log_group}, stream {self._log_stream}"
        while not await self._ping():
            if not child.running:
                raise JobError(
                    f"The process ended with exit code {await child.wait()} before a ping; {where}."
                )
            if time.monotonic() > deadline:
                raise JobError(
                    f"The container did not pass the ping health check in {timeout_seconds:g} s; {where}."
                )
            await asyncio.sleep(_PING_INTERVAL_SECONDS)

    async def _ping(self) -> bool:
        try:
            async with self._client().get(
                f"http://127.0.0.1:{self._port}/ping", timeout=aiohttp.ClientTimeout(_PING_TIMEOUT_SECONDS)
            ) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    async def _post(self, body: bytes, headers: dict[str, str], timeout_seconds: float) -> ModelAnswer:
        attempts = 2  # The process may have closed an idle connection just as it was used.
        while True:
            attempts -= 1
            try:
                return await self._post_once(body, headers, timeout_seconds)
            except TimeoutError:
                raise JobError(f"The model did not answer within {timeout_seconds:g} s.") from None
            except (aiohttp.ClientError, OSError) as error:
                if attempts == 0:
                    raise JobError(f"The model's process does not answer: {error}.") from error

    async def _post_once(self, body: bytes, headers: dict[str, str], timeout_seconds: float) -> ModelAnswer:
        async with self._client().post(
            f"http://127.0.0.1:{self._port}/invocations",
            data=body,
            headers=headers,
            skip_auto_headers=("Content-Type",),
            timeout=aiohttp.ClientTimeout(timeout_seconds),
            allow_redirects=False,
        ) as response:
            return ModelAnswer(
                response.status,
                response.headers.get("Content-Type"),
                response.headers.get("X-Amzn-SageMaker-Custom-Attributes"),
                await response.read(),
            )

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_SECONDS)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        return self._session

    async def _keep_running(self) -> None:
        """Restart the process whenever it ends, after a longer delay each time it ends early."""
        delay = 0.5
        while self._child is not None:
            code = await self._child.wait()
            logger.warning(
                "The model in %s ended with exit code %s; it is started again", self._log_stream, code
            )
            await asyncio.sleep(delay)
            delay = min(2 * delay, _MAX_RESTART_DELAY_SECONDS)
            try:
                await self._launch(self._service.startup_timeout_seconds)
                delay = 0.5
            except JobError as error:
                logger.warning("The model in %s did not come back: %s", self._log_stream, error)
                if self._child.running:
                    await self._child.stop(self._service.stop_grace_seconds)


def invocation_headers(params: dict[str, Any]) -> dict[str, str]:
    """Return the headers that SageMaker passes on to a model: content type, accept and custom attributes."""
    names = {
        "ContentType": "Content-Type",
        "Accept": "Accept",
        "CustomAttributes": "X-Amzn-SageMaker-Custom-Attributes",
    }
    return {header: params[name] for name, header in names.items() if params.get(name)}
