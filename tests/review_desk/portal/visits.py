"""Pages in Chromium, and tasks in their frames."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Error as PlaywrightError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Frame, Page

    from tests.support.desk import Site
    from tests.support.reviewer import Reviewer

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


@dataclass
class Visit:
    """One browser context with one page, and what went wrong on it.

    ``expected`` holds regular expressions of console errors that the test provokes on purpose.
    """

    context: BrowserContext
    page: Page
    expected: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    # Its context cannot be used again.
    spoiled: bool = False
    origins: set[str] = field(default_factory=set)

    def arrived(self, frame: Frame) -> None:
        """Note whose storage a page of the visit may have written to."""
        if frame.parent_frame is None and frame.url.startswith("http"):
            self.origins.add("/".join(frame.url.split("/")[:3]))

    def sign_in(self, site: Site, reviewer: Reviewer) -> Visit:
        """Give the browser the session that ``reviewer`` holds already, and leave the page of another one:
        what that goes on asking would be refused."""
        self.page.goto("about:blank")
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


class Contexts:
    """Browser contexts by their options. One that is left clean serves again: its processes are warm."""

    def __init__(self, chromium: Browser) -> None:
        self._chromium = chromium
        self._free: dict[tuple[Any, ...], list[tuple[BrowserContext, Page]]] = {}

    def take(self, width: int, height: int, dark: bool, touch: bool) -> tuple[BrowserContext, Page]:
        free = self._free.get((width, height, dark, touch), [])
        if free:
            return free.pop()
        context = self._chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            has_touch=touch,
            is_mobile=touch,
            reduced_motion="reduce",
        )
        context.set_default_timeout(10_000)
        return context, context.new_page()

    def give_back(self, visit: Visit, options: tuple[Any, ...]) -> None:
        """Keep the context if nothing of the visit is left in it, else close it."""
        context, page = visit.context, visit.page
        if visit.spoiled or context.pages != [page]:
            context.close()
            return
        page.unroute_all()
        context.unroute_all()
        context.set_offline(False)
        context.clear_cookies()
        with contextlib.suppress(PlaywrightError):
            page.evaluate("() => sessionStorage.clear()")
        page.goto("about:blank")
        session = context.new_cdp_session(page)
        for origin in visit.origins:
            session.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "local_storage"})
        session.detach()
        self._free.setdefault(options, []).append((context, page))


# What the portal does for a frame, without its looks: starts it, keeps what it says.
HOST_PAGE = """<!doctype html><html><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><style>
html, body { margin: 0; height: 100% } iframe { border: 0; display: block; width: 100%; height: 100% }
</style></head><body><iframe sandbox="allow-scripts allow-forms" title="Task"></iframe></body></html>"""
HOST_SCRIPT = """(settings) => {
  window.said = [];
  const frame = document.querySelector("iframe");
  window.tell = (message) => frame.contentWindow.postMessage({ desk: 1, ...message }, "*");
  window.addEventListener("message", (event) => {
    if (event.source !== frame.contentWindow) return;
    window.said.push(event.data);
    if (event.data && event.data.type === "loaded") {
      window.tell({ type: "start", draft: null, answer: null, theme: "light", ...settings.start });
    }
  });
  frame.src = settings.src;
}"""
PORTAL_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; frame-src 'self'; connect-src 'self'"
)


@dataclass
class Framed:
    """A task in its frame, on a bare page of the desk's origin."""

    visit: Visit
    reviewer: Reviewer
    task: dict[str, Any]
    frame: Any

    @property
    def page(self) -> Page:
        return self.visit.page

    def said(self, kind: str) -> list[dict[str, Any]]:
        """All messages of one type so far."""
        messages: list[Any] = self.page.evaluate("window.said")
        return [message for message in messages if isinstance(message, dict) and message.get("type") == kind]

    def wait_for(self, kind: str, count: int = 1) -> dict[str, Any]:
        """The last message of a type, once there are ``count``."""
        self.page.wait_for_function(
            "([kind, count]) => window.said.filter((m) => m && m.type === kind).length >= count",
            arg=[kind, count],
        )
        return self.said(kind)[-1]

    def tell(self, kind: str, **members: Any) -> None:
        self.page.evaluate("(message) => window.tell(message)", {"type": kind, **members})

    def submit(self) -> dict[str, Any]:
        """Submit by keyboard, hand the answer to the desk, and return it."""
        before = len(self.said("submit"))
        self.frame.locator("crowd-form").press("Control+Enter")
        answer: dict[str, Any] = self.wait_for("submit", before + 1)["answer"]
        status, body = self.reviewer.call(
            f"/worker/tasks/{self.task['task']}/answer", {"answerContent": answer}
        )
        assert status == 200, body
        self.tell("accepted")
        return answer
