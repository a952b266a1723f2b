"""Each crowd element, used in a browser: what the worker enters is what lands in output.json."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.review_desk.portal.forms import form, landed
from tests.review_desk.portal.pictures import drawn_image
from tests.support.desk import BUCKET

if TYPE_CHECKING:
    from tests.support.desk import Site

STYLES = Path(__file__).parents[3] / "include/review_desk/static/crowd/crowd.css"


def test_texts(make_flow: Any, open_frame: Any):
    flow = make_flow(
        form(
            """<crowd-input name="tag1" label="First word" required></crowd-input>
               <crowd-input name="tag2" label="Second word"></crowd-input>
               <crowd-input name="number" label="Number" auto-validate allowed-pattern="[0-9]" max-length="4"
                 min-length="2" error-message="Two to four digits"></crowd-input>
               <crowd-input name="fixed" label="Fixed" value="not sent" disabled></crowd-input>
               <crowd-text-area name="essay" label="Essay" rows="3" value="Once"></crowd-text-area>"""
        )
    )
    loop = flow.start()
    task = open_frame(flow.reviewer())
    number = task.frame.get_by_label("Number")
    task.frame.locator("crowd-form").press("Control+Enter")
    assert task.wait_for("invalid")["message"] == "First word: fill this in."
    assert task.frame.get_by_role("alert").inner_text() == "First word: fill this in."
    task.frame.get_by_label("First word").fill("blue")
    number.press_sequentially("1x")
    assert number.input_value() == "1"
    task.frame.locator("crowd-form").press("Control+Enter")
    assert task.wait_for("invalid", 2)["message"] == "Number: Two to four digits"
    number.press_sequentially("23456")
    task.frame.get_by_label("Essay").fill("Two\nlines")
    task.submit()
    assert landed(flow, loop) == {"tag1": "blue", "number": "1234", "essay": "Two\nlines"}


def test_choices_sliders_and_native_fields(make_flow: Any, open_frame: Any):
    flow = make_flow(
        form(
            """<crowd-checkbox name="image" value="blurry">Blurry</crowd-checkbox>
               <crowd-checkbox name="image" value="dim" checked>Too dim</crowd-checkbox>
               <crowd-checkbox name="found" required>Found</crowd-checkbox>
               <crowd-radio-group>
                 <crowd-radio-button name="btn1" value="yes">Yes</crowd-radio-button>
                 <crowd-radio-button name="btn2" value="no" checked>No</crowd-radio-button>
                 <crowd-radio-button name="btn3">Perhaps</crowd-radio-button>
               </crowd-radio-group>
               <crowd-slider name="much" min="1" max="10" step="1" pin="true" value="3"></crowd-slider>
               <crowd-slider name="part" min="0" max="1" step="0.1" editable></crowd-slider>
               <label>Native <input name="native" value="as it is"></label>
               <label><input type="radio" name="side" value="left">Left</label>
               <label><input type="radio" name="side" value="right">Right</label>
               <select name="pick"><option>a</option><option value="b" selected>B</option></select>"""
        )
    )
    loop = flow.start()
    task = open_frame(flow.reviewer())
    task.frame.get_by_role("checkbox", name="Blurry").check()
    task.frame.get_by_text("Yes", exact=True).click()
    assert not task.frame.get_by_role("radio", name="No").is_checked()
    task.frame.get_by_role("radio", name="Yes").press("ArrowUp")
    assert task.frame.get_by_role("radio", name="Perhaps").is_checked()
    task.frame.get_by_label("much", exact=True).press("ArrowRight")
    task.frame.get_by_label("part, exactly").fill("0.7")
    task.frame.get_by_label("Left").check()
    task.frame.locator("crowd-form").press("Control+Enter")
    assert task.wait_for("invalid")["message"] == "“Found” must be ticked."
    task.frame.get_by_role("checkbox", name="Found").check()
    task.submit()
    assert landed(flow, loop) == {
        "image": {"blurry": True, "dim": True},
        "found": {"on": True},
        "btn1": {"yes": False},
        "btn2": {"no": False},
        "btn3": {"on": True},
        "much": 4,
        "part": 0.7,
        "native": "as it is",
        "side": {"left": True, "right": False},
        "pick": "b",
    }


IMAGE_CLASSIFIER = """<crowd-image-classifier name="category" header="Which is it?"
  src="{{ task.input.taskObject | grant_read_access }}" categories="['Cat', 'Dog', 'None of the above',]"
  overlay='{"boundingBox": {labels: ["cell"], value: [{height: 9, label: "a", left: 5, top: 6, width: 4}]},}'>
  <short-instructions><p>Look closely.</p></short-instructions>
  <full-instructions header="The rules"><p>At length.</p></full-instructions>
  <worker-comment link-text="Say why" header="Why"><p>Tell us why.</p></worker-comment>
</crowd-image-classifier>"""


def test_an_image_is_classified_by_keyboard_after_a_reload(site: Site, make_flow: Any, open_frame: Any):
    site.client("s3").put_object(Bucket=BUCKET, Key="c.png", Body=drawn_image(), ContentType="image/png")
    flow = make_flow(form(IMAGE_CLASSIFIER))
    loop = flow.start(taskObject=f"s3://{BUCKET}/c.png")
    reviewer = flow.reviewer()
    task = open_frame(reviewer)
    task.frame.get_by_role("button", name="View full instructions").click()
    assert task.frame.get_by_role("dialog", name="The rules").is_visible()
    assert task.frame.get_by_text("At length.").is_visible()
    task.page.keyboard.press("Escape")
    assert not task.frame.get_by_text("At length.").is_visible()
    assert task.frame.locator("svg.over rect").count() == 2
    task.frame.locator("crowd-form").press("Control+Enter")
    assert task.wait_for("invalid")["message"] == "Choose a category."
    task.page.keyboard.press("2")
    task.frame.get_by_text("Say why").click()
    task.frame.get_by_label("Why").fill("It barks")
    draft = task.wait_for("draft")["draft"]
    task.page.wait_for_function("() => JSON.stringify(window.said).includes('It barks')")
    draft = task.said("draft")[-1]["draft"]
    again = open_frame(reviewer, start={"draft": draft})
    assert again.frame.get_by_label("Dog").is_checked()
    again.submit()
    answer = landed(flow, loop)
    assert answer == {"category": {"label": "Dog", "workerComment": "It barks"}}


def test_a_text_is_classified_and_an_earlier_answer_corrected(make_flow: Any, open_frame: Any):
    flow = make_flow(
        form(
            """<crowd-classifier name="category" header="The mood?" categories='["Positive", "Negative"]'>
                 <classification-target>{{ task.input.text }}</classification-target>
                 <short-instructions>Read all of it.</short-instructions>
               </crowd-classifier>
               <crowd-checkbox name="sure" value="yes">Sure</crowd-checkbox>"""
        )
    )
    loop = flow.start(text="All is well")
    earlier = {"category": {"label": "Negative"}, "sure": {"yes": True}}
    task = open_frame(flow.reviewer(), start={"answer": earlier}, width=360, height=740, touch=True)
    assert task.frame.get_by_text("All is well").is_visible()
    assert task.frame.get_by_label("Negative").is_checked()
    assert task.frame.locator("html").evaluate("node => node.scrollWidth <= node.clientWidth")
    task.frame.get_by_text("Positive").tap()
    task.submit()
    assert landed(flow, loop) == {"category": {"label": "Positive"}, "sure": {"yes": True}}


def test_template_scripts_meet_the_form_they_know(make_flow: Any, open_frame: Any):
    flow = make_flow(
        form(
            """<crowd-input name="word" label="Word" value="first"></crowd-input>
               <input type="hidden" name="seen" value="">
               <crowd-button form-action="reset" variant="normal">Start over</crowd-button>
               <crowd-button form-action="submit">Send</crowd-button>"""
        )
        + """<script>
          let refusals = 0;
          document.addEventListener("all-crowd-elements-ready", () => { document.title = "elements ready"; });
          document.querySelector("crowd-form").onsubmit = (event) => {
            const field = document.querySelector("crowd-input");
            if (field._submittableValue === "first") { event.preventDefault(); refusals += 1; }
            else if (field.value === "later") {
              event.preventDefault();
              setTimeout(() => document.querySelector("crowd-form").submit(), 0);
            }
            document.querySelector("[name=seen]").value = "refused " + refusals;
          };
        </script>"""
    )
    loop = flow.start()
    task = open_frame(flow.reviewer())
    send, word = task.frame.get_by_role("button", name="Send"), task.frame.get_by_label("Word")
    assert task.frame.locator("html").evaluate("() => document.title") == "elements ready"
    assert task.frame.get_by_role("button", name="Submit").count() == 0
    send.click()
    assert task.said("submit") == []
    word.fill("second")
    task.frame.get_by_role("button", name="Start over").click()
    assert word.input_value() == "first"
    word.fill("later")
    send.click()
    assert task.wait_for("submit")["answer"] == {"word": "later", "seen": "refused 1"}
    # Until the portal says what became of it, the same answer is not submitted again.
    assert send.is_disabled()
    task.frame.locator("crowd-form").press("Control+Enter")
    task.tell("submit")
    task.tell("refused", message="The network is away.")
    task.frame.get_by_text("The network is away.").wait_for()
    assert len(task.said("submit")) == 1
    word.fill("third")
    assert task.submit() == {"word": "third", "seen": "refused 1"}
    assert landed(flow, loop) == {"word": "third", "seen": "refused 1"}


def test_unknown_elements_outside_scripts_and_links_get_a_plain_notice(make_flow: Any, open_frame: Any):
    flow = make_flow(
        '<script src="https://code.example.org/jquery.js"></script>'
        + form(
            """<crowd-alert type="warning" dismissible>Mind the gap</crowd-alert>
               <crowd-card><p>In a card</p></crowd-card>
               <crowd-entity-annotation name="entities"></crowd-entity-annotation>
               <a href="https://example.org/page">More</a>
               <crowd-input name="word" label="Word"></crowd-input>"""
        )
    )
    flow.start()
    task = open_frame(flow.reviewer(), expected=["Content Security Policy", "ERR_"])
    task.frame.get_by_text("Left out: a script from code.example.org").wait_for()
    note = task.frame.get_by_role("note")
    assert (
        note.first.inner_text()
        == "<crowd-card> is not known to the Review Desk: its content is shown as it is."
    )
    assert task.frame.get_by_text("In a card").is_visible()
    task.frame.get_by_text("More").click()
    assert task.frame.get_by_text("The address is https://example.org/page").is_visible()
    task.frame.get_by_role("alert").get_by_role("button", name="Close").click()
    assert task.frame.get_by_text("Mind the gap").count() == 0
    # An answer would lack what the unknown element asks for.
    task.frame.locator("crowd-form").press("Control+Enter")
    assert "crowd-entity-annotation" in task.wait_for("invalid")["message"]


def test_where_nothing_is_required_nothing_entered_is_an_answer(make_flow: Any, open_frame: Any):
    flow = make_flow(form('<crowd-input name="word" label="Word"></crowd-input>'))
    loop = flow.start()
    open_frame(flow.reviewer()).submit()
    assert landed(flow, loop) == {}


def test_shortcuts_and_themes(make_flow: Any, open_frame: Any):
    flow = make_flow(form('<crowd-input name="word" label="Word"></crowd-input>'))
    flow.start()
    task = open_frame(flow.reviewer(), dark=True, start={"theme": "light"})
    background = "node => getComputedStyle(node).backgroundColor"
    assert task.frame.locator("body").evaluate(background) == "rgb(255, 255, 255)"
    task.tell("theme", theme="dark")
    task.frame.locator("html[data-theme=dark]").wait_for()
    assert task.frame.locator("body").evaluate(background) == "rgb(20, 24, 30)"
    task.tell("shown")
    task.page.wait_for_function("() => document.activeElement.localName === 'iframe'")
    task.frame.get_by_label("Word").press_sequentially("px?")
    assert task.said("shortcut") == []
    for key, name in (("p", "pause"), ("x", "decline"), ("?", "help")):
        task.frame.locator("crowd-form").press(key)
        assert task.wait_for("shortcut")["name"] == name


def test_opened_by_itself_a_task_says_so_and_keeps_what_is_typed(site: Site, make_flow: Any, browse: Any):
    flow = make_flow(form('<crowd-input name="word" label="Word"></crowd-input>'))
    flow.start()
    reviewer = flow.reviewer()
    page = browse().sign_in(site, reviewer).page
    page.goto(f"{site.url}/frames/{reviewer.next()['task']}")
    page.get_by_text("Opened on its own:").wait_for()
    page.get_by_label("Word").fill("kept")
    page.get_by_role("button", name="Submit").click()
    page.get_by_text("Not sent: this page is open outside the Review Desk.").wait_for()
    assert page.get_by_label("Word").input_value() == "kept"


def luminance(color: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_both_themes_have_the_contrast_that_wcag_aa_asks_for():
    blocks = re.findall(r":root[^{]*\{([^}]*--crowd-ink[^}]*)\}", STYLES.read_text("utf-8"))
    themes = [dict(re.findall(r"--crowd-([\w-]+): (#[0-9a-f]{6})", block)) for block in blocks]
    light, by_system, by_choice = themes
    assert by_system == by_choice
    for theme in (light, by_choice):
        for text in ("ink", "soft", "accent", "good", "busy", "bad"):
            for ground in ("paper", "shade"):
                assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground)
        assert contrast(theme["on-accent"], theme["accent"]) >= 4.5
        for edge in ("edge", "focus"):
            assert contrast(theme[edge], theme["paper"]) >= 3, edge
