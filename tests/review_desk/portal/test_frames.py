"""The frame of a task: a document that has everything it needs and reaches nothing else."""

from __future__ import annotations

import http.client
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.review_desk.storage.links import SteadyLinks
from include.review_desk.web.frames import document
from include.review_desk.worker_templates.literals import LiteralError, read_literal
from tests.review_desk.portal.hostile import Outside, leaving_template, reaching_template
from tests.support.desk import BUCKET, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "/static/crowd/crowd-html-elements.js"


@pytest.fixture
def outside() -> Iterator[Outside]:
    server = Outside()
    yield server
    server.close()


def get(site: Site, path: str, token: str | None, **headers: str) -> tuple[int, str, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    cookie = {"Cookie": f"desk_session={token}"} if token else {}
    connection.request("GET", path, headers=cookie | headers)
    response = connection.getresponse()
    try:
        return response.status, response.read().decode(), response.headers
    finally:
        connection.close()


def policy(headers: http.client.HTTPMessage) -> dict[str, str]:
    [header] = headers.get_all("Content-Security-Policy") or []
    return {name: value for name, _, value in (part.strip().partition(" ") for part in header.split(";"))}


def image_address(page: str) -> str:
    found = re.search(r'src="(http[^"]+)"', page)
    assert found
    return found[1]


@pytest.mark.parametrize(
    "tag",
    [
        '<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>',
        "<script src='http://assets.crowd.aws/crowd-html-elements.js'></script>",
        "<script src=//assets.crowd.aws/crowd-html-elements.js></script>",
        '<SCRIPT async SRC = "HTTPS://assets.crowd.aws/crowd-html-elements.js?v=2&x=1" defer></SCRIPT>',
        '<script\n  type="text/javascript"\n  src="https://assets.crowd.aws/crowd-html-elements.js"\n></script>',
    ],
)
def test_the_address_of_aws_is_answered_by_our_elements(tag: str):
    page = document(f"{tag}<crowd-form></crowd-form>")
    assert OURS in page
    assert "assets.crowd.aws" not in page


def test_the_address_stays_where_it_is_text():
    text = "<p>https://assets.crowd.aws/crowd-html-elements.js</p>"
    assert text in document(text)


@pytest.mark.parametrize(
    ("template", "beginning"),
    [
        ("<p>x</p>", '<!doctype html><html lang="en"><head>'),
        ("<!DOCTYPE html>\n<html lang=de><head><title>T</title>", "<!DOCTYPE html>\n<html lang=de><head>"),
        ("<!-- old --><html><body>x", "<!doctype html><!-- old --><html>"),
        ("<!doctype html><p>x", "<!doctype html>"),
    ],
)
def test_a_fragment_becomes_a_document_and_a_document_stays_one(template: str, beginning: str):
    page = document(template)
    assert page.startswith(beginning + '<meta charset="utf-8">')
    assert page.lower().count("<!doctype") == page.lower().count("crowd.css") == 1


def test_a_frame_is_for_the_person_who_has_the_task(site: Site, flow: Any):
    flow.start()
    owner, other = flow.reviewer(), flow.reviewer()
    task = owner.next()
    path = f"/frames/{task['task']}"
    status, page, headers = get(site, path, owner.token)
    assert (status, headers["Cache-Control"], headers["X-Content-Type-Options"]) == (
        200,
        "no-store",
        "nosniff",
    )
    assert "crowd-bounding-box" in page
    assert get(site, path, None)[0] == 401
    assert get(site, path, other.token)[0] == 404
    assert get(site, "/frames/ahead/no-such-loop", owner.token)[0] == 404
    owner.decline(task)
    status, page, headers = get(site, path, owner.token)
    assert status == 409
    assert "declined" in page
    assert policy(headers)["sandbox"] == "allow-scripts allow-forms"


def test_the_policy_lets_in_our_files_and_the_images_alone(site: Site, flow: Any):
    flow.start()
    reviewer = flow.reviewer()
    path = f"/frames/{reviewer.next()['task']}"
    _, _, headers = get(site, path, reviewer.token)
    files = f"{site.url}/static/crowd/ 'unsafe-inline'"
    images = f"data: blob: http://127.0.0.1:{site.s3_port}"
    assert policy(headers) == {
        "sandbox": "allow-scripts allow-forms",
        "default-src": "'none'",
        "script-src": files,
        "style-src": files,
        "img-src": images,
        "media-src": images,
        "connect-src": "'none'",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'self'",
    }
    _, _, headers = get(site, path, reviewer.token, Host="review-desk:8443")
    assert "http://review-desk:8443/static/crowd/" in policy(headers)["script-src"]
    _, _, headers = get(site, path, reviewer.token, Host="x; script-src *")
    assert policy(headers)["script-src"] == files


def test_modules_for_an_opaque_origin_are_shared_and_nothing_else_is(site: Site):
    for path, shared in ((OURS, True), ("/static/crowd/main.js", True), ("/static/desk.css", False)):
        status, _, headers = get(site, path, None)
        assert (status, headers["Access-Control-Allow-Origin"]) == (200, "*" if shared else None)


def test_a_task_looked_at_ahead_has_the_same_links_when_it_is_taken(site: Site, flow: Any):
    flow.start()
    loop = flow.start(taskObject=f"s3://{BUCKET}/images/1.jpg")
    reviewer = flow.reviewer()
    reviewer.next()
    status, ahead = reviewer.call("/worker/tasks/ahead")
    assert (status, ahead["loop"]) == (200, loop)
    status, early, _ = get(site, ahead["frame"], reviewer.token)
    assert status == 200
    reviewer.answer(reviewer.next())
    task = reviewer.next()
    assert task["loop"] == loop
    _, page, _ = get(site, f"/frames/{task['task']}", reviewer.token)
    assert image_address(page) == image_address(early)


def test_links_are_repeated_while_they_live_long_enough():
    now, made = [0.0], []

    def presign(bucket: str, key: str, seconds: int) -> str:
        made.append(seconds)
        return f"{bucket}/{key}/{len(made)}"

    links = SteadyLinks(presign, slack_seconds=100, now=lambda: now[0])
    assert links("b", "k", 3600) == "b/k/1"
    now[0] = 99
    assert links("b", "k", 3600) == "b/k/1"
    now[0] = 101
    assert links("b", "k", 3600) == "b/k/2"
    assert links("b", "other", 3600) == "b/other/3"
    assert links("b", "k", 10_000) == "b/k/4"
    assert links("b", "k", 900_000) == links("b", "k", 900_000) == "b/k/5"
    assert made == [3700, 3700, 3700, 10_100, 604_800]


def test_a_hostile_template_reaches_neither_desk_nor_world(
    site: Site, make_flow: Any, open_frame: Any, outside: Outside
):
    flow = make_flow(reaching_template(outside.url))
    flow.start()
    reviewer = flow.reviewer()
    # What the browser refuses it also writes to the console.
    task = open_frame(reviewer, wait="loaded", expected=[""])
    outcomes = task.wait_for("draft")["draft"]["outcomes"]
    assert len(outcomes) > 30
    assert {name: outcome for name, outcome in outcomes.items() if outcome != "refused"} == {}
    assert outside.asked == []
    # Nothing left the page, nobody was signed out, and the task is still this person's.
    assert task.page.url.endswith("/test-portal")
    assert len(task.visit.context.pages) == 1
    assert reviewer.next()["task"] == task.task["task"]
    # The worker is told, and keeps what was entered; what the refused scripts had to add would be missing.
    assert task.frame.get_by_text("Left out: an image from 127.0.0.1").count()
    task.frame.get_by_label("Word").fill("still here")
    task.frame.locator("crowd-form").press("Control+Enter")
    assert "A script from 127.0.0.1" in task.wait_for("invalid")["message"]
    assert task.said("submit") == []
    assert task.frame.get_by_label("Word").input_value() == "still here"


def test_a_frame_cannot_be_led_elsewhere(site: Site, make_flow: Any, open_frame: Any, outside: Outside):
    for target in (f"{outside.url}/?secret", f"{site.url}/answers"):
        flow = make_flow(leaving_template(target))
        flow.start()
        task = open_frame(flow.reviewer(), wait=None, expected=[""])
        with task.page.expect_event("framenavigated", lambda frame: frame.parent_frame is not None):
            pass
        assert task.page.url.endswith("/test-portal")
        assert not task.frame.locator("body").get_by_text("My answers").count()
    assert outside.asked == []


LENIENT = [
    "['Cat', 'Dog',]",
    "[{left: 1, 'top': 2.5, label: 'it\\'s',},]",
    "[ -3, .5, 1e2, true, null, undefined ]",
    "{größe: 'ä', __proto__: 1, constructor: 2}",
    "['\\ud83e\\ude78', '🩸', '\\u00e9\\n']",
    '{"a": [1, {b: "c",},],}',
    "",
    "Cat",
    "[1 2]",
    "['a",
    "{a 1}",
    "{:1}",
    "[" * 100,
    "alert(1)",
    "[1]]",
    "[1];x",
    "[NaN]",
    "['a' + 'b']",
    "[1e999,]",
    "`x`",
]


def _lenient(value: Any) -> str:
    """A value as a template author might write it."""
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(value, list):
        return "[" + "".join(f"{_lenient(item)} , " for item in value) + "]"
    if isinstance(value, dict):
        return "{" + "".join(f"{_lenient(key)}: {_lenient(item)},\n" for key, item in value.items()) + "}"
    return json.dumps(value)


def test_page_and_desk_read_attributes_alike(site: Site, browse: Any):
    texts = list(LENIENT)
    plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
    values = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner))

    @given(values)
    @settings(max_examples=100, deadline=None, database=None)
    def write(value: Any) -> None:
        texts.append(_lenient(value))
        assert read_literal(texts[-1]) == value

    write()

    def read(text: str) -> Any:
        try:
            return {"value": read_literal(text)}
        except LiteralError:
            return "refused"

    visit = browse()
    visit.page.goto(f"{site.url}/sign-in")
    answers = visit.page.evaluate(
        """async (texts) => {
          const { parseLiteral, LiteralError } = await import("/static/crowd/literals.js");
          return texts.map((text) => {
            try { return JSON.stringify({ value: parseLiteral(text) }); }
            catch (error) { return JSON.stringify(error instanceof LiteralError ? "refused" : "crashed"); }
          });
        }""",
        texts,
    )
    assert [json.loads(answer) for answer in answers] == [read(text) for text in texts]
