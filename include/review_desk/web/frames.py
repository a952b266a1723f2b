"""The frame of a task: the rendered worker template as a document of its own, isolated from everything else.

``GET /frames/<task>`` and ``GET /frames/ahead/<loop>`` need the session cookie. What they answer is sandboxed
by its own Content-Security-Policy, even when it is opened outside the portal: an opaque origin, so no cookie,
no storage and no window of the desk; no requests other than for our own scripts and styles and the task's
images. The template talks to the portal by postMessage only (static/crowd/portal.js lists the messages).

Navigation of the frame to other hosts, which no policy of its own can forbid, is refused by the frame-src of
the portal's pages. No page can forbid WebRTC: with it a template could send the task's own content to another
host, but nothing of the session.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from include.review_desk.errors import DeskError, MissingTask, NotSignedIn
from include.review_desk.web.browser import signed_in_worker
from include.review_desk.work import tasks
from include.review_desk.worker_templates.engine import Crew

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.types import Scope

    from include.review_desk.context import Desk
    from include.review_desk.people.sessions import Worker
    from include.review_desk.worker_templates.rendering import Page

_STATIC = Path(__file__).parents[1] / "static"
_CROWD = "/static/crowd/"
_HEAD = (
    '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    f'<link rel="stylesheet" href="{_CROWD}crowd.css"><script src="{_CROWD}early.js"></script>'
    f'<script type="module" src="{_CROWD}main.js"></script>'
)
_WHOLE = re.compile(r"<(?:!doctype|html|head)\b", re.IGNORECASE)
_HEAD_PLACES = tuple(
    re.compile(rf"<{tag}\b[^<>]{{0,2000}}>", re.IGNORECASE) for tag in ("head", "html", "!doctype")
)
# The script's address as templates for Amazon A2I write it: any scheme, quotes and query.
_AWS_SCRIPT = re.compile(
    r"(<script\b[^<>]{0,2000}?\ssrc\s{0,20}=\s{0,20}[\"']?)\s{0,20}(?:https?:)?//assets\.crowd\.aws"
    r"/crowd-html-elements(?:-v2)?\.js(?:\?[^\"'\s>]{0,2000})?",
    re.IGNORECASE,
)
_HOST = re.compile(r"(?:[A-Za-z0-9.\-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")
# Sends the sentence to the portal, which shows it, since the frame itself may be hidden.
_TELL = 'parent.postMessage({desk:1,type:"problem",message:document.querySelector("p").textContent},"*")'


def routes(desk: Desk) -> list[Route | Mount]:
    """The frames, and the files that templates in them may load."""

    def task(request: Request, worker: Worker) -> Page:
        return tasks.render_task(desk, worker, request.path_params["task"])

    def ahead(request: Request, worker: Worker) -> Page:
        return tasks.render_ahead(desk, worker, request.path_params["loop"])

    return [
        Route("/frames/ahead/{loop}", _framed(desk, ahead)),
        Route("/frames/{task}", _framed(desk, task)),
        Mount(_CROWD.rstrip("/"), CrowdFiles(directory=_STATIC / "crowd")),
    ]


class CrowdFiles(StaticFiles):
    """The crowd elements. A document of opaque origin may load modules only where CORS allows it."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, revalidated each time so that modules of two versions never meet."""
        response = await super().get_response(path, scope)
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Cache-Control"] = "no-cache"
        return response


def document(page: str, link_faults: tuple[str, ...] = ()) -> str:
    """A rendered worker template as a document whose crowd elements are ours.

    A fragment is wrapped; a template that is a whole document stays one. The page tells ``link_faults``.
    """
    head = _HEAD
    if link_faults:
        head = f'<meta name="crowd-link-faults" content="{html.escape(" ".join(link_faults))}">{_HEAD}'
    page = _AWS_SCRIPT.sub(rf"\g<1>{_CROWD}crowd-html-elements.js", page)
    if not _WHOLE.match(page, _after_comments(page)):
        return f'<!doctype html><html lang="en"><head>{head}<title>Task</title></head><body>{page}'
    for place in _HEAD_PLACES:
        match = place.search(page)
        if match:
            whole = f"{page[: match.end()]}{head}{page[match.end() :]}"
            return whole if "<!doctype" in whole[:20_000].lower() else f"<!doctype html>{whole}"
    return page


def _after_comments(page: str) -> int:
    """Position of the first character that is neither space nor part of a comment."""
    position = 0
    while True:
        while position < len(page) and page[position].isspace():
            position += 1
        end = page.find("-->", position + 4) if page.startswith("<!--", position) else -1
        if end < 0:
            return position
        position = end + 3


def content_security_policy(desk: Desk, request: Request) -> str:
    """What a frame may load. Sources are named in full: 'self' is unreliable for an opaque origin."""
    files = " ".join(f"{origin}{_CROWD}" for origin in _own_origins(desk, request))
    images = " ".join(("data:", "blob:", *desk.config.image_origins))
    return "; ".join(
        (
            "sandbox allow-scripts allow-forms",
            "default-src 'none'",
            f"script-src {files} 'unsafe-inline'",
            f"style-src {files} 'unsafe-inline'",
            f"img-src {images}",
            f"media-src {images}",
            "connect-src 'none'",
            "form-action 'none'",
            "base-uri 'none'",
            "frame-ancestors 'self'",
        )
    )


def _own_origins(desk: Desk, request: Request) -> list[str]:
    """Origins the browser may have loaded this page from: the requested one and the public one."""
    public = urlsplit(desk.config.public_url)
    origins = [f"{public.scheme}://{public.netloc}"]
    host = request.headers.get("host", "")
    asked = f"{request.url.scheme}://{host}"
    if _HOST.fullmatch(host) and asked not in origins:
        origins.append(asked)
    return origins


def _framed(
    desk: Desk, render: Callable[[Request, Worker], Page]
) -> Callable[[Request], Awaitable[Response]]:
    def respond(request: Request) -> Response:
        try:
            page = render(request, signed_in_worker(desk, request))
            status, content = 200, document(page.html, page.link_faults)
        except DeskError as error:
            status, content = _refusal(error)
        headers = {
            "Content-Security-Policy": content_security_policy(desk, request),
            "Cache-Control": "no-store",
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-DNS-Prefetch-Control": "off",
        }
        # Lone UTF-16 surrogates cannot be encoded; a question mark replaces them.
        return HTMLResponse(content.encode("utf-8", "replace"), status, headers)

    async def endpoint(request: Request) -> Response:
        return await desk.rendering_threads.run(Crew.PAGES, respond, request)

    return endpoint


def _refusal(error: DeskError) -> tuple[int, str]:
    status = 401 if isinstance(error, NotSignedIn) else 404 if isinstance(error, MissingTask) else 409
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>No task</title>'
        f'<link rel="stylesheet" href="{_CROWD}crowd.css"></head>'
        f'<body><p class="crowd-notice">{html.escape(error.message)}</p><script>{_TELL}</script></body>'
    )
    return status, page
