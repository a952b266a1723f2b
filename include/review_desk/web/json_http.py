"""JSON requests and errors over HTTP: bodies with a limit, errors as ``{"error": "<one sentence>"}``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from include.http_limits.bodies import announced_bytes
from include.review_desk.errors import BodyTooLarge, DeskError, InvalidRequest, NotSignedIn, TooManyAttempts
from include.review_desk.strict_json import JsonFault, parse_json
from include.review_desk.web.http_status import http_status

if TYPE_CHECKING:
    from starlette.requests import Request


# As much is read of strangers' requests: a name and a password, or the few words of most requests.
SHORT_BODY_BYTES = 16 * 1024


def error_response(error: DeskError) -> JSONResponse:
    """An error as JSON, with its HTTP status."""
    headers = {}
    if isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": error.message}, status_code=http_status(error), headers=headers)


def is_short(request: Request) -> bool:
    """Whether the body is announced to be so short that it may be read before it is known whose it is."""
    if "transfer-encoding" in request.headers:
        return False
    return (announced_bytes(request.scope["headers"]) or 0) <= SHORT_BODY_BYTES


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """The request's body as it came; BodyTooLarge as soon as it passes ``max_bytes``, or says it will."""
    parts: list[bytes] = []
    size = announced_bytes(request.scope["headers"]) or 0
    if size <= max_bytes:
        size = 0
        async for part in request.stream():
            size += len(part)
            if size > max_bytes:
                break
            parts.append(part)
    if size > max_bytes:
        raise BodyTooLarge(f"The request is larger than the {max_bytes} bytes that are allowed.")
    return b"".join(parts)


def read_members(body: bytes) -> dict[str, Any]:
    """The JSON object in a request's body; an empty body is an empty object.

    Raises
    ------
    InvalidRequest
    """
    if not body:
        return {}
    try:
        members = parse_json(body)
    except JsonFault as fault:
        raise InvalidRequest(f"The request is not valid JSON: {fault}.") from None
    if not isinstance(members, dict):
        raise InvalidRequest("The request must be a JSON object.")
    return members


def text_of(members: dict[str, Any], name: str) -> str:
    """The required text ``name`` of a request, or InvalidRequest."""
    value = members.get(name)
    if not isinstance(value, str):
        raise InvalidRequest(f'The request must have a text "{name}".')
    return value
