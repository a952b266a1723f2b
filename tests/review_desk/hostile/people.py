"""Hostile requests to the worker API and the pages, made from the desk's own table of routes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.routing import Mount, Route

from include.review_desk.app import create_app
from include.review_desk.context import Desk
from include.review_desk.people.api_keys import ApiKeys
from include.review_desk.people.desk_key import DeskKey
from include.review_desk.web.browser import csrf_token
from tests.review_desk.hostile.models import Names
from tests.support.hostile.signing import Request
from tests.support.reviewer import box, boxes_answer

_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW")
_FORGED = ("x", "A" * 43, "é" * 20, "' OR 1=1 --", "%00", "x" * 9000, "eyJhbGciOiJub25lIn0.e30.", "null")


@dataclass(frozen=True)
class People:
    """Two people of different teams: each holds a task, the first has answered another."""

    names: Names
    victim_token: str
    victims_task: str
    victims_answered_task: str
    token: str
    task: str
    waiting_loop: str


@dataclass(frozen=True)
class Page:
    """One route and one of its methods."""

    path: str
    method: str

    @property
    def is_worker_api(self) -> bool:
        return self.path.startswith("/worker")

    def at(self, **values: str) -> str:
        path = self.path
        for name, value in values.items():
            path = path.replace("{" + name + "}", value)
        return path


def pages_of(desk: Desk) -> tuple[list[Page], list[str]]:
    """Every route of the desk with each of its methods, and the folders of files."""
    web: Any = create_app(desk, _no_keys(desk))
    # What is wrapped around the pages has no routes of its own.
    while not isinstance(web, Starlette):
        web = getattr(web, "_web", None) or web._app
    routes = web.routes
    pages = [
        Page(route.path, method)
        for route in routes
        if isinstance(route, Route)
        for method in sorted(route.methods or {"GET"})
        if method != "HEAD"
    ]
    return pages, [route.path for route in routes if isinstance(route, Mount)]


def _no_keys(desk: Desk) -> ApiKeys:
    return ApiKeys(desk.database, DeskKey(None), desk.clock)


def strangers(pages: list[Page], people: People, public: set[str]) -> Iterator[Request]:
    """Nobody, with no session or an invented one; public pages left out."""
    for page in pages:
        if page.method == "GET" and page.path in public:
            continue
        path = _of_victim(page, people)
        yield Request("no session", page.method, path, *_nothing(page))
        for token in _FORGED[:: 1 if "{task}" in page.path else 3]:
            body, headers = _nothing(page, csrf=csrf_token(token))
            if page.is_worker_api and "\u00e9" not in token:
                bearer = {"Authorization": f"Bearer {token}"}
                yield Request("forged token", page.method, path, body, headers | bearer)
            forged = {"Cookie": f"desk_session={token}", "X-CSRF-Token": csrf_token(token)}
            yield Request("forged cookie", page.method, path, body, headers | forged)


def without_csrf(pages: list[Page], people: People) -> Iterator[Request]:
    """A real session of the browser, but the request comes from another site's page."""
    cookie = {"Cookie": f"desk_session={people.token}"}
    for page in pages:
        # Signing in and joining have no session yet: a visitor's own token protects them.
        if page.method == "GET":
            continue
        path = page.at(
            task=people.task, loop=people.waiting_loop, name=people.names.flow, token="x", sha256="x"
        )
        for token in (
            None,
            "",
            "0" * 64,
            csrf_token(people.victim_token),
            "é",
            csrf_token(people.token).upper(),
        ):
            body, headers = _nothing(page, csrf=token)
            given = {} if token is None else {"X-CSRF-Token": token}
            yield Request("CSRF", page.method, path, body, headers | cookie | given)


def other_peoples_tasks(pages: list[Page], people: People) -> Iterator[Request]:
    """A real session that asks for what belongs to somebody else."""
    bearer = {"Authorization": f"Bearer {people.token}"}
    csrf = csrf_token(people.token)
    cookie = {"Cookie": f"desk_session={people.token}", "X-CSRF-Token": csrf}
    body = json.dumps({"answerContent": boxes_answer([box()]), "reason": "x"}).encode()
    junk = (
        "..%2f..",
        "%00",
        "a%00b",
        "%ff",
        "%ED%A0%80",
        "x" * 9000,
        "%2e%2e%2f",
        "'%20OR%201=1",
        "1",
        "null",
    )
    for page in pages:
        if "{task}" not in page.path and "{loop}" not in page.path:
            continue
        for task in (people.victims_task, people.victims_answered_task, *junk):
            path = page.at(task=task, loop=people.names.loop if task == people.victims_task else task)
            kind = "path trick" if task in junk else "other people's task"
            headers = bearer if page.is_worker_api else cookie
            yield Request(kind, page.method, path, body if page.method != "GET" else b"", headers)
    for page in pages:
        if page.path.startswith("/overview") and page.method == "POST":
            form = urlencode({"csrf": csrf, "team": people.names.team, "name": "eve"}).encode()
            form_type = {"Content-Type": "application/x-www-form-urlencoded"}
            yield Request("other people's team", "POST", page.path, form, cookie | form_type)


def bad_answers(people: People) -> Iterator[Request]:
    """The person's own task, but no answer that the template could give, or no JSON."""
    bearer = {"Authorization": f"Bearer {people.token}"}
    properties = {"inputImageProperties": {"width": 1, "height": 1}}
    values = [
        None,
        1,
        "x",
        [],
        {},
        {"x": 1},
        {"annotatedResult": None},
        {"annotatedResult": []},
        {"annotatedResult": {}},
        {"annotatedResult": {"boundingBoxes": {}} | properties},
        {"annotatedResult": {"boundingBoxes": [box()]}},
        {"annotatedResult": {"boundingBoxes": [box()], "inputImageProperties": {"width": 0, "height": -1}}},
        *(
            {"annotatedResult": {"boundingBoxes": [wrong]} | properties}
            for wrong in (
                None,
                1,
                [],
                {},
                box(left="1"),
                box(left=None),
                box(left=True),
                box(width=-1),
                box(label="other"),
                box(label=None),
                box(label=["RBC"]),
                box(left=[]),
            )
        ),
        {"annotatedResult": {"boundingBoxes": [box()] * 1001} | properties},
        boxes_answer([]) | {"note": "x" * 1_100_000},
    ]
    bodies = [json.dumps({"answerContent": value}).encode() for value in values]
    good = json.dumps({"answerContent": boxes_answer([])}).encode()
    bodies += [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\x00",
        b"\xff" + good,
        good[:-1],
        good.decode().encode("utf-16"),
        good.replace(b"240", b"NaN"),
        good.replace(b"240", b"1e400"),
        good.replace(b"240", b"9" * 5000),
        good.replace(b"inputImage", rb"\ud800"),
        good.replace(b"{", b'{"note": "\\u0000", ', 2),
        b'{"answerContent": ' + b"[" * 960 + b"]" * 960 + b"}",
        b"[" * 100_000,
        b" " * 2_000_000,
        b'{"answerContent": {"a": ' + b'{"a":' * 300 + b"1" + b"}" * 302,
    ]
    for body in bodies:
        yield Request("bad answer", "POST", f"/worker/tasks/{people.task}/answer", body, bearer)
        yield Request("bad answer", "PUT", f"/worker/tasks/{people.task}/answer", body, bearer)
    for body in (
        b"{",
        b"[1]",
        b'{"reason": 1}',
        b'{"reason": "\\u0000"}',
        b'{"reason": "\\ud800"}',
        b'{"reason": null}',
    ):
        yield Request("bad decline", "POST", f"/worker/tasks/{people.task}/decline", body, bearer)
    for body in (
        b"{",
        b"[]",
        b"{}",
        b'{"name": 1, "password": "x"}',
        b'{"name": "\\u0000", "password": "x"}',
        b'{"name": "x", "password": "\\ud800"}',
        b'{"name": "' + b"x" * 2_000_000 + b'", "password": "x"}',
        b'{"name": "nobody", "password": "wrong"}',
    ):
        yield Request("sign-in", "POST", "/worker/sessions", body)


def lost(pages: list[Page], folders: list[str], people: People) -> Iterator[Request]:
    """Wrong methods, and addresses that lead out of where one is."""
    methods: dict[str, set[str]] = {}
    for page in pages:
        methods.setdefault(page.path, set()).add(page.method)
    for path, known in methods.items():
        real = Page(path, "GET").at(
            task=people.task, loop=people.waiting_loop, name="x", token="x", sha256="x"
        )
        for method in _METHODS:
            if method not in known:
                yield Request("wrong method", method, real)
        yield Request("path trick", "GET", f"/{real}" if real != "/" else "//x")
        yield Request("path trick", "GET", real.rstrip("/") + "/%00")
        yield Request("path trick", "GET", real.rstrip("/") + "/" + "a/" * 4000)
    tricks = (
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "..%5capp.py",
        "%00",
        "desk.css%00.html",
        "//etc/passwd",
        "%2fetc%2fpasswd",
        "....//app.py",
        "x" * 5000,
        "%ff",
        "..%252fapp.py",
        "..",
        "%",
    )
    for folder in (*folders, "/flows", "/loops", "/templates", "/join", "/nothing"):
        for trick in tricks:
            yield Request("path trick", "GET", f"{folder}/{trick}")


def _of_victim(page: Page, people: People) -> str:
    return page.at(
        task=people.victims_task, loop=people.waiting_loop, name=people.names.flow, token="x", sha256="x"
    )


def _nothing(page: Page, csrf: str | None = None) -> tuple[bytes, dict[str, str]]:
    """A body that the route could take."""
    if page.method == "GET":
        return b"", {}
    if page.is_worker_api:
        return json.dumps({"answerContent": boxes_answer([]), "reason": "x"}).encode(), {}
    form = {"name": "x", "password": "wrong password", "old": "x"} | ({} if csrf is None else {"csrf": csrf})
    return urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
