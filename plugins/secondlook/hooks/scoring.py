"""Ask an endpoint about one image: a prediction, or the reason why there is none."""

from __future__ import annotations

import json
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from secondlook.aws_answers import error_code, error_message, error_status
from secondlook.detection import Prediction
from secondlook.errors import PredictionError, SecondLookError
from secondlook.hooks.clients import SageMakerRuntimeHook
from secondlook.hooks.image_files import image_type
from secondlook.hooks.requests import TRANSFORM_ACCEPT
from secondlook.hooks.store import ObjectMissingError, ObjectStore, StoredObject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from secondlook.hooks.store import Content

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

# InvokeEndpoint takes at most 6 MiB (SageMaker Runtime API Reference, InvokeEndpoint, Body).
MAX_BODY_BYTES = 6 * 1024 * 1024

NOT_AN_IMAGE = "not-an-image"


class EndpointUnavailableError(SecondLookError):
    """The endpoint did not answer although the client tried several times; no image is to blame."""


@dataclass(frozen=True)
class Quarantined:
    """An image that could not be scored.

    ``code``: not-an-image, too-large, empty-file, unreadable or model-error; ``reason`` is one sentence.
    ``sha256`` is None when the bytes were not read.
    """

    image: str
    etag: str
    code: str
    reason: str
    sha256: str | None = None

    def to_record(self) -> dict[str, Any]:
        """Return the line of quarantine.jsonl."""
        return asdict(self)


class ImageScorer:
    """Scores images of one bucket with one endpoint; safe to call from many threads.

    :param store: where the images are.
    :param endpoint_name: the endpoint.
    :param model: id of the model it serves, written into each prediction.
    """

    def __init__(
        self, store: ObjectStore, endpoint_name: str, model: str, region_name: str | None = None
    ) -> None:
        self._store = store
        self._endpoint_name = endpoint_name
        self._model = model
        self._client = SageMakerRuntimeHook(store.aws_conn_id, region_name).client

    def score(self, item: StoredObject) -> Prediction | Quarantined:
        """Score one version of one image.

        Raises
        ------
        EndpointUnavailableError
            Throttled, out of order or unreachable after all retries.
        StoreError
            S3 cannot be read, or the image was replaced since it was listed.
        """
        image = self._store.uri(item.key)
        refused = refused_by_size(image, item)
        if refused is not None:
            return refused
        try:
            content = self._store.read(item.key, if_match=item.etag)
        except ObjectMissingError:
            reason = f"{image} was deleted after it was listed: upload it again if it is still wanted."
            return Quarantined(image, item.etag, "unreadable", reason)
        return self._invoke(image, content)

    def _invoke(self, image: str, content: Content) -> Prediction | Quarantined:
        body, etag = content
        sha256, content_type = content.sha256, image_type(body)
        try:
            answer = self._client.invoke_endpoint(
                EndpointName=self._endpoint_name,
                Body=body,
                ContentType=content_type or "application/x-image",
                Accept=TRANSFORM_ACCEPT,
            )
            payload = answer["Body"].read()
        except ClientError as error:
            refusal = self._refusal(error, content_type is not None)
            if refusal is None:
                raise self._unavailable(error) from error
            code, sentence = refusal
            if code == NOT_AN_IMAGE:
                return not_an_image(image, etag, sha256)
            return Quarantined(image, etag, code, sentence, sha256)
        except BotoCoreError as error:
            raise self._unavailable(error) from error
        try:
            return Prediction.from_response(image, etag, self._model, payload, sha256=sha256)
        except PredictionError as error:
            return Quarantined(image, etag, "model-error", str(error), sha256)

    def _refusal(self, error: ClientError, looks_like_an_image: bool) -> tuple[str, str] | None:
        """Code and sentence when the image is to blame; None when the endpoint is."""
        if error_status(error) == 413:
            return "too-large", f"The endpoint does not take a file of this size ({error_message(error)})."
        if error_code(error) != "ModelError":
            return None
        status = int(error.response.get("OriginalStatusCode") or 0)
        if not 400 <= status < 500 or status in {408, 429}:
            return None
        sentence = container_sentence(error)
        if status not in {400, 415}:
            return "model-error", sentence
        return ("unreadable" if looks_like_an_image else NOT_AN_IMAGE), sentence

    def _unavailable(self, error: ClientError | BotoCoreError) -> EndpointUnavailableError:
        detail = str(error)
        if isinstance(error, ClientError):
            detail = f"{error_code(error)}: {container_sentence(error)}"
        detail = detail.rstrip(".")
        return EndpointUnavailableError(
            f"The endpoint {self._endpoint_name} did not score ({detail}): finished parts "
            "are kept; look at the endpoint's log, then clear the task to go on."
        )


def refused_by_size(image: str, item: StoredObject) -> Quarantined | None:
    """Refuse what no model is sent: empty files and too large ones; None when the size is right."""
    if item.size == 0:
        return Quarantined(image, item.etag, "empty-file", f"{image} is an empty file: upload it again.")
    if item.size > MAX_BODY_BYTES:
        return Quarantined(
            image,
            item.etag,
            "too-large",
            f"{image} has {item.size} bytes and an endpoint takes at most {MAX_BODY_BYTES}: "
            "upload a smaller version.",
        )
    return None


def not_an_image(image: str, etag: str, sha256: str | None = None) -> Quarantined:
    """Refuse what by its first bytes is no image that a model can read."""
    reason = f"{image} is neither a JPEG nor a PNG file, whatever its name: upload it as one of the two."
    return Quarantined(image, etag, NOT_AN_IMAGE, reason, sha256)


def in_order(
    function: Callable[[Item], Outcome], items: Iterable[Item], concurrency: int
) -> Iterator[Outcome]:
    """Apply ``function`` in threads and yield results in order; the first error stops the rest.

    At most twice as many items as threads are taken ahead of the result that is yielded.
    """
    iterator = iter(items)
    with ThreadPoolExecutor(max_workers=concurrency) as pool:
        pending = deque(pool.submit(function, item) for item in islice(iterator, 2 * concurrency))
        try:
            while pending:
                yield pending.popleft().result()
                pending.extend(pool.submit(function, item) for item in islice(iterator, 1))
        finally:
            for future in pending:
                future.cancel()


def container_sentence(error: ClientError) -> str:
    """What the model's container said, out of the JSON object it may have said it in."""
    said = str(error.response.get("OriginalMessage") or error_message(error)).strip()
    try:
        answer = json.loads(said)
    except ValueError:
        return said
    sentence = answer.get("message") if isinstance(answer, dict) else None
    return str(sentence or said).strip()
