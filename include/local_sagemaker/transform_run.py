"""One batch transform job: a model that is served until it has processed every input object."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

from include.local_sagemaker.errors import JobError
from include.local_sagemaker.hosting import ModelContainer, ModelServer, invocation_headers
from include.local_sagemaker.logs import TRANSFORM_GROUP
from include.local_sagemaker.manifests import named_objects
from include.local_sagemaker.s3 import ObjectAddress

if TYPE_CHECKING:
    from include.local_sagemaker.manifests import NamedObject
    from include.local_sagemaker.service import Service
    from include.local_sagemaker.state import Document

_DEFAULT_TIMEOUT_SECONDS = 600.0
_DEFAULT_RETRIES = 3
_DEFAULT_MAX_PAYLOAD_MB = 6
_MAX_SHOWN_CHARACTERS = 300


class TransformRun:
    """Runs one job; the result of ``<prefix>name`` becomes ``<S3OutputPath>/name.out``."""

    def __init__(self, service: Service, job: Document, container: dict[str, Any]) -> None:
        self._service = service
        self._stopped = asyncio.Event()
        self._source: dict[str, Any] = job["TransformInput"]["DataSource"]["S3DataSource"]
        self._output = ObjectAddress.parse(job["TransformOutput"]["S3OutputPath"])
        self._headers = invocation_headers(
            {
                "ContentType": job["TransformInput"].get("ContentType"),
                "Accept": job["TransformOutput"].get("Accept"),
            }
        )
        client = job.get("ModelClientConfig", {})
        self._timeout_seconds = float(client.get("InvocationsTimeoutInSeconds", _DEFAULT_TIMEOUT_SECONDS))
        self._retries: int = client.get("InvocationsMaxRetries", _DEFAULT_RETRIES)
        self._max_bytes = job.get("MaxPayloadInMB", _DEFAULT_MAX_PAYLOAD_MB) * 1024 * 1024
        self._slots = asyncio.Semaphore(job.get("MaxConcurrentTransforms") or 1)
        run = uuid.uuid4().hex[:17]
        environment = {
            "SAGEMAKER_BATCH": "true",
            **container.get("Environment", {}),
            **job.get("Environment", {}),
        }
        self._server = ModelServer(
            service,
            ModelContainer(container["Image"], container.get("ModelDataUrl"), environment),
            service.folder / "transform" / run,
            TRANSFORM_GROUP,
            f"{job['TransformJobName']}/i-{run}",
        )

    def stop(self) -> None:
        """Ask the job to stop; results so far are kept."""
        self._stopped.set()

    async def execute(self) -> bool:
        """Transform every object; results are kept even when others fail. False when the job was stopped.

        Raises
        ------
        JobError
            When the input is missing, the model does not come up, or naming the first object that failed,
            after all others were done.
        """
        work = asyncio.create_task(self._work())
        stopped = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            work.cancel()
            await asyncio.wait({work})
        if self._stopped.is_set():
            return False
        objects, failed = work.result()
        if failed:
            raise JobError(f"{len(failed)} of {objects} objects could not be transformed; first: {failed[0]}")
        return True

    async def _work(self) -> tuple[int, list[str]]:
        """Return how many objects there are, and the sentences about those that failed."""
        objects = await asyncio.to_thread(named_objects, self._service.s3, self._source)
        await self._server.start(self._service.startup_timeout_seconds)
        try:
            failures = await asyncio.gather(*(self._transform(item) for item in objects))
        finally:
            await asyncio.shield(self._server.stop())  # A stop of the job must not leave the process running.
        return len(objects), [failure for failure in failures if failure is not None]

    async def _transform(self, item: NamedObject) -> str | None:
        """Transform one object; return a sentence if it failed."""
        async with self._slots:
            if self._stopped.is_set():  # A cancellation alone may be lost when it coincides with a timeout.
                return None
            try:
                body = await asyncio.to_thread(self._service.s3.read, item.address)
                result = await self._invoke(item, body)
                await asyncio.to_thread(
                    self._service.s3.write, result, self._output.child(item.name + ".out")
                )
            except JobError as error:
                return str(error)
        return None

    async def _invoke(self, item: NamedObject, body: bytes) -> bytes:
        if self._max_bytes and len(body) > self._max_bytes:
            raise JobError(f"{item.address.uri} has {len(body)} bytes, more than MaxPayloadInMB allows.")
        for attempt in range(self._retries + 1):
            last = attempt == self._retries
            try:
                answer = await self._server.invoke(body, self._headers, self._timeout_seconds)
            except JobError as error:
                if last:
                    raise JobError(f"{item.address.uri}: {error}") from error
                continue
            if 200 <= answer.status < 300:
                return answer.body
            if answer.status < 500 or last:
                text = answer.body.decode("utf-8", "replace")[:_MAX_SHOWN_CHARACTERS]
                raise JobError(f"{item.address.uri}: the model answered {answer.status}: {text}")
        raise JobError(f"{item.address.uri} was not sent.")
