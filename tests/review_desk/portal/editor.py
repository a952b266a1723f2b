"""What the browser tests of the box editor share: a page that plays the portal, and a hand that draws.

``Bench`` serves the crowd elements as the desk does, in a sandboxed frame of an opaque origin, and around it
a page that speaks the portal's side of the messages. ``Hand`` works on the image in image pixels; where these
are on the screen it reads from the displayed image itself, not from the editor's own arithmetic.
"""

from __future__ import annotations

import html
import io
import json
import threading
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from playwright.sync_api import CDPSession, Frame, Locator, Page

STATIC = Path(__file__).resolve().parents[3] / "include/review_desk/static"
LABELS = ["RBC", "WBC", "Platelets"]
_TYPES = {".js": "text/javascript", ".css": "text/css"}

_PORTAL = """<!doctype html><meta charset="utf-8"><title>Portal</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>
html, body { margin: 0; height: 100%%; }
iframe { display: block; width: 100%%; height: 100%%; border: 0; }
</style>
<iframe sandbox="allow-scripts allow-forms" src="/frame"></iframe>
<script>
const frame = document.querySelector("iframe");
window.seen = [];
const answer = %s;
window.tell = (message) => frame.contentWindow.postMessage({ desk: 1, ...message }, "*");
window.addEventListener("message", ({ source, data }) => {
  if (source !== frame.contentWindow) return;
  window.seen.push(data);
  if (data.type === "draft") localStorage.setItem("draft", JSON.stringify(data.draft));
  const kept = JSON.parse(localStorage.getItem("draft"));
  if (data.type === "loaded") window.tell({ type: "start", draft: kept, answer });
  if (data.type === "ready") window.tell({ type: "shown" });
  if (data.type === "submit") window.tell({ type: "accepted" });
});
</script>"""

_FRAME = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="/static/crowd/crowd.css"><script src="/static/crowd/early.js"></script>
<script src="/static/crowd/crowd-html-elements.js"></script>
<crowd-form><crowd-bounding-box name="annotatedResult" src="%s" header="Check the boxes" labels="%s"%s>
<full-instructions header="How to"><p>One tight box for every object.</p></full-instructions>
<short-instructions><p>One tight box for every object, with the right label.</p></short-instructions>
</crowd-bounding-box></crowd-form>"""


def plain_image(width: int, height: int) -> bytes:
    """A PNG with a grid, so that a person who looks sees where a box is."""
    image = Image.new("RGB", (width, height), "#c9b8c4")
    draw = ImageDraw.Draw(image)
    for x in range(0, width, 50):
        draw.line([(x, 0), (x, height)], fill="#a08aa0")
    for y in range(0, height, 50):
        draw.line([(0, y), (width, y)], fill="#a08aa0")
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def turned_jpeg(width: int, height: int) -> bytes:
    """A JPEG of ``width`` x ``height`` whose EXIF asks for a turn by 90 degrees."""
    image = Image.open(io.BytesIO(plain_image(width, height)))
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    image.save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def box(label: str, left: float, top: float, width: float, height: float) -> dict[str, Any]:
    """A box as A2I writes it."""
    return {"height": height, "label": label, "left": left, "top": top, "width": width}


# On an image of this size, what the model has drawn.
SIZE = {"height": 480, "width": 640}
MODEL = [box("RBC", 100, 80, 60, 50), box("WBC", 300, 200, 90, 100)]


@dataclass
class Bench:
    """A server of one task; ``labels`` and ``initial`` go into attributes as JSON, texts as they are.

    ``answer``: what the portal has for correction; ``failures``: so often the image does not come.
    """

    image: bytes
    labels: Any = field(default_factory=lambda: list(LABELS))
    initial: Any = None
    image_path: str = "/image.png"
    cors: bool = True
    failures: int = 0
    answer: dict[str, Any] | None = None

    def __enter__(self) -> Bench:
        bench = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, kind, body, cors = bench._answer(self.path.partition("?")[0])
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                if cors:
                    self.send_header("Access-Control-Allow-Origin", "*")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"

    def _answer(self, path: str) -> tuple[int, str, bytes, bool]:
        if path == "/":
            return 200, "text/html", (_PORTAL % json.dumps(self.answer)).encode(), False
        if path == "/frame":
            return 200, "text/html; charset=utf-8", self._frame().encode(), False
        if path == self.image_path:
            if self.failures > 0:
                self.failures -= 1
                return 503, "text/plain", b"away", True
            kind = "image/jpeg" if path.endswith(".jpg") else "image/png"
            return 200, kind, self.image, self.cors
        asset = (STATIC / path.removeprefix("/static/")).resolve()
        if path.startswith("/static/") and asset.is_relative_to(STATIC) and asset.is_file():
            return 200, _TYPES.get(asset.suffix, "application/octet-stream"), asset.read_bytes(), True
        return 404, "text/plain", b"", False

    def _frame(self) -> str:
        labels = self.labels if isinstance(self.labels, str) else json.dumps(self.labels)
        initial = ""
        if self.initial is not None:
            text = self.initial if isinstance(self.initial, str) else json.dumps(self.initial)
            initial = f' initial-value="{html.escape(text)}"'
        return _FRAME % (self.image_path, html.escape(labels), initial)


class Hand:
    """Somebody at the editor: all places are in image pixels."""

    def __init__(self, page: Page, frame: Frame, origin: tuple[float, float] = (0, 0)) -> None:
        """``origin`` is where the frame begins in the page."""
        self.page, self.frame, self.origin = page, frame, origin

    @classmethod
    def at(cls, page: Page, bench: Bench, *, wait: str = "ready") -> Hand:
        """Open the bench's task and wait for a message of the frame."""
        page.goto(bench.url)
        hand = cls(page, next(frame for frame in page.frames if frame.parent_frame is not None))
        hand.wait_for(wait)
        if wait == "ready":
            frame_focused = "() => document.activeElement?.localName === 'crowd-bounding-box'"
            hand.frame.wait_for_function(frame_focused)
        return hand

    @classmethod
    def on_stage(cls, page: Page) -> Hand:
        """At the task that the portal shows, once its image is there and has the focus."""
        element = page.wait_for_selector("#stage iframe:not(.ahead)")
        frame = element.content_frame() if element else None
        assert frame
        frame.wait_for_selector("crowd-bounding-box .bb-model")
        frame.wait_for_function("() => document.activeElement?.localName === 'crowd-bounding-box'")
        left, top = element.evaluate(
            "(node) => { const r = node.getBoundingClientRect(); return [r.left, r.top]; }"
        )
        return cls(page, frame, (left, top))

    def wait_for(self, kind: str) -> dict[str, Any]:
        """The first message of this kind from the frame."""
        found = self.page.wait_for_function(
            "kind => window.seen.find((item) => item.type === kind)", arg=kind
        )
        return dict(found.json_value())

    def said(self) -> list[dict[str, Any]]:
        """All messages of the frame so far."""
        return list(self.page.evaluate("() => window.seen"))

    @cached_property
    def image(self) -> Locator:
        return self.frame.locator(".bb-image")

    @cached_property
    def cdp(self) -> CDPSession:
        return self.page.context.new_cdp_session(self.page)

    def settle(self) -> None:
        """Wait until what was asked for is on the screen."""
        self.frame.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def zoom(self) -> float:
        """Screen pixels per image pixel, as displayed."""
        self.settle()
        width = self.image.evaluate("(image) => image.getBoundingClientRect().width / image.offsetWidth")
        return float(width)

    def on_screen(self, x: float, y: float) -> tuple[float, float]:
        self.settle()
        left, top = self.corner(".bb-image")
        zoom = self.zoom()
        return left + x * zoom, top + y * zoom

    def corner(self, selector: str) -> tuple[float, float]:
        """The upper left corner of an element, in the page."""
        left, top = self.frame.locator(selector).evaluate(
            "(node) => { const { left, top } = node.getBoundingClientRect(); return [left, top]; }"
        )
        return float(left) + self.origin[0], float(top) + self.origin[1]

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press at ``start``, move in two steps, release at ``end``, with the mouse."""
        here, there = self.on_screen(*start), self.on_screen(*end)
        self.page.mouse.move(*here)
        self.page.mouse.down()
        self.page.mouse.move((here[0] + there[0]) / 2, (here[1] + there[1]) / 2)
        self.page.mouse.move(*there)
        self.page.mouse.up()

    def click(self, x: float, y: float) -> None:
        self.page.mouse.click(*self.on_screen(x, y))

    def touch_drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """The same with one finger."""
        here, there = self.on_screen(*start), self.on_screen(*end)
        half = ((here[0] + there[0]) / 2, (here[1] + there[1]) / 2)
        self.touch("touchStart", [here])
        self.touch("touchMove", [half])
        self.touch("touchMove", [there])
        self.touch("touchEnd", [])

    def tap(self, x: float, y: float) -> None:
        self.touch("touchStart", [self.on_screen(x, y)])
        self.touch("touchEnd", [])

    def touch(self, kind: str, points: list[tuple[float, float]]) -> None:
        """One touch event with fingers at these places of the screen."""
        fingers = [{"x": x, "y": y, "id": index} for index, (x, y) in enumerate(points)]
        self.cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    def value(self) -> dict[str, Any]:
        """What the element would submit now."""
        return dict(self.frame.evaluate("() => document.querySelector('crowd-bounding-box').value"))

    def boxes(self) -> list[dict[str, Any]]:
        return list(self.value()["boundingBoxes"])

    def submit(self) -> dict[str, Any]:
        """Submit with Ctrl+Enter; what the portal got for the element."""
        self.press("Control+Enter")
        return dict(self.wait_for("submit")["answer"]["annotatedResult"])
