"""The project's own worker template at a real desk: what is drawn in the portal stands in output.json."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.review_desk.conftest import BUCKET, TEMPLATE, Flow, Reviewer, Site
from tests.review_desk.portal.editor import LABELS, Hand, box, plain_image

SIZE = {"height": 480, "width": 640}
MODEL = [box("RBC", 100, 80, 60, 50), box("WBC", 300, 200, 90, 100)]


@pytest.fixture(scope="module")
def image(site: Site) -> str:
    """The address of an image in S3."""
    key = "images/grid.png"
    site.client("s3").put_object(Bucket=BUCKET, Key=key, Body=plain_image(640, 480), ContentType="image/png")
    return f"s3://{BUCKET}/{key}"


def at_work(site: Site, person: Reviewer, visit: Any) -> Hand:
    visit.sign_in(site, person).page.goto(site.url + "/work")
    return on_stage(visit.page)


def on_stage(page: Any) -> Hand:
    """The hand at the task that is shown."""
    element = page.wait_for_selector("#stage iframe:not(.ahead)")
    frame = element.content_frame()
    frame.wait_for_selector("crowd-bounding-box .bb-model")
    frame.wait_for_function("() => document.activeElement?.localName === 'crowd-bounding-box'")
    left, top = element.evaluate(
        "(node) => { const r = node.getBoundingClientRect(); return [r.left, r.top]; }"
    )
    return Hand(page, frame, (left, top))


def answer_of(flow: Flow, loop: str) -> Any:
    flow.ended(loop)
    [answer] = flow.output(loop)["humanAnswers"]
    return answer["answerContent"]["annotatedResult"]


def draw_in_two_sittings(hand: Hand, touch: bool) -> Hand:
    """Draw a box, reload the page, move the model's first box and draw another."""
    page = hand.page
    hand.press("z")
    (hand.touch_drag if touch else hand.drag)((300, 320), (380, 390))
    hand.press("3")
    page.wait_for_function("() => JSON.stringify(localStorage).includes('Platelets')")
    page.reload()
    hand = on_stage(page)
    expect(hand.frame.locator(".bb-model")).to_have_count(2)
    hand.press("z", "]", "ArrowRight", "Escape", "1")
    (hand.touch_drag if touch else hand.drag)((230, 100), (290, 180))
    return hand


def test_what_is_drawn_in_the_portal_stands_in_output_json(site, browse, image):
    """By mouse at 1280 x 800, by finger at 390 x 844, and confirmed by one key; each in a flow of its own."""
    flows = [site.make_flow(TEMPLATE) for _ in range(3)]
    loops = [flow.start(taskObject=image, labels=LABELS, initialValue=MODEL) for flow in flows]
    visits = [browse(), browse(width=390, height=844, touch=True), browse()]
    for index, (flow, visit) in enumerate(zip(flows, visits, strict=True)):
        hand = at_work(site, flow.reviewer(), visit)
        if index < 2:
            hand = draw_in_two_sittings(hand, touch=index == 1)
        hand.press("Control+Enter")
        expect(visit.page.locator("#stage iframe:not(.ahead)")).to_have_count(0)
    drawn = [
        box("RBC", 101, 80, 60, 50),
        MODEL[1],
        box("Platelets", 300, 320, 80, 70),
        box("RBC", 230, 100, 60, 80),
    ]
    answers = [answer_of(flow, loop) for flow, loop in zip(flows, loops, strict=True)]
    changed = {"boundingBoxes": drawn, "inputImageProperties": SIZE, "initialValueModified": True}
    confirmed = {"boundingBoxes": MODEL, "inputImageProperties": SIZE, "initialValueModified": False}
    assert answers == [changed, changed, confirmed]
