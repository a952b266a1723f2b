"""A real browser at a real desk: Debian's Chromium through Playwright, no host but this one in reach."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

    from tests.review_desk.conftest import Reviewer, Site

CHROMIUM = Path("/usr/bin/chromium")
_ARGUMENTS = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One Chromium for the whole session."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: install Debian's chromium to run the browser tests.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=_ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """One browser context with one page, and what went wrong on it.

    ``expected`` holds regular expressions of console errors that the test provokes on purpose.
    """

    context: BrowserContext
    page: Page
    expected: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def sign_in(self, site: Site, reviewer: Reviewer) -> Visit:
        """Give the browser the session that ``reviewer`` holds already."""
        self.context.add_cookies(
            [
                {
                    "name": "desk_session",
                    "value": reviewer.token,
                    "url": site.url,
                    "httpOnly": True,
                    "sameSite": "Lax",
                }
            ]
        )
        return self

    def unexpected(self) -> list[str]:
        """Console errors and uncaught exceptions that the test did not announce."""
        return [
            error for error in self.errors if not any(re.search(pattern, error) for pattern in self.expected)
        ]


@pytest.fixture
def browse(chromium: Browser) -> Iterator[Any]:
    """``browse(width=1280, height=800, dark=False, touch=False, expected=[...]) -> Visit``.

    A console error or an uncaught exception that no pattern in ``expected`` fits fails the test.
    """
    visits: list[Visit] = []

    def open_visit(
        *,
        width: int = 1280,
        height: int = 800,
        dark: bool = False,
        touch: bool = False,
        expected: tuple[str, ...] | list[str] = (),
    ) -> Visit:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            has_touch=touch,
            is_mobile=touch,
            reduced_motion="reduce",
        )
        context.set_default_timeout(10_000)
        page = context.new_page()
        visit = Visit(context, page, list(expected))
        context.on(
            "console",
            lambda message: visit.errors.append(message.text) if message.type == "error" else None,
        )
        context.on("weberror", lambda error: visit.errors.append(str(error.error)))
        visits.append(visit)
        return visit

    yield open_visit
    unexpected = [error for visit in visits for error in visit.unexpected()]
    for visit in visits:
        visit.context.close()
    assert unexpected == [], "errors in the browser's console"
