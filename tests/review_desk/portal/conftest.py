"""A real browser at a real desk: Debian's Chromium through Playwright, no host but this one in reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.review_desk.portal.visits import (
    ARGUMENTS,
    CHROMIUM,
    HOST_PAGE,
    HOST_SCRIPT,
    PORTAL_POLICY,
    Contexts,
    Framed,
    Visit,
)
from tests.support.lanes import starts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.support.desk import Site
    from tests.support.reviewer import Reviewer


@pytest.fixture(scope="module")
@starts("browser")
def chromium() -> Iterator[Browser]:
    """One Chromium for a file; Playwright's event loop, which would stand in the way of asynchronous tests,
    ends with it."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: install Debian's chromium to run the browser tests.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def contexts(chromium: Browser) -> Contexts:
    """The contexts of a file's tests; Chromium closes them with itself."""
    return Contexts(chromium)


@pytest.fixture
def browse(contexts: Contexts) -> Iterator[Any]:
    """``browse(width=1280, height=800, dark=False, touch=False, clock=False, expected=[...]) -> Visit``.

    With ``clock`` the test turns the page's clock (``page.clock``). A console error or an uncaught exception
    that no pattern in ``expected`` fits fails the test.
    """
    visits: list[tuple[Visit, tuple[Any, ...], Any]] = []

    def open_visit(
        *,
        width: int = 1280,
        height: int = 800,
        dark: bool = False,
        touch: bool = False,
        clock: bool = False,
        expected: tuple[str, ...] | list[str] = (),
    ) -> Visit:
        options = (width, height, dark, touch)
        context, page = contexts.take(*options)
        visit = Visit(context, page, list(expected), spoiled=clock)
        listeners = {
            "console": lambda message: message.type == "error" and visit.errors.append(message.text),
            "weberror": lambda error: visit.errors.append(str(error.error)),
        }
        page.on("framenavigated", visit.arrived)
        for event, listener in listeners.items():
            context.on(event, listener)
        if clock:
            page.clock.install()
        visits.append((visit, options, listeners))
        return visit

    yield open_visit
    unexpected = [error for visit, _, _ in visits for error in visit.unexpected()]
    for visit, options, listeners in visits:
        contexts.give_back(visit, options)
        for event, listener in listeners.items():
            visit.context.remove_listener(event, listener)
        visit.page.remove_listener("framenavigated", visit.arrived)
    assert unexpected == [], "errors in the browser's console"


@pytest.fixture
def open_frame(site: Site, browse: Any) -> Any:
    """``open_frame(reviewer, start={...}, wait="ready", **browse options) -> Framed``."""

    def open_it(
        reviewer: Reviewer,
        *,
        start: dict[str, Any] | None = None,
        wait: str | None = "ready",
        src: str | None = None,
        **options: Any,
    ) -> Framed:
        task = reviewer.next()
        assert task is not None
        visit: Visit = browse(**options).sign_in(site, reviewer)
        visit.context.route(
            f"{site.url}/test-portal",
            lambda route: route.fulfill(
                body=HOST_PAGE,
                headers={"content-type": "text/html", "content-security-policy": PORTAL_POLICY},
            ),
        )
        visit.page.goto(f"{site.url}/test-portal")
        settings = {"src": src or f"/frames/{task['task']}", "start": start or {}}
        visit.page.evaluate(HOST_SCRIPT, settings)
        framed = Framed(visit, reviewer, task, visit.page.frame_locator("iframe"))
        if wait:
            framed.wait_for(wait)
        return framed

    return open_it
