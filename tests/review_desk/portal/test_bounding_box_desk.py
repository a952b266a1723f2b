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


@pytest.fixture
def task(site: Site, image: str) -> tuple[Flow, Reviewer, str]:
    """A flow, a person of its team and a loop with the model's boxes."""
    flow = site.make_flow(TEMPLATE)
    person = flow.reviewer()
    return flow, person, flow.start(taskObject=image, labels=LABELS, initialValue=MODEL)


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


@pytest.mark.parametrize("touch", [False, True], ids=["mouse 1280x800", "finger 390x844"])
def test_draw_reload_draw_on_and_submit(site, browse, task, touch):
    flow, person, loop = task
    visit = browse(width=390, height=844, touch=True) if touch else browse()
    hand = at_work(site, person, visit)
    draw = hand.touch_drag if touch else hand.drag
    hand.press("z")
    draw((300, 320), (380, 390))
    hand.press("3")
    drawn = hand.boxes()[-1]
    visit.page.wait_for_function("() => JSON.stringify(localStorage).includes('Platelets')")
    visit.page.reload()
    hand = on_stage(visit.page)
    draw = hand.touch_drag if touch else hand.drag
    expect(hand.frame.locator(".bb-model")).to_have_count(2)
    hand.press("z", "]", "ArrowRight", "]", "Escape", "1")
    draw((230, 100), (290, 180))
    expected = [
        box("RBC", 101, 80, 60, 50),
        MODEL[1],
        box("Platelets", 300, 320, 80, 70),
        box("RBC", 230, 100, 60, 80),
    ]
    assert drawn == expected[2]
    hand.press("Control+Enter")
    assert answer_of(flow, loop) == {
        "boundingBoxes": expected,
        "inputImageProperties": SIZE,
        "initialValueModified": True,
    }


def test_the_models_boxes_confirmed_by_one_key(site, browse, task):
    flow, person, loop = task
    hand = at_work(site, person, browse())
    hand.press("Control+Enter")
    assert answer_of(flow, loop) == {
        "boundingBoxes": MODEL,
        "inputImageProperties": SIZE,
        "initialValueModified": False,
    }
