"""Pages from templates: Jinja2 with escaping on, everything a page shows passed in by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from include.review_desk.clock import as_datetime
from include.review_desk.web import browser

if TYPE_CHECKING:
    from starlette.requests import Request

    from include.review_desk.people.sessions import Worker

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters["moment"] = as_datetime


def page(
    template: str, *, request: Request, worker: Worker | None = None, status: int = 200, **values: Any
) -> HTMLResponse:
    """Render ``templates/<template>``; it also knows ``worker`` (or None) and ``csrf``."""
    token = browser.session_token(request)
    html = _environment.get_template(template).render(
        worker=worker, csrf=browser.csrf_token(token) if token else "", path=request.url.path, **values
    )
    return HTMLResponse(html, status_code=status, headers={"Cache-Control": "no-store"})
