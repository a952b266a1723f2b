"""Reading the forms of pages: a few short fields, in UTF-8."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from include.http_limits.bodies import announced_bytes
from include.review_desk.errors import InvalidRequest

if TYPE_CHECKING:
    from starlette.requests import Request

# Room for a name and a password, every byte of them escaped. Strangers send forms, too.
_MAX_BYTES = 16 * 1024
_MAX_FIELDS = 50


async def read_form(request: Request) -> dict[str, str]:
    """The fields of an ``application/x-www-form-urlencoded`` request; of a repeated one the last.

    Raises
    ------
    InvalidRequest
        Another kind of body, one that is too large, or one that is not UTF-8.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise InvalidRequest("The request must be a form (application/x-www-form-urlencoded).")
    if (announced_bytes(request.scope["headers"]) or 0) > _MAX_BYTES:
        raise _too_large()
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BYTES:
            raise _too_large()
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS
        )
    except ValueError:
        raise InvalidRequest("The form is damaged: go back, reload the page and try again.") from None
    return dict(pairs)


def _too_large() -> InvalidRequest:
    return InvalidRequest(f"The form is larger than the {_MAX_BYTES} bytes that are allowed.")


def local_path(text: str | None) -> str:
    """Where to go after signing in: a path of the desk, ``/`` for anything that could lead elsewhere."""
    if (
        not text
        or len(text) > 2000
        or not text.startswith("/")
        or text.startswith("//")
        or "\\" in text
        or not (text.isascii() and text.isprintable())
        or text.split("?")[0].startswith(("/sign-in", "/sign-out", "/join/", "/oidc/"))
    ):
        return "/"
    return text
