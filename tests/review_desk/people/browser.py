"""A browser without a screen: keeps cookies, reads the CSRF token out of a page, sends its forms."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import httpx


class Browser(httpx.Client):
    """Follows no redirect, so that a test sees where it would go."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(base_url=url, timeout=30, follow_redirects=False, **options)

    def csrf(self, path: str) -> str:
        """The token in the form of this page."""
        return field(self.get(path).text, "csrf")

    def submit(
        self, path: str, *, page: str | None = None, headers: dict[str, str] | None = None, **fields: str
    ):
        """Open the page, fill in its form and send it."""
        data = {"csrf": self.csrf(page or path)} | fields
        return self.post(
            path, data=data, headers={"Origin": str(self.base_url).rstrip("/")} | (headers or {})
        )

    def sign_in(self, name: str, password: str, **fields: str) -> httpx.Response:
        return self.submit("/sign-in", name=name, password=password, **fields)

    @property
    def session(self) -> str | None:
        return self.cookies.get("desk_session")


def field(html: str, name: str) -> str:
    """The value of a form's field."""
    match = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert match, f"no field {name} in {html[:600]}"
    return unescape(match[1])


def problem(response: httpx.Response) -> str:
    """The sentence that the page shows about what went wrong."""
    match = re.search(r'<p class="notice bad"[^>]*>([^<]*)</p>', response.text)
    assert match, response.text[:2000]
    return unescape(match[1])
