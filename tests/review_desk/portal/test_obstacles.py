"""No answer is lost in silence: what would lack something is refused in one sentence, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from include.review_desk.worker_templates.crowd import kind_of
from include.review_desk.worker_templates.rendering import NO_LINK
from tests.review_desk.portal.forms import form, landed
from tests.review_desk.portal.pictures import drawn_image
from tests.review_desk.portal.visits import Framed
from tests.review_desk.portal.words import at_work, drafted, frame, word_of
from tests.review_desk.test_without_links import renderer
from tests.support.desk import BUCKET, Site, unique

WORD = '<crowd-input name="word" label="Word"></crowd-input>'
LINK = "{{ task.input.taskObject | grant_read_access }}"
GONE = f"s3://{BUCKET}/not/there.png"
# What the browser says of what it refuses, and of what is not there.
NOISE = [""]


@pytest.fixture(scope="module")
def picture(site: Site) -> str:
    key = f"images/{unique('seen')}.png"
    site.client("s3").put_object(Bucket=BUCKET, Key=key, Body=drawn_image(), ContentType="image/png")
    return f"s3://{BUCKET}/{key}"


@pytest.fixture
def show(make_flow: Any, open_frame: Any) -> Any:
    """``show(template, **input) -> Framed``, once the frame's script runs and the page has loaded."""

    def show_it(template: str, **members: Any) -> Framed:
        flow = make_flow(template)
        loop = flow.start(**members)
        task: Framed = open_frame(flow.reviewer(), wait="loaded", expected=NOISE)
        task.page.wait_for_function("() => window.said.some((m) => ['ready', 'problem'].includes(m?.type))")
        task.flow, task.loop = flow, loop
        return task

    return show_it


def refusal(task: Framed) -> str:
    """The sentence that the person reads when they submit; nothing was sent."""
    before = len(task.said("invalid"))
    task.frame.locator("crowd-form").press("Control+Enter")
    message = task.wait_for("invalid", before + 1)["message"]
    expect(task.frame.get_by_role("alert").first).to_have_text(message)
    assert task.said("submit") == []
    return str(message)


MODERATION = f"""<crowd-rekognition-detect-moderation-labels categories="[{{name: 'a', parentName: ''}}]"
  src="{LINK}" header="Which of them?"><short-instructions><p>Look.</p></short-instructions>
  </crowd-rekognition-detect-moderation-labels>"""
DOCUMENT = f"""<crowd-textract-analyze-document src="{LINK}" initial-value="[]" keys="[]" no-key-edit
  block-types="['KEY_VALUE_SET']"><full-instructions></full-instructions></crowd-textract-analyze-document>"""


@pytest.mark.parametrize("element", [MODERATION, DOCUMENT])
def test_an_element_of_aws_that_the_desk_does_not_have_is_shown_and_refused(
    show: Any, picture: str, element: str
):
    task = show(form(element), taskObject=picture)
    tag = element.split()[0] + ">"
    assert refusal(task) == (
        f"{tag} is not known to the Review Desk, so your answer would be incomplete: decline this task."
    )
    assert task.wait_for("problem")["message"].startswith(tag)
    shown = task.frame.get_by_role("img", name="What this task is about")
    shown.wait_for()
    assert shown.evaluate("image => image.decode().then(() => image.naturalWidth > 0)")


def test_an_unknown_element_shows_its_heading_its_text_and_a_link_where_it_is_no_picture(show: Any):
    task = show(
        form(f'<crowd-cloud name="x" header="Cars" text="Seven of them" src="{LINK}"></crowd-cloud>'),
        taskObject=f"s3://{BUCKET}/images/1.jpg",
    )
    element = task.frame.locator("crowd-cloud")
    expect(element.get_by_role("heading")).to_have_text("Cars")
    expect(element.get_by_text("Seven of them")).to_be_visible()
    # Its bytes are no image.
    element.get_by_role("link", name="/images/1.jpg").click()
    expect(task.frame.locator(".crowd-notice")).to_contain_text("X-Amz-Signature")


LOST = "so what you enter there would be lost: decline this task."


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("<crowd-mystery></crowd-mystery>", "<crowd-mystery> is not known to the Review Desk"),
        ('<crowd-mystery name="m"></crowd-mystery>', "<crowd-mystery> is not known to the Review Desk"),
        (
            "<crowd-input label='A'></crowd-input>",
            f"<crowd-input> has no name in the worker template, {LOST}",
        ),
        ("<crowd-text-area name=''></crowd-text-area>", "<crowd-text-area> has no name"),
        (
            "<crowd-radio-group name='verdict'><crowd-radio-button value='yes'>Yes</crowd-radio-button>"
            "</crowd-radio-group>",
            "<crowd-radio-button> has no name",
        ),
        ("<label>Why <textarea></textarea></label>", f"“Why” has no name in the worker template, {LOST}"),
        ("</crowd-form><crowd-slider name='s'></crowd-slider>", "<crowd-slider> is outside of the form"),
    ],
)
def test_what_nobody_would_collect_is_not_submitted(show: Any, content: str, sentence: str):
    assert refusal(show(form(WORD + content))).startswith(sentence)


FAILING = "<script>document.querySelector('crowd-form').onsubmit = () => { uuid(); };</script>"


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (
            '<script src="https://cdn.example.org/uuid.js"></script>' + FAILING,
            "A script from cdn.example.org did not",
        ),
        ('<script src="/static/crowd/not-there.js"></script>', "A script from 127.0.0.1:"),
        (
            '<script type="module" src="https://cdn.example.org/a.js"></script>',
            "A script from cdn.example.org did not",
        ),
        (
            "<script>fetch('https://data.example.org/text').catch(() => {})</script>",
            "A script of this task could not load",
        ),
        (
            "<script>document.querySelector('#none').value = 1;</script>",
            "A script of this task failed while the page",
        ),
        (
            "<script>(async () => { await null; nothing(); })()</script>",
            "A script of this task failed while the page",
        ),
        (
            "<script>document.addEventListener('all-crowd-elements-ready', () => { nothing(); })</script>",
            "A script of this task failed while the page loaded (ReferenceError: nothing is not defined)",
        ),
        (FAILING, "A script of this task failed when you submitted (ReferenceError: uuid is not defined)"),
        (
            "<script>document.querySelector('crowd-form').onsubmit = async () => { uuid(); };</script>",
            "A script of this task failed when you submitted (ReferenceError: uuid is not defined)",
        ),
    ],
)
def test_a_script_that_was_refused_or_failed_refuses_the_answer(show: Any, script: str, sentence: str):
    task = show(form(WORD + '<input type="hidden" name="boxes" value="[]">') + script)
    task.frame.get_by_label("Word").fill("kept")
    assert refusal(task).startswith(sentence)
    assert task.frame.get_by_label("Word").input_value() == "kept"
    assert task.wait_for("draft")["draft"]["fields"]["word"] == ["kept"]


def test_an_answer_that_the_scripts_can_take_is_sent_after_one_that_they_could_not(show: Any):
    task = show(
        form(WORD) + "<script>document.querySelector('crowd-form').onsubmit = () => {"
        "document.querySelector('crowd-input').value.match(/[0-9]+/)[0]; };</script>"
    )
    assert "failed when you submitted (TypeError" in refusal(task)
    task.frame.get_by_label("Word").fill("7")
    assert task.submit() == {"word": "7"}


def test_only_the_person_can_tell_whether_a_later_failure_matters(show: Any):
    task = show(
        form(WORD + "<button type='button' onclick='preview()'>Preview</button>")
        + "<script>addEventListener('message', (event) => event.data === 'tick' && tick());</script>"
    )
    task.frame.locator("html").evaluate(
        "() => new Promise(function ask(done) { crowdEarly.loaded ? done() : setTimeout(ask, 20, done); })"
    )
    task.frame.get_by_role("button", name="Preview").click()
    sentence = "A script of this task failed (ReferenceError: preview is not defined)"
    assert task.wait_for("problem")["message"].startswith(sentence)
    assert refusal(task).startswith(sentence)
    assert refusal(task).startswith(sentence)
    anyway = task.frame.get_by_role("button", name="Submit anyway")
    expect(anyway).to_be_focused()
    task.frame.get_by_label("Word").fill("complete")
    # The same failure again is known; another is not.
    task.frame.get_by_role("button", name="Preview").click()
    assert refusal(task).startswith(sentence)
    anyway.click()
    assert task.wait_for("submit")["answer"] == {"word": "complete"}
    task.tell("refused", message="Not now.")
    task.frame.locator("html").evaluate("() => window.postMessage('tick', '*')")
    task.page.wait_for_function("() => window.said.some((m) => m.message?.includes('tick is not defined'))")
    task.frame.locator("crowd-form").press("Control+Enter")
    assert "tick is not defined" in task.wait_for("invalid", 4)["message"]
    assert len(task.said("submit")) == 1


CLASSIFIER = (
    '<crowd-image-classifier name="c" src="{src}" categories="[\'a\', \'b\']" overlay="{overlay}">'
    "<short-instructions>Look.</short-instructions></crowd-image-classifier>"
)
MASK = "{'semanticSegmentation': {'src': '%s'}}"
TEXT = (
    "<crowd-classifier name='c' categories=\"['a', 'b']\"><classification-target>{}</classification-target>"
    "</crowd-classifier>"
)
NO_IMAGE = "An image of this task did not load: load the page again or decline this task."


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (f'<img src="{LINK}">', NO_IMAGE),
        ('<img src="{{ task.input.nothing }}" alt="">', NO_IMAGE),
        ('<img src="https://pictures.example.org/a.png">', NO_IMAGE),
        (f'<svg width="9" height="9"><image href="{LINK}" width="9" height="9"/></svg>', NO_IMAGE),
        (f'<video controls src="{LINK}"></video>', "A video of this task did not load"),
        (
            f'<audio controls><source src="{LINK}" type="audio/mpeg"></audio>',
            "A sound recording of this task",
        ),
        (f'<iframe src="{LINK}"></iframe>', "An embedded page of this task did not load"),
        (f'<object data="{LINK}" type="application/pdf"></object>', "An embedded page of this task"),
        (CLASSIFIER.format(src=LINK, overlay=""), "The image did not load. Try again, or decline the task."),
        (
            CLASSIFIER.format(src="data:image/gif;base64,R0lGODlhAQABAAAAACw=", overlay=""),
            "The image did not load.",
        ),
        (
            TEXT.format("<p>{{ task.input.text }}</p>"),
            "There is nothing to classify in this task: decline it.",
        ),
    ],
)
def test_what_cannot_be_seen_is_not_judged(show: Any, content: str, sentence: str):
    task = show(form(WORD + content), taskObject=GONE)
    for choice in task.frame.get_by_role("radio", name="a").all():
        choice.check()
    assert refusal(task).startswith(sentence)


def test_an_overlay_that_does_not_load_is_missed_like_the_image(show: Any, picture: str):
    overlay = MASK % "{{ task.input.mask | grant_read_access }}"
    task = show(form(CLASSIFIER.format(src=LINK, overlay=overlay)), taskObject=picture, mask=GONE)
    task.frame.get_by_role("radio", name="a").check()
    task.frame.get_by_text("The overlay of this task did not load.").wait_for()
    assert refusal(task).startswith("The overlay of this task did not load.")


HARMLESS = """
<link rel="stylesheet" href="https://styles.example.org/a.css">
<script type="text/template"><img src="<%= nothing %>"></script>
<crowd-form>
  <short-instructions>See <img src="https://assets.crowd.aws/images/correct.png">
    <video src="https://assets.crowd.aws/a.mp4"></video></short-instructions>
  <crowd-instructions><positive-example><img src="{link}"></positive-example></crowd-instructions>
  <crowd-card heading="A card"><crowd-badge icon="star"></crowd-badge></crowd-card>
  <crowd-icon-button icon="help" name="help"></crowd-icon-button><crowd-icon-set></crowd-icon-set>
  <crowd-toast>Well done</crowd-toast>
  <img id="preview"><img src="{link}" onerror="this.onerror = null; this.src = '{fallback}'">
  <video id="empty"></video><iframe src="about:blank"></iframe><iframe srcdoc="<p>Note</p>"></iframe>
  <input id="search" placeholder="read by the script"><textarea readonly>Fixed</textarea>
  <crowd-input name="word" label="Word"></crowd-input>
  <crowd-checkbox name="off" disabled>Not asked</crowd-checkbox><crowd-mystery disabled></crowd-mystery>
  <div style="height: 9000px" id="tall"></div><img loading="lazy" src="{seen}">
</crowd-form>
<script>
  const tall = document.getElementById("tall");
  let turns = 0;
  new ResizeObserver(() => { if (turns++ < 3) tall.style.width = `${100 + turns}px`; }).observe(tall);
  document.getElementById("empty").play();
  document.querySelector("crowd-form").onsubmit = () => document.getElementById("search").value;
</script>"""


def test_what_is_missing_without_harm_hinders_nobody(show: Any, picture: str):
    pixel = "data:image/svg+xml,<svg xmlns=%22http://www.w3.org/2000/svg%22 viewBox=%220 0 1 1%22></svg>"
    template = HARMLESS.replace("{fallback}", pixel).replace("{link}", LINK)
    template = template.replace("{seen}", "{{ task.input.seen | grant_read_access }}")
    task = show(template, taskObject=GONE, seen=picture)
    task.wait_for("ready")
    task.frame.get_by_label("Word").fill("fine")
    assert task.submit() == {"word": "fine"}
    assert landed(task.flow, task.loop) == {"word": "fine"}
    assert task.said("problem") == []


def test_an_image_that_is_still_on_its_way_is_waited_for(
    site: Site, make_flow: Any, browse: Any, picture: str
):
    flow = make_flow(form(f'{WORD}<img src="{LINK}">'))
    loop = flow.start(taskObject=picture)
    visit = browse().sign_in(site, flow.reviewer())
    held: list[Any] = []
    visit.page.route(f"**/{picture.rpartition('/')[2]}?*", lambda route: held.append(route))
    # The load event of the frame waits for the image.
    visit.page.goto(f"{site.url}/work", wait_until="commit")
    frame(visit.page).get_by_label("Word").fill("early")
    frame(visit.page).locator("crowd-form").press("Control+Enter")
    expect(frame(visit.page).get_by_role("alert")).to_have_text(
        "An image of this task is still loading: wait a moment."
    )
    held[0].continue_()
    expect(visit.page.locator("#notices .notice.bad")).to_have_count(0)
    frame(visit.page).locator("img").evaluate("image => image.decode()")
    frame(visit.page).locator("crowd-form").press("Control+Enter")
    assert word_of(flow, loop) == "early"


def test_the_person_is_told_keeps_the_draft_and_has_ways_on(site: Site, make_flow: Any, browse: Any):
    flow = make_flow(form(f'{WORD}<img src="{LINK}">'))
    key = f"images/{unique('late')}.png"
    loop = flow.start(taskObject=f"s3://{BUCKET}/{key}")
    page = at_work(browse, site, flow.reviewer(), expected=NOISE).page
    told = page.locator("#notices .notice.bad")
    expect(told).to_contain_text(NO_IMAGE)
    expect(told.get_by_role("button", name="Decline…")).to_be_visible()
    frame(page).get_by_label("Word").fill("drawn with care")
    drafted(page, "drawn with care")
    frame(page).locator("crowd-form").press("Control+Enter")
    expect(frame(page).get_by_role("alert")).to_have_text(NO_IMAGE)
    assert flow.status(loop) == "InProgress"
    site.client("s3").put_object(Bucket=BUCKET, Key=key, Body=drawn_image(), ContentType="image/png")
    told.get_by_role("button", name="Load again").click()
    expect(told).to_have_count(0)
    expect(frame(page).get_by_label("Word")).to_have_value("drawn with care")
    frame(page).locator("crowd-form").press("Control+Enter")
    assert word_of(flow, loop) == "drawn with care"


def test_a_page_whose_links_could_not_be_signed_says_why(show: Any):
    # As web/frames.py writes it; tests/review_desk/test_without_links.py has a desk without credentials.
    [told] = renderer().page(f"<img src='{LINK}'>", {"taskObject": "s3://mine/a.png"}).link_faults
    task = show(f'<meta name="crowd-link-faults" content="{told}">' + form(f"{WORD}<img src='{NO_LINK}'>"))
    expect(task.frame.locator(".crowd-notice")).to_have_text(f"Images are missing: {told}")
    assert refusal(task) == NO_IMAGE


def test_page_and_desk_know_the_same_elements(site: Site, browse: Any):
    tags = [f"crowd-{name}" for name in _DOCUMENTED.split()] + ["crowd-iconset", "crowd-cards", "crowd-"]
    visit = browse()
    visit.page.goto(f"{site.url}/sign-in")
    kinds = visit.page.evaluate(
        """async (tags) => {
          const { kindOf } = await import("/static/crowd/kinds.js");
          return tags.map(kindOf);
        }""",
        tags,
    )
    assert kinds == [kind_of(tag) for tag in tags]
    assert {"answers", "silent", "furniture", "unknown"} == set(kinds)


# SageMaker Developer Guide, "Crowd HTML Elements Reference".
_DOCUMENTED = """alert badge button bounding-box card checkbox classifier classifier-multi-select
entity-annotation fab form icon-button image-classifier image-classifier-multi-select input
instance-segmentation instructions keypoint line modal polygon polyline radio-button radio-group
semantic-segmentation slider tab tabs text-area toast toggle-button textract-analyze-document
rekognition-detect-moderation-labels"""
