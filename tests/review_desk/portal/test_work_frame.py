"""What the task page and the frame in it tell each other: images that fail, drafts, what a person prefers."""

from __future__ import annotations

import itertools
import time

import pytest
from playwright.sync_api import Route, expect

from tests.review_desk.portal.editor import LABELS, MODEL, Hand, plain_image
from tests.review_desk.portal.words import at_work, drafted, frame, image, save, words, write
from tests.support.desk import BUCKET, TEMPLATE, Flow, Site

__all__ = ["image", "words"]


@pytest.fixture
def boxes(site: Site) -> Flow:
    """A flow with the project's own template, and two images waiting."""
    flow = site.make_flow(TEMPLATE)
    for name in ("one", "two"):
        key = f"images/{flow.name}-{name}.png"
        site.client("s3").put_object(
            Bucket=BUCKET, Key=key, Body=plain_image(640, 480), ContentType="image/png"
        )
        flow.start(taskObject=f"s3://{BUCKET}/{key}", labels=LABELS, initialValue=MODEL)
    return flow


@pytest.mark.parametrize("width", [1280, 390])
def test_an_image_that_fails_hides_nothing_and_tried_again_all_goes_on(site, browse, boxes, width):
    visit = browse(width=width, expected=["ERR_FAILED", "CORS"]).sign_in(site, boxes.reviewer())
    page = visit.page
    asked = itertools.count()

    def fail_twice(route: Route) -> None:
        route.abort() if next(asked) < 2 else route.continue_()

    page.route("**/*-one.png?*", fail_twice)
    page.goto(f"{site.url}/work")
    notice = page.locator("#notices .notice")
    expect(notice).to_contain_text("did not load")
    heading = frame(page).get_by_role("heading", level=1)
    above, below = notice.bounding_box(), heading.bounding_box()
    assert above["y"] + above["height"] <= below["y"], "the notice covers the heading"
    assert page.locator("#stage iframe.ahead").count() == 0
    expect(frame(page).get_by_role("toolbar")).to_have_attribute("inert", "")
    frame(page).get_by_role("button", name="Try again").click()
    expect(page.locator("#stage iframe.ahead")).to_have_count(1)
    expect(notice).to_have_count(0)
    expect(frame(page).get_by_role("toolbar")).not_to_have_attribute("inert", "")


@pytest.mark.parametrize("width", [1600, 1280, 390])
def test_the_image_does_not_move_when_the_head_says_more(site, browse, boxes, width):
    """The number of waiting tasks and the elapsed time come when the person may be drawing already."""
    page = browse(width=width).sign_in(site, boxes.reviewer()).page
    late: list[Route] = []
    page.route("**/worker/queue", lambda route: late.append(route))
    with page.expect_request("**/worker/queue"):
        page.goto(f"{site.url}/work")
    Hand.on_stage(page)
    stage = page.locator("#stage")
    before = stage.bounding_box()
    late[0].continue_()
    expect(page.locator("#place")).to_contain_text("more waiting")
    expect(page.locator("#elapsed")).not_to_be_empty()
    assert stage.bounding_box() == before
    page.evaluate("for (const id of ['place', 'elapsed']) document.getElementById(id).textContent = ''")
    assert stage.bounding_box() == before


def test_what_was_changed_last_is_kept_when_the_page_is_hidden_or_left(site, browse, words):
    _, person, _ = words()
    page = at_work(browse, site, person, clock=True).page
    expect(frame(page).locator("#what")).to_be_visible()
    # Timers stand still: nothing but being asked makes the frame tell what follows its first change.
    page.clock.pause_at(time.time() + 60)
    write(page, "first")
    drafted(page, "first")
    for word, leave in (
        ("hidden", lambda: hide(page)),
        ("closed", lambda: page.evaluate("() => { window.dispatchEvent(new Event('pagehide')); }")),
        (
            "frame",
            lambda: frame(page).locator("html").evaluate("() => { dispatchEvent(new Event('pagehide')); }"),
        ),
    ):
        write(page, word)
        assert word not in page.evaluate("() => JSON.stringify(localStorage)")
        leave()
        drafted(page, word)


def hide(page) -> None:
    page.evaluate(
        """() => {
          Object.defineProperty(document, "visibilityState", { configurable: true, get: () => "hidden" });
          document.dispatchEvent(new Event("visibilitychange"));
          delete document.visibilityState;
        }"""
    )


def test_the_wheel_does_what_the_person_chose_also_at_the_next_image(site, browse, boxes):
    page = browse().sign_in(site, boxes.reviewer()).page
    page.goto(f"{site.url}/work")
    hand = Hand.on_stage(page)
    switch = frame(page).get_by_label("Plain wheel scrolls")
    hand.press("k")
    expect(switch).not_to_be_checked()
    switch.check()
    hand.press("Escape")
    page.wait_for_function("() => JSON.stringify(localStorage).includes('wheelZooms')")
    expect(page.locator("#stage iframe.ahead")).to_have_count(1)
    shown = page.locator("#stage iframe:not(.ahead)").get_attribute("src")
    hand.press("Control+Enter")
    expect(page.locator(f'#stage iframe[src="{shown}"]')).to_have_count(0)
    hand = Hand.on_stage(page)
    before, (left, top) = hand.zoom(), hand.on_screen(0, 0)
    page.mouse.move(left + 100, top + 100)
    page.mouse.wheel(0, 60)
    hand.settle()
    assert hand.zoom() == before
    assert hand.on_screen(0, 0)[1] < top
    hand.press("k")
    expect(switch).to_be_checked()


def test_what_one_person_prefers_is_not_anothers(site, browse, words):
    flow, person, _ = words(2)
    visit = at_work(browse, site, person)
    write(visit.page, "x")
    save(visit.page)
    keep = """async (value) => {
      const store = await import("/static/portal/store.js");
      if (value !== null) store.keepPreference("wheelZooms", value);
      return store.preferences();
    }"""
    assert visit.page.evaluate(keep, False) == {"wheelZooms": False}
    visit.page.reload()
    assert visit.page.evaluate(keep, None) == {"wheelZooms": False}
    visit.sign_in(site, flow.reviewer()).page.goto(f"{site.url}/work")
    assert visit.page.evaluate(keep, None) == {}
