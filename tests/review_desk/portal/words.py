"""A flow that asks for a word about an image, people at it, and what they do on the task page."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select, update

from include.review_desk.storage import schema
from tests.review_desk.portal.pictures import drawn_image
from tests.support.desk import BUCKET, Flow, Site
from tests.support.reviewer import Reviewer
from tests.support.servers import wait_for

WORDS = """
<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>
<crowd-form>
  <p id="what">{{ task.input.labels[0] }}</p>
  <img src="{{ task.input.taskObject | grant_read_access }}" alt="The cells" width="160">
  <crowd-input name="word" label="Word" required></crowd-input>
</crowd-form>
"""
# Two cores may be busy with more than the browser.
expect.set_options(timeout=15_000)
NO_CONNECTION = ["ERR_FAILED", "ERR_INTERNET_DISCONNECTED", "Failed to load resource"]


@pytest.fixture(scope="module")
def image(site: Site) -> str:
    """The address of a drawn image in S3."""
    key = "images/drawn.png"
    site.client("s3").put_object(Bucket=BUCKET, Key=key, Body=drawn_image(), ContentType="image/png")
    return f"s3://{BUCKET}/{key}"


@pytest.fixture
def words(site: Site, image: str) -> Any:
    """``words(loops, **config)``: a flow that asks for a word, a person of its team, and its loops."""

    def make(loops: int = 1, **config: Any) -> tuple[Flow, Reviewer, list[str]]:
        flow = site.make_flow(WORDS, **config)
        person = flow.reviewer()
        names = [flow.start(taskObject=image, labels=[f"number {index}"]) for index in range(loops)]
        return flow, person, names

    return make


def at_work(browse: Any, site: Site, person: Reviewer, path: str = "/work", **options: Any) -> Any:
    """A browser in which the person has a task before them."""
    visit = browse(**options).sign_in(site, person)
    visit.page.goto(site.url + path)
    return visit


def frame(page: Page) -> Any:
    return page.frame_locator("#stage iframe:not(.ahead)")


def write(page: Page, word: str, number: int | None = None) -> None:
    if number is not None:
        expect(frame(page).locator("#what")).to_have_text(f"number {number}")
    frame(page).get_by_label("Word").fill(word)


def drafted(page: Page, word: str) -> None:
    """Wait until the browser has kept the draft."""
    page.wait_for_function("word => JSON.stringify(localStorage).includes(word)", arg=word)


def save(page: Page) -> None:
    frame(page).get_by_label("Word").press("Control+Enter")


def word_of(flow: Flow, loop: str) -> Any:
    end_correcting(flow, loop)
    answers = flow.output(loop)["humanAnswers"]
    assert len(answers) == 1
    return answers[0]["answerContent"]["word"]


def end_correcting(flow: Flow, loop: str) -> None:
    """Let the time pass in which the loop's answer can be corrected, and wait for its output.json."""
    loops, outbox = schema.human_loops, schema.outbox
    of_loop = outbox.c.loop_id == select(loops.c.id).where(loops.c.live_name == loop).scalar_subquery()

    def over() -> bool:
        with flow.site.database.write() as connection:
            connection.execute(
                update(outbox).where(of_loop, outbox.c.attempts == 0).values(next_attempt_ms=0)
            )
        return flow.status(loop) == "Completed"

    wait_for(over)


def task_of(person: Reviewer) -> str:
    return str((person.next() or {})["task"])
