"""Whether everybody can read what stands in a frame: box editor and other crowd elements, in both themes."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.review_desk.portal.contrast import LOW_CONTRAST
from tests.review_desk.portal.editor import Bench, Hand, box, plain_image
from tests.review_desk.portal.forms import form

both_themes = pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
LABELS = [f"class {number}" for number in range(1, 10)]
ELEMENTS = """
<crowd-alert type="error" dismissible>Mind the gap</crowd-alert>
<crowd-input name="word" label="Word" required></crowd-input>
<crowd-text-area name="essay" label="Essay" char-counter></crowd-text-area>
<crowd-checkbox name="sure" value="yes">Sure</crowd-checkbox>
<crowd-checkbox name="never" value="yes" disabled>Never</crowd-checkbox>
<crowd-radio-group><crowd-radio-button name="side" value="left">Left</crowd-radio-button></crowd-radio-group>
<crowd-slider name="much" min="1" max="10" value="3"></crowd-slider>
<crowd-button variant="normal">Normal</crowd-button> <crowd-button variant="link">Link</crowd-button>
<crowd-classifier name="category" header="The mood?" categories='["Positive", "Negative"]'>
  <classification-target>All is well</classification-target>
  <short-instructions>Read all of it.</short-instructions>
  <full-instructions header="The rules"><p>At length.</p></full-instructions>
  <worker-comment link-text="Say why" header="Why"></worker-comment>
</crowd-classifier>
<crowd-card><p>In a card</p></crowd-card>
<p><a href="https://example.org/page">More</a></p>
"""


def hard_to_read(frame: Any, least: int) -> list[str]:
    """Texts of too low a contrast, of at least ``least`` texts."""
    result = frame.evaluate(LOW_CONTRAST)
    assert result["seen"] >= least
    return list(result["found"])


@both_themes
def test_the_texts_of_the_box_editor_have_the_contrast_of_wcag_aa(browse, dark):
    places = [(40 + 120 * (index % 5), 60 + 160 * (index // 5)) for index in range(12)]
    models = [box([*LABELS, "strange"][index % 10], x, y, 80, 90) for index, (x, y) in enumerate(places)]
    with Bench(plain_image(640, 480), labels=LABELS, initial=models) as bench:
        hand = Hand.at(browse(dark=dark).page, bench)
        assert hard_to_read(hand.frame, 50) == []
        # Boxes of the person's own show their label on the colour of the class.
        for _ in models:
            hand.press("]", "ArrowRight")
        assert hard_to_read(hand.frame, 50) == []
        hand.press("Control+Enter")
        expect(hand.frame.get_by_role("alert")).to_contain_text("strange")
        assert hard_to_read(hand.frame, 50) == []
        hand.press("l")
        expect(hand.frame.get_by_role("listbox")).to_be_visible()
        assert hard_to_read(hand.frame, 60) == []
        hand.press("Escape", "k")
        expect(hand.frame.get_by_role("dialog", name="Mouse, touch and keys")).to_be_visible()
        assert hard_to_read(hand.frame, 80) == []
        hand.press("Escape")
        hand.frame.get_by_label("Nothing to label").click()
        expect(hand.frame.get_by_role("button", name="Keep them")).to_be_visible()
        assert hard_to_read(hand.frame, 50) == []


@both_themes
def test_the_texts_of_the_other_elements_have_the_contrast_of_wcag_aa(make_flow, open_frame, dark):
    flow = make_flow(form(ELEMENTS))
    flow.start()
    theme = "dark" if dark else "light"
    task = open_frame(flow.reviewer(), start={"theme": theme})
    root = task.frame.locator("html")
    expect(root).to_have_attribute("data-theme", theme)
    assert hard_to_read(root, 20) == []
    task.frame.locator("crowd-form").press("Control+Enter")
    task.frame.get_by_text("More").click()
    task.frame.get_by_text("Negative").click()
    expect(task.frame.locator(".crowd-notice")).to_be_visible()
    assert hard_to_read(root, 22) == []
    task.frame.get_by_role("button", name="View full instructions").click()
    assert hard_to_read(root, 23) == []
