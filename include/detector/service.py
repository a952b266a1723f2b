"""The HTTP side of ``serve``: a plain ASGI application."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from .errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from .batching import DetectedImage, DetectionQueue

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

MAX_BODY_BYTES = 25 * 1024 * 1024
MAX_READ_BYTES = 4 * MAX_BODY_BYTES
ANSWER_FORMS = ("annotations", "predictions", "prediction")
CONTENT_TYPES = ("image/jpeg", "image/png", "application/x-image")
_LOG = logging.getLogger(__name__)


class _RefusedError(Exception):
    """A request that gets an error status and one sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class _ClientGoneError(Exception):
    """The client disconnected before its request was complete."""


class InvocationService:
    """Answers ``/ping`` and ``/invocations``.

    Parameters
    ----------
    answer_form
        One of ``ANSWER_FORMS``, for requests with ``annotation=1``.
    """

    def __init__(self, detections: DetectionQueue, answer_form: str = ANSWER_FORMS[0]) -> None:
        self._detections = detections
        self._answer_form = answer_form

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Handle one HTTP request (ASGI)."""
        try:
            status, body = await self._answer(scope, receive)
        except _ClientGoneError:
            return
        except _RefusedError as error:
            status, body = error.status, _sentence(str(error))
        except ImageError as error:
            status, body = 400, _sentence(str(error))
        except Exception:
            _LOG.exception("The model failed on a request.")
            status, body = 500, _sentence("The model failed on this image; the container's log says why.")
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive) -> tuple[int, bytes]:
        route = (scope["method"], scope["path"])
        if route == ("GET", "/ping"):
            return 200, b""
        if route == ("POST", "/invocations"):
            return 200, await self._invoke(scope, receive)
        raise _RefusedError(404, "Only GET /ping and POST /invocations are answered here.")

    async def _invoke(self, scope: MutableMapping[str, Any], receive: Receive) -> bytes:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        content_type = headers.get("content-type", CONTENT_TYPES[-1]).split(";")[0].strip().lower()
        if content_type not in CONTENT_TYPES:
            raise _RefusedError(
                415, f"Content type {content_type!r} is not one of {', '.join(CONTENT_TYPES)}."
            )
        body = await _read_body(receive)
        found = await asyncio.wrap_future(self._detections.submit(body))
        if _wants_annotation(headers.get("accept", "")):
            return _json(answer_in_form(self._answer_form, found))
        return _json(prediction_response(found))


async def _read_body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGoneError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        # A body that is a little too large is read to its end: many clients read only after sending
        # everything.
        if size > MAX_READ_BYTES or not message.get("more_body", False):
            break
    if size > MAX_BODY_BYTES:
        raise _RefusedError(400, f"The image is too large: more than {MAX_BODY_BYTES} bytes.")
    return b"".join(chunks)


def _wants_annotation(accept: str) -> bool:
    parts = [part.strip().lower() for part in accept.split(";")]
    return parts[0] == "application/json" and "annotation=1" in parts[1:]


def prediction_response(found: DetectedImage) -> dict[str, Any]:
    """Return the default form: ``[class id, score, xmin, ymin, xmax, ymax]`` with ratios of the image."""
    return {"prediction": [[float(value) for value in row] for row in found.rows]}


def annotation_response(found: DetectedImage) -> dict[str, Any]:
    """Return the form of ``Accept: application/json;annotation=1``: boxes in pixels and the image size."""
    annotations = []
    for class_id, score, xmin, ymin, xmax, ymax in found.rows.tolist():
        left, top = xmin * found.width, ymin * found.height
        annotations.append(
            {
                "class_id": int(class_id),
                "score": score,
                "left": left,
                "top": top,
                "width": xmax * found.width - left,
                "height": ymax * found.height - top,
            }
        )
    size = {"width": found.width, "height": found.height, "depth": found.depth}
    return {"image_size": [size], "annotations": annotations}


def answer_in_form(form: str, found: DetectedImage) -> dict[str, Any]:
    """Return the answer to ``annotation=1`` in one of the forms that the built-in algorithm is known to use.

    ``annotations`` is the documented one; ``predictions`` wraps it in a list of one, with the size as an
    object, as clients of live endpoints read it; ``prediction`` is the default form, ratios without a size.
    """
    if form == "prediction":
        return prediction_response(found)
    answer = annotation_response(found)
    if form == "predictions":
        return {"predictions": [{**answer, "image_size": answer["image_size"][0]}]}
    return answer


def _sentence(text: str) -> bytes:
    return _json({"message": text})


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
