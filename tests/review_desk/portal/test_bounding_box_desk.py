"""The project's own worker template at a real desk: what is drawn in the portal stands in output.json."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.review_desk.portal.editor import LABELS, MODEL, SIZE, Hand, box, plain_image
from tests.review_desk.portal.words import NO_CONNECTION, end_correcting
from tests.support.desk import BUCKET, TEMPLATE, Flow, Site
from tests.support.reviewer import Reviewer

# Small and in the corner, so that the middle is free at any zoom.
CORNER = box("WBC", 2.25, 2.5, 6.125, 5)
ZOOMS = {"fit": "f", "100 %": "z", "305 %": "z+++++"}
SIZES = {"1280x800": (1280, 800), "390x844": (390, 844)}
Point = tuple[float, float]


@pytest.fixture(scope="module")
def image(site: Site) -> str:
    """The address of an image in S3."""
    key = "images/grid.png"
    site.client("s3").put_object(Bucket=BUCKET, Key=key, Body=plain_image(640, 480), ContentType="image/png")
    return f"s3://{BUCKET}/{key}"


def at_work(site: Site, person: Reviewer, visit: Any) -> Hand:
    visit.sign_in(site, person).page.goto(site.url + "/work")
    return Hand.on_stage(visit.page)


def answer_of(flow: Flow, loop: str) -> Any:
    end_correcting(flow, loop)
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
    hand = Hand.on_stage(page)
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


def middle(hand: Hand) -> tuple[Point, Point]:
    """Two places of the screen around the middle of what is seen of the image, on no pixel's border."""
    hand.settle()
    left, top, right, bottom = hand.frame.evaluate(
        """() => {
          const root = document.querySelector("crowd-bounding-box").shadowRoot;
          const [image, stage] = [".bb-image", ".bb-stage"].map((name) => root.querySelector(name))
            .map((node) => node.getBoundingClientRect());
          return [Math.max(image.left, stage.left), Math.max(image.top, stage.top),
            Math.min(image.right, stage.right), Math.min(image.bottom, stage.bottom)];
        }"""
    )
    x, y = round((left + right) / 2 + hand.origin[0]), round((top + bottom) / 2 + hand.origin[1])
    return (x - 67, y - 46), (x + 66, y + 45)


def in_image(hand: Hand, place: Point) -> tuple[int, int]:
    """The image pixel's corner nearest to a place of the screen, by where the image is displayed."""
    (left, top), zoom = hand.on_screen(0, 0), hand.zoom()
    return round((place[0] - left) / zoom), round((place[1] - top) / zoom)


def between(hand: Hand, start: Point, end: Point, label: str = "RBC") -> dict[str, Any]:
    (x0, y0), (x1, y1) = in_image(hand, start), in_image(hand, end)
    return box(label, x0, y0, x1 - x0, y1 - y0)


def draw_by_mouse(hand: Hand) -> dict[str, Any]:
    """What the drawn box has to be in the answer."""
    start, end = middle(hand)
    expected = between(hand, start, end)
    hand.page.mouse.move(*start)
    hand.page.mouse.down()
    hand.page.mouse.move(*end, steps=3)
    hand.page.mouse.up()
    return expected


def draw_by_finger(hand: Hand) -> dict[str, Any]:
    start, end = middle(hand)
    expected = between(hand, start, end)
    hand.touch("touchStart", [start])
    hand.touch("touchMove", [(start[0] + 30, start[1] + 20)])
    hand.touch("touchMove", [end])
    hand.touch("touchEnd", [])
    return expected


def draw_by_keys(hand: Hand) -> dict[str, Any]:
    hand.press("n")
    shown = hand.frame.locator(".bb-box.bb-selected")
    expect(shown).to_have_count(1)
    hand.settle()
    sides = shown.evaluate(
        "(node) => { const r = node.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; }"
    )
    x, y = hand.origin
    made = between(hand, (sides[0] + x, sides[1] + y), (sides[2] + x, sides[3] + y), "Platelets")
    hand.press("ArrowRight", "ArrowDown", "Shift+ArrowLeft", "Alt+ArrowRight", "Alt+Shift+ArrowDown", "3")
    hand.press("Enter")
    moved = {"left": made["left"] - 9, "top": made["top"] + 1}
    return {**made, **moved, "width": made["width"] + 1, "height": made["height"] + 10}


DRAW = {"mouse": draw_by_mouse, "finger": draw_by_finger, "keys": draw_by_keys}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("means", DRAW)
def test_output_json_is_exact_at_three_zooms(site, browse, image, means, size):
    """One image after the other at another zoom each, saved by one key."""
    width, height = SIZES[size]
    flow = site.make_flow(TEMPLATE)
    loops = [flow.start(taskObject=image, labels=LABELS, initialValue=[CORNER]) for _ in ZOOMS]
    visit = browse(width=width, height=height, touch=means == "finger")
    at_work(site, flow.reviewer(), visit)
    stage = visit.page.locator("#stage iframe:not(.ahead)")
    expected, zooms = [], set()
    for keys in ZOOMS.values():
        hand, shown = Hand.on_stage(visit.page), stage.get_attribute("src")
        hand.press(*keys)
        zooms.add(round(hand.zoom(), 2))
        expected.append(DRAW[means](hand))
        hand.press("Control+Enter")
        expect(visit.page.locator(f'#stage iframe[src="{shown}"]')).to_have_count(0)
    assert len(zooms) == len(ZOOMS)
    answers = [answer_of(flow, loop) for loop in loops]
    changed = {"inputImageProperties": SIZE, "initialValueModified": True}
    assert answers == [{"boundingBoxes": [CORNER, drawn], **changed} for drawn in expected]


def test_boxes_outlive_a_lost_network_and_are_submitted_once(site, browse, image):
    """Submitted twice without a network, then the page is left and opened again: one answer, to the pixel."""
    flow = site.make_flow(TEMPLATE)
    loops = [flow.start(taskObject=image, labels=LABELS, initialValue=MODEL) for _ in range(2)]
    visit = browse(expected=NO_CONNECTION)
    hand, page = at_work(site, flow.reviewer(), visit), visit.page
    hand.press("z")
    hand.drag((300, 320), (380, 390))
    page.route("**/answer", lambda route: route.abort())
    hand.press("Control+Enter", "Control+Enter")
    expect(page.locator("#notices")).to_contain_text("Not saved yet")
    page.reload()
    expect(page.locator("#notices")).to_contain_text("Not saved yet")
    page.unroute("**/answer")
    page.get_by_role("button", name="Try now").click()
    expect(page.locator("#notices")).to_contain_text("is saved now")
    changed = [*MODEL, box("RBC", 300, 320, 80, 70)]
    expected = {"boundingBoxes": changed, "inputImageProperties": SIZE, "initialValueModified": True}
    assert answer_of(flow, loops[0]) == expected
    assert flow.status(loops[1]) == "InProgress"
